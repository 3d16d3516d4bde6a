"""Encoders: the vision towers that are enhanced, with their text towers beside them."""

from __future__ import annotations

from pathlib import Path

from dcr.encoders.base import Encoder
from dcr.encoders.clip import Clip
from dcr.encoders.folder import (
    check_config,
    load_image_processor,
    load_model,
    load_tokenizer,
    locate_encoder,
    read_companions,
    read_model_type,
)
from dcr.encoders.siglip import Siglip
from dcr.errors import unknown

__all__ = ["Clip", "Encoder", "Siglip", "load_encoder"]

FAMILIES: dict[str, type[Encoder]] = {"clip": Clip, "siglip": Siglip}


def load_encoder(folder: str | Path) -> Encoder:
    """Loads a pretrained encoder, frozen, in eval mode and in float32.

    Args:
        folder: A Hub id or a complete transformers folder: config, safetensors, image processor, tokenizer.

    Returns:
        The encoder of the family that config.json names.

    Raises:
        DcrError: If anything is missing, broken, of an unknown family, or does not fit together.
    """
    source, located = str(folder), locate_encoder(folder)
    model_type = read_model_type(located)
    if model_type not in FAMILIES:
        raise unknown(f"model_type in {located / 'config.json'}:", model_type, FAMILIES)
    family = FAMILIES[model_type]
    check_config(family.model_class, located)
    image_processor, tokenizer = load_image_processor(located, source), load_tokenizer(located, source)
    encoder = family(
        load_model(family.model_class, source, located),
        image_processor=image_processor,
        tokenizer=tokenizer,
        companions=read_companions(located),
        source=source,
    )
    encoder.check()
    return encoder
