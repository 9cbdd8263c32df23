"""Where a trained model lies, as the command line names it."""

from pathlib import Path

HELP = (
    "a run's folder (runs/actupose-0), or an address in MLflow: models:/NAME@ALIAS, models:/NAME/VERSION, "
    "runs:/ID"
)


def model_folder(place: str) -> Path:
    """Folder with model.safetensors and model.json."""
    if place.startswith(("models:/", "runs:/")):
        from tracking import fetch_model  # a folder is used without MLflow

        return Path(fetch_model(place))
    return Path(place)
