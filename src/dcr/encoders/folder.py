"""Reading the folder of a pretrained encoder, and refusing every broken one by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedModel

from dcr.errors import DcrError
from dcr.pretrained import locate, one_line, quiet

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
VOCABULARIES = ({"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"spiece.model"}, {"tokenizer.model"})
TOKENIZER_FILES = (
    *("tokenizer.json", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)


def locate_encoder(source: str | Path) -> Path:
    """Returns the folder of an encoder, with the small files of a Hub repository downloaded.

    Raises:
        DcrError: If there is neither a folder nor a repository.
    """
    return locate(source, what="an encoder", files=["config.json", *PROCESSOR_FILES, *TOKENIZER_FILES])


def read_model_type(folder: Path) -> str:
    """Returns ``model_type`` of a folder's config.json.

    Raises:
        DcrError: If config.json is missing, is not JSON, or has no such key.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise DcrError(
            f"There is no config.json in {folder}: an encoder is a complete transformers model folder."
        )
    try:
        return str(json.loads(path.read_text())["model_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise DcrError(
            f"{path} is not the config of a transformers model: it needs the key 'model_type'."
        ) from error


def check_config(model_class: Any, folder: Path) -> None:
    """Lets transformers validate config.json, so that no later step fails in its name.

    Raises:
        DcrError: If a value is impossible.
    """
    try:
        with quiet():
            model_class.config_class.from_pretrained(folder)
    except Exception as error:
        raise DcrError(f"Cannot read config.json of {folder}: {one_line(error)}") from error


def load_model(model_class: Any, source: str, folder: Path) -> PreTrainedModel:
    """Loads the weights in float32 and refuses any difference between them and config.json.

    Args:
        model_class: ``CLIPModel`` or ``SiglipModel``.
        source: What the user gave; a Hub id lets transformers find the safetensors of its repository.
        folder: What :func:`locate_encoder` made of it.

    Raises:
        DcrError: If the weights are missing, pickled, broken, or do not fit config.json key by key.
    """
    is_local = Path(source).expanduser().is_dir()
    if is_local:
        _require_safetensors(folder, model_class.__name__)
    try:
        with quiet(progress=not is_local):
            # Mismatches are let through only to be named below: transformers' own error names no key.
            model, info = model_class.from_pretrained(
                folder if is_local else source,
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:
        raise DcrError(f"Cannot load the weights of {source}: {one_line(error)}") from error
    _require_match(info, source)
    return model


def _require_safetensors(folder: Path, class_name: str) -> None:
    if any((folder / name).is_file() for name in WEIGHTS):
        return
    pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
    if not pickled:
        raise DcrError(f"There are no weights in {folder}: model.safetensors is missing.")
    raise DcrError(
        f"{folder / pickled[0]} is a pickle, and only safetensors are read; convert it once with: "
        f'python -c "from transformers import {class_name} as M; '
        f"M.from_pretrained('{folder}').save_pretrained('{folder}')\""
    )


def _require_match(info: dict[str, Any], source: str) -> None:
    """Refuses what transformers would initialise at random or drop without a word."""
    for key, stored, expected in sorted(info["mismatched_keys"]):
        raise DcrError(
            f"The weights in {source} do not fit its config.json: '{key}' has shape {tuple(stored)}, "
            f"config.json asks for {tuple(expected)}."
        )
    for kind, meaning in (("missing_keys", "lack"), ("unexpected_keys", "have an extra")):
        for key in sorted(info[kind]):
            raise DcrError(f"The weights in {source} do not fit its config.json: they {meaning} '{key}'.")


def load_image_processor(folder: Path, source: str) -> Any:
    """Loads the image processor with its PIL numerics, which are those of the published results.

    Raises:
        DcrError: If its file is missing or broken.
    """
    if not any((folder / name).is_file() for name in PROCESSOR_FILES):
        raise DcrError(f"There is no image processor in {source}: preprocessor_config.json is missing.")
    try:
        with quiet():
            return AutoImageProcessor.from_pretrained(folder, backend="pil")
    except Exception as error:
        raise DcrError(f"Cannot load the image processor of {source}: {one_line(error)}") from error


def load_tokenizer(folder: Path, source: str) -> Any:
    """Loads the tokenizer.

    Raises:
        DcrError: If its files are missing (transformers would make an empty vocabulary) or broken.
    """
    if not any(all((folder / name).is_file() for name in names) for names in VOCABULARIES):
        raise DcrError(
            f"There is no tokenizer in {source}: tokenizer.json is missing "
            "(vocab.json with merges.txt, or spiece.model, would do as well)."
        )
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder)
    except Exception as error:
        raise DcrError(f"Cannot load the tokenizer of {source}: {one_line(error)}") from error


def read_companions(folder: Path) -> dict[str, bytes]:
    """Reads the processor and tokenizer files, so that they can be saved again byte for byte."""
    paths = (folder / name for name in (*PROCESSOR_FILES, *TOKENIZER_FILES))
    return {path.name: path.read_bytes() for path in paths if path.is_file()}
