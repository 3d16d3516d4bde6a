"""The numbers of a pretraining: what ``dcr lab pretrain`` makes, and how long each part trains."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderRecipe(_Frozen):
    """A small dual encoder."""

    patch_size: int = 8
    """Patch side (px)."""
    width: int = 128
    """Hidden width of both towers."""
    layers: int = 4
    """Layers of the vision tower."""
    text_layers: int = 2
    """Layers of the text tower."""
    context_length: int = 32
    """Tokens per caption, padded."""
    projection: int = 64
    """Width of the joint space (CLIP; SigLIP's is its hidden width)."""
    steps: int = 2000
    """Optimizer steps."""
    batch_size: int = 256
    """Image-caption pairs per step."""
    learning_rate: float = 1e-3
    """Peak rate; cosine decay to zero."""


class VaeRecipe(_Frozen):
    """A small AutoencoderKL with four latent channels."""

    channels: tuple[int, ...] = (24, 48, 64)
    """Channels per level; each level after the first halves the resolution."""
    steps: int = 2000
    """Optimizer steps."""
    batch_size: int = 32
    """Images per step."""
    learning_rate: float = 1e-3
    """Peak rate; cosine decay to zero."""


class DenoiserRecipe(_Frozen):
    """A small UNet with its text encoder, trained together."""

    channels: tuple[int, ...] = (64, 96)
    """Channels per level of the UNet."""
    text_width: int = 128
    """Hidden width of the text encoder, the UNet's cross-attention width."""
    text_layers: int = 2
    """Layers of the text encoder."""
    context_length: int = 48
    """Tokens per prompt, padded."""
    steps: int = 5000
    """Optimizer steps."""
    batch_size: int = 64
    """Images per step."""
    learning_rate: float = 1e-3
    """Peak rate; cosine decay to zero."""
    empty_prompt_rate: float = 0.1
    """Share of captions replaced by the empty prompt."""


class PretrainRecipe(_Frozen):
    """Everything that makes one pair of encoder and generator (and a SigLIP) from captioned images."""

    data: str = "scenes"
    """scenes, or webdataset tars with captions: a folder, a glob or a brace pattern."""
    output: Path = Path("runs/lab-models")
    """Where the models go: one folder each."""
    seed: int = 0
    """Fixes data, initial weights and every batch."""
    image_size: int = 32
    """Side of the images (px)."""
    crop_margin: int = 0
    """Images are kept this much larger (px) and cropped at random; 0 where the images never run out."""
    images: int = 50_000
    """Scenes in the pool (photos: all there are)."""
    vocabulary: int = 1000
    """Tokens of the tokenizer, at most."""
    clip: EncoderRecipe | None = EncoderRecipe()
    """The CLIP encoder; none to leave it out."""
    siglip: EncoderRecipe | None = EncoderRecipe()
    """The SigLIP encoder; none to leave it out."""
    vae: VaeRecipe = VaeRecipe()
    """The generator's autoencoder."""
    denoiser: DenoiserRecipe = DenoiserRecipe()
    """The generator's UNet and text encoder."""
