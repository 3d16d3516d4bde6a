"""Frozen pretrained models that teach."""

from dcr.generators.stable_diffusion import Noised, StableDiffusion

__all__ = ["Noised", "StableDiffusion"]
