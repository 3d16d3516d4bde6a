"""SigLIP, and SigLIP 2 in its fixed-resolution form."""

from __future__ import annotations

from transformers import SiglipModel

from dcr.encoders.base import Encoder
from dcr.errors import DcrError


class Siglip(Encoder):
    """SigLIP; the condition feature is the output of the attention-pool head."""

    model_class = SiglipModel
    # Not head.attention.out_proj: nn.MultiheadAttention reads its weight and never calls it.
    lora_targets = (
        r"vision_model\.(encoder\.layers\.\d+\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])|head\.mlp\.fc[12])"
    )
    text_mask = False

    @property
    def width(self) -> int:
        """Width d of the shared image and text space, which is the vision tower's own."""
        width: int = self.plain_model.config.vision_config.hidden_size
        return width

    def check(self) -> None:
        """Refuses also a vision tower without the head that makes the feature.

        Raises:
            DcrError: As the base class, and if vision_config.vision_use_head is false.
        """
        super().check()
        if not self.model.config.vision_config.vision_use_head:
            raise DcrError(
                f"{self.source}: vision_config.vision_use_head is false; the head makes the feature."
            )
