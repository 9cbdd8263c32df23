"""RegDA as its public code computes it, but for the visibility of target keypoints, which it reads."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from actupose.methods.regda import RegDA
from actupose.nets.pose_resnet import PoseOutput
from actupose.nets.regda_heads import build_adversarial_head


class ReferenceRegDA(RegDA):
    """Pseudo-labels come from raw maps, the target counts twice for BatchNorm, both heads begin afresh."""

    def prepare(self, step: int) -> None:
        """The public code loses the pretrained main head by its name."""
        run = self.student.run
        if step == run.schedule.first_adaptation_step:
            fresh = build_adversarial_head(len(run.skeleton), run.network, run.seed, "main head")
            self.student.network.head.load_state_dict(fresh.head.state_dict())

    def target_output(self, images: Float[Tensor, "b 3 S S"]) -> PoseOutput:
        """The public code forwards the target batch twice: its BatchNorm statistics count twice."""
        layers = [part for part in self.student.network.modules() if isinstance(part, _BatchNorm)]
        momenta = [layer.momentum for layer in layers]
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = 1 - (1 - (momentum or 0)) ** 2
        try:
            return self.student.predict(images)
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum

    def pseudo_heatmaps(self, output: PoseOutput) -> Float[Tensor, "B K h w"]:
        """Raw output, negative values included."""
        return output.heatmaps
