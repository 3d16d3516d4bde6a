"""Sizes of the real checkpoints, on the meta device: no weights, no memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from dcr.encoders import Clip, Encoder, Siglip


def shape(hidden: int, mlp: int, layers: int, heads: int, **more: int) -> dict[str, int]:
    keys = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    return dict(zip(keys, (hidden, mlp, layers, heads), strict=True)) | more


def clip(vision: dict[str, int], text: dict[str, int], width: int) -> Encoder:
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=width))
    return wrap(Clip, model, CLIPImageProcessorPil())


def siglip(vision: dict[str, int], text: dict[str, int]) -> Encoder:
    with torch.device("meta"):
        model = SiglipModel(SiglipConfig(vision_config=vision, text_config=text))
    return wrap(Siglip, model, SiglipImageProcessorPil())


def wrap(family: type[Encoder], model: Any, processor: Any) -> Encoder:
    encoder = family(model, image_processor=processor, tokenizer=None, companions={}, source="meta")
    return encoder.to("meta")


def large() -> Encoder:
    return clip(shape(1024, 4096, 24, 16, image_size=224, patch_size=14), shape(768, 3072, 12, 12), 768)


def huge() -> Encoder:
    return clip(shape(1280, 5120, 32, 16, image_size=224, patch_size=14), shape(1024, 4096, 24, 16), 1024)


def so400m() -> Encoder:
    tower = shape(1152, 4304, 27, 16)
    return siglip({**tower, "image_size": 384, "patch_size": 14}, tower | {"vocab_size": 32000})


def lora_and_biases(hidden: int, mlp: int, layers: int, rank: int = 16) -> int:
    attention = 4 * rank * (hidden + hidden) + 4 * hidden
    return layers * (attention + lora_and_biases_of_mlp(hidden, mlp))


def lora_and_biases_of_mlp(hidden: int, mlp: int, rank: int = 16) -> int:
    return 2 * rank * (hidden + mlp) + mlp + hidden


# methods.md 4.5 counts 9.19 M for SO400M, with head.attention.out_proj: its LoRA, which is dead, and bias.
DEAD = 16 * (1152 + 1152) + 1152


@pytest.mark.parametrize(
    ("build", "trainable", "published", "width", "tokens"),
    [
        (large, lora_and_biases(1024, 4096, 24) + 16 * (1024 + 768), 7.33, 768, 257),
        (huge, lora_and_biases(1280, 5120, 32) + 16 * (1280 + 1024), 12.20, 1024, 257),
        (
            so400m,
            lora_and_biases(1152, 4304, 27) + lora_and_biases_of_mlp(1152, 4304),
            9.19 - DEAD / 1e6,
            1152,
            729,
        ),
    ],
    ids=["L/14", "H/14", "SO400M"],
)
def test_sizes(build: Any, trainable: int, published: float, width: int, tokens: int) -> None:
    encoder: Encoder = build()
    encoder.add_lora(rank=16, alpha=16, dropout=0.1, bias="lora_only")
    count = sum(parameter.numel() for parameter in encoder.trainable_parameters().values())
    assert count == trainable
    assert count / 1e6 == pytest.approx(published, abs=0.005)
    size = encoder.image_size
    images = torch.empty(2, 3, size, size, device="meta")
    assert encoder.width == width
    assert encoder(images).shape == (2, width)
    assert encoder.tokens(images).shape[:2] == (2, tokens)
