"""Reading a diffusers folder of Stable Diffusion, and refusing every broken one by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from dcr.errors import DcrError
from dcr.pretrained import locate, one_line, quiet

_WEIGHTED_PARTS = ("vae", "unet", "text_encoder")
_PARTS = (*_WEIGHTED_PARTS, "scheduler", "tokenizer")
_PREDICTION_TYPES = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class Parts:
    """What is kept of a folder.

    Attributes:
        vae: Encodes images.
        unet: Denoises.
        scheduler: Noise schedule and prediction type.
        empty_prompt: ``[L, D]`` float32 embedding of the empty prompt.
    """

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    scheduler: DDPMScheduler
    empty_prompt: Tensor


def load_parts(source: str | Path, dtype: torch.dtype) -> Parts:
    """Loads a Stable Diffusion 1.x or 2.x folder; safetensors only.

    Args:
        source: Local folder or Hub id with ``vae/ unet/ scheduler/ text_encoder/ tokenizer/``.
        dtype: Of VAE and UNet.

    Raises:
        DcrError: If the folder, a part or its weights are missing, or the parts do not fit each other.
    """
    folder = locate(
        source,
        what="a Stable Diffusion 1.x or 2.x",
        files=[f"{part}/*.{ending}" for part in _PARTS for ending in ("json", "txt", "safetensors")],
        ignored=["*.fp16.*", "*.non_ema.*"],
    )
    _check_complete(folder)
    parts = Parts(
        scheduler=_load_scheduler(folder),
        vae=_load_model(AutoencoderKL, folder / "vae", torch_dtype=dtype),
        unet=_load_model(UNet2DConditionModel, folder / "unet", torch_dtype=dtype),
        empty_prompt=_embed_empty_prompt(folder),
    )
    _check_fit(folder, parts)
    return parts


def _check_complete(folder: Path) -> None:
    """Refuses a folder with a missing part, or with weights of another kind than safetensors."""
    for part in _PARTS:
        if not (folder / part).is_dir():
            raise DcrError(
                f"There is no {part}/ in {folder}: a Stable Diffusion folder has {', '.join(sorted(_PARTS))}."
            )
    for part in _WEIGHTED_PARTS:
        if any((folder / part).glob("*.safetensors")):
            continue
        pickled = sorted(path.name for path in (folder / part).glob("*.bin"))
        if not pickled:
            raise DcrError(f"There are no weights in {folder / part}: a .safetensors file is missing.")
        raise DcrError(
            f"{folder / part / pickled[0]} is a pickle, and only safetensors are read: "
            "load the model once with diffusers and save it with save_pretrained."
        )


def _load_model(model_class: Any, folder: Path, **options: Any) -> Any:
    """Loads the weights of one part, all of them: a library would fill gaps with random numbers."""
    try:
        with quiet():
            model, info = model_class.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **options
            )
    except Exception as error:
        raise DcrError(f"Cannot load the {model_class.__name__} in {folder}: {one_line(error)}") from error
    for key in sorted(info["missing_keys"]):
        raise DcrError(f"The weights in {folder} do not fit its config.json: they lack '{key}'.")
    return model


def _load_scheduler(folder: Path) -> DDPMScheduler:
    """Reads the noise schedule, whatever sampler it was saved for."""
    path = folder / "scheduler" / "scheduler_config.json"
    try:
        config = DDPMScheduler.load_config(folder / "scheduler")
    except (OSError, ValueError) as error:
        raise DcrError(f"Cannot read the noise schedule {path}: {one_line(error)}") from error
    prediction_type = config.get("prediction_type", "epsilon")
    if prediction_type not in _PREDICTION_TYPES:
        raise DcrError(
            f"{path} has prediction_type '{prediction_type}': use a model with "
            f"{' or '.join(_PREDICTION_TYPES)}."
        )
    return DDPMScheduler.from_config(config)


def _load_tokenizer(folder: Path) -> CLIPTokenizer:
    """Loads the tokenizer; without its files transformers would make an empty vocabulary."""
    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        raise DcrError(f"There is no tokenizer in {folder}: tokenizer.json (or vocab.json) is missing.")
    try:
        return CLIPTokenizer.from_pretrained(folder)
    except Exception as error:
        raise DcrError(f"Cannot load the tokenizer in {folder}: {one_line(error)}") from error


@torch.no_grad()
def _embed_empty_prompt(folder: Path) -> Tensor:
    """Embeds the empty prompt as Stable Diffusion pipelines do: padded to full length, no attention mask."""
    tokenizer = _load_tokenizer(folder / "tokenizer")
    text_encoder = _load_model(CLIPTextModel, folder / "text_encoder", dtype=torch.float32)
    length = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)
    tokens = tokenizer("", padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    embedding: Tensor = text_encoder(tokens.input_ids).last_hidden_state[0]
    return embedding


def _check_fit(folder: Path, parts: Parts) -> None:
    """Refuses parts of different models, with both numbers, and models other than text-to-image ones."""
    config = parts.unet.config
    text_width = parts.empty_prompt.shape[-1]
    if config.cross_attention_dim != text_width:
        raise DcrError(
            f"The parts in {folder} are of different models: the UNet has cross_attention_dim "
            f"{config.cross_attention_dim}, the text encoder hidden_size {text_width}."
        )
    latent_channels = parts.vae.config.latent_channels
    if config.in_channels != latent_channels:
        raise DcrError(
            f"The UNet in {folder} has in_channels {config.in_channels}, the VAE latent_channels "
            f"{latent_channels}: use a text-to-image model, not one for inpainting or upscaling."
        )
    if parts.unet.class_embedding is not None or config.addition_embed_type not in (None, "text"):
        raise DcrError(
            f"The UNet in {folder} needs more than a prompt (class or addition embeddings): "
            "use Stable Diffusion 1.x or 2.x."
        )
