"""Tiny Stable Diffusion folders with random weights, complete as those on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from tests.tiny_encoders import tiny_tokenizer

CONDITION_WIDTH = 24
PROMPT_LENGTH = 12
LATENT_CHANNELS = 4
LATENT_SCALE = 2
SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def tiny_unet(*, linear_projection: bool = True, seed: int = 0, **changes: Any) -> UNet2DConditionModel:
    """A UNet of three levels, two with cross-attention, with the projections of SD 2 (linear) or SD 1."""
    config: dict[str, Any] = {
        "in_channels": LATENT_CHANNELS,
        "out_channels": LATENT_CHANNELS,
        "block_out_channels": (8, 16, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "cross_attention_dim": CONDITION_WIDTH,
        "attention_head_dim": (2, 4, 4) if linear_projection else 4,
        "use_linear_projection": linear_projection,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet2DConditionModel(**{**config, **changes})


def tiny_stable_diffusion(
    folder: Path,
    *,
    prediction_type: str = "epsilon",
    linear_projection: bool = True,
    seed: int = 0,
    unet: dict[str, Any] | None = None,
) -> Path:
    """Writes VAE (2 px per latent cell), UNet, schedule of Stable Diffusion, text encoder and tokenizer.

    Args:
        folder: Where to.
        prediction_type: Of the scheduler.
        linear_projection: SD 2 shape of the UNet, else that of SD 1.
        seed: Of the weights.
        unet: Changes to the configuration of the UNet.
    """
    tiny_unet(linear_projection=linear_projection, seed=seed, **(unet or {})).save_pretrained(folder / "unet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 8),
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=4,
        )
        tokenizer = tiny_tokenizer(length=PROMPT_LENGTH)
        text_config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=CONDITION_WIDTH,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=PROMPT_LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        text_encoder = CLIPTextModel(text_config)
    vae.save_pretrained(folder / "vae")
    text_encoder.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    DDPMScheduler(**SCHEDULE, prediction_type=prediction_type).save_pretrained(folder / "scheduler")
    return folder
