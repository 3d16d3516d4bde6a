"""Export: enhanced encoders in the formats that others load without this package."""

from __future__ import annotations

from dcr.export.hugging_face import export_encoder
from dcr.export.model_card import model_card

__all__ = ["export_encoder", "model_card"]
