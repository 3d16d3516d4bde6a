"""A Hugging Face model folder that transformers loads without this package."""

from __future__ import annotations

from pathlib import Path

from dcr.encoders import Encoder
from dcr.errors import DcrError
from dcr.files import atomic_folder


def export_encoder(encoder: Encoder, folder: str | Path, *, card: str) -> None:
    """Writes the encoder with its model card, ready to be loaded, zipped or uploaded; atomically.

    The folder holds config.json, model.safetensors (float32, see :meth:`dcr.encoders.Encoder.save`),
    preprocessor_config.json, the tokenizer and README.md.

    Args:
        encoder: An encoder whose LoRA has been merged.
        folder: Where to; it must not exist or be empty.
        card: The text of README.md, from :func:`dcr.export.model_card`.

    Raises:
        DcrError: If the folder has content or cannot be written, or LoRA is still on.
    """
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DcrError(f"{folder} exists and is not empty: export to a new folder, or remove it first.")
    with atomic_folder(folder) as temporary:
        encoder.save(temporary)
        (temporary / "README.md").write_text(card, encoding="utf-8")
