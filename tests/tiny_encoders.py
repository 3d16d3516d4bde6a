"""Tiny encoder folders with random weights, complete as those on the Hub."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

LAYERS = 2
VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "patch_size": 8,
}
TEXT = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": LAYERS, "num_attention_heads": 4}


def tiny_tokenizer(length: int) -> CLIPTokenizer:
    """A byte-level BPE tokenizer: letters, digits and a few merges."""
    characters = "abcdefghijklmnopqrstuvwxyz0123456789"
    merges = ["t h", "th e</w>", "d o", "do g</w>", "c a", "ca t</w>"]
    pieces = [*characters, *(c + "</w>" for c in characters), *("".join(m.split()) for m in merges)]
    vocabulary = {piece: index for index, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    pairs = [tuple(merge.split()) for merge in merges]
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=length)


def shake(model: PreTrainedModel, seed: int) -> None:
    """Replaces the initial values, many of which are zero or one, by ones that every mistake shows in."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise * (0.15 if parameter.ndim > 1 else 0.3))
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1)


def tiny_clip(
    folder: Path,
    *,
    image_size: int = 32,
    activation: str = "quick_gelu",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Path:
    """Writes a CLIP with a 20-wide shared space and OpenAI's mean and standard deviation."""
    tokenizer = tiny_tokenizer(length=77)
    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = CLIPConfig(
        vision_config={**VISION, "image_size": image_size, "hidden_act": activation, "projection_dim": 20},
        text_config={**text, "hidden_act": activation, "projection_dim": 20},
        projection_dim=20,
    )
    model = CLIPModel(config)
    shake(model, seed)
    model.to(dtype).save_pretrained(folder)
    side = {"height": image_size, "width": image_size}
    CLIPImageProcessorPil(size={"shortest_edge": image_size}, crop_size=side).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_siglip(
    folder: Path, *, image_size: int = 32, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Path:
    """Writes a SigLIP whose text tower is as wide as its vision tower, 32, with mean and deviation 0.5."""
    tokenizer = tiny_tokenizer(length=64)
    config = SiglipConfig(
        vision_config={**VISION, "image_size": image_size},
        text_config={
            **TEXT,
            "projection_size": 32,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 64,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
    )
    model = SiglipModel(config)
    shake(model, seed)
    model.to(dtype).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": image_size, "width": image_size}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
