"""The model as MLflow serves it: images in, keypoints by name out.

MLflow keeps this file as code in every model and runs it where one is loaded, beside a copy of the library
and without the stages.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from actupose.errors import UserError
from actupose.inference.decode import decode_image
from actupose.inference.predictor import Predictor


class ServedModel(PythonModel):
    """Predicts one person for each row of ``image``: an encoded picture of any size (JSON: base64)."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights that lie among the model's artifacts."""
        self._predictor = Predictor.load(Path(context.artifacts["model.safetensors"]).parent)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A column for each keypoint: x, y in pixels of the picture, and confidence.

        Raises:
            MlflowException: a row is no image; the server answers with status 400.
        """
        images = [_decode(row, encoded) for row, encoded in enumerate(model_input["image"])]
        keypoints, confidence = self._predictor.predict(images)
        names: Sequence[str] = self._predictor.skeleton.keypoints
        return pd.DataFrame(
            [
                {
                    name: {"x": float(x), "y": float(y), "confidence": float(sure)}
                    for name, (x, y), sure in zip(names, person, peaks, strict=True)
                }
                for person, peaks in zip(keypoints, confidence, strict=True)
            ],
            columns=list(names),
        )


def _decode(row: int, encoded: Any) -> Any:  # noqa: ANN401 - whatever was sent
    try:
        if not isinstance(encoded, bytes):
            raise UserError("nothing there")
        return decode_image(encoded)
    except UserError as error:
        hint = "send a file's bytes; in JSON their base64 under dataframe_records or dataframe_split"
        raise MlflowException.invalid_parameter_value(f"row {row}: image: {error}; {hint}") from None


set_model(ServedModel())
