"""CLIP and all that share its architecture: OpenAI, MetaCLIP, DFN, LAION."""

from __future__ import annotations

from transformers import CLIPModel

from dcr.encoders.base import Encoder
from dcr.errors import DcrError


class Clip(Encoder):
    """CLIP; the condition feature is the projected class token."""

    model_class = CLIPModel
    lora_targets = (
        r"vision_model\.encoder\.layers\.\d+\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])|visual_projection"
    )
    text_mask = True

    @property
    def width(self) -> int:
        """Width d of the shared image and text space."""
        width: int = self.plain_model.config.projection_dim
        return width

    def check(self) -> None:
        """Refuses also a tokenizer that never writes the token whose state is the text feature.

        Raises:
            DcrError: As the base class, and if the end tokens differ: transformers would take the first
                position of every text without a word.
        """
        super().check()
        # 2 is the wrong value in OpenAI's own configs; transformers knows it and takes the highest id.
        expected, written = self.model.config.text_config.eos_token_id, self.tokenizer.eos_token_id
        if expected not in (2, written):
            raise DcrError(
                f"{self.source}: text_config.eos_token_id is {expected}, but its tokenizer ends a text with "
                f"{written}: they must be equal."
            )
