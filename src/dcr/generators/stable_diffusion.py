"""Stable Diffusion 1.x and 2.x as a frozen teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from dcr.generators.folder import load_parts
from dcr.generators.shifted_attention import is_exact, shift_cross_attention


@dataclass(frozen=True)
class Noised:
    """A batch of noised latents and what the denoiser should say about them.

    Attributes:
        noisy: ``[B, C, h, w]`` float32.
        timesteps: ``[B]`` int64 in ``[0, T)``.
        target: ``[B, C, h, w]`` float32; noise or velocity, whichever the denoiser predicts.
    """

    noisy: Tensor
    timesteps: Tensor
    target: Tensor


class StableDiffusion(nn.Module):
    """Frozen VAE, UNet and noise schedule, with the embedded empty prompt instead of a text encoder.

    Always in evaluation mode, without gradients for its own parameters. The dtype of the weights alone
    decides the precision of VAE and UNet (autocast is off inside); the noise schedule is float32.

    Attributes:
        condition_width: ``D``, the cross-attention width of the UNet.
        latent_scale: Pixels per latent cell along one side (8 for Stable Diffusion).
        prediction_type: ``"epsilon"`` or ``"v_prediction"``.
        shifted: Whether conditions enter as a shift of constant cross-attentions
            (:mod:`dcr.generators.shifted_attention`).
    """

    empty_prompt: Tensor

    def __init__(
        self,
        *,
        vae: AutoencoderKL,
        unet: UNet2DConditionModel,
        scheduler: DDPMScheduler,
        empty_prompt: Tensor,
        cross_attention: Literal["auto", "plain"] = "auto",
    ) -> None:
        """Freezes the parts.

        Args:
            vae: Encodes images.
            unet: Denoises; its cross-attention layers are changed in place where the shift form is used.
            scheduler: Noise schedule and prediction type.
            empty_prompt: ``[L, D]`` embedding of the empty prompt.
            cross_attention: ``"auto"`` uses the shift form wherever it is exact, ``"plain"`` never.
        """
        super().__init__()
        self.vae = vae
        self.unet = unet
        self.scheduler = scheduler
        self.condition_width: int = unet.config.cross_attention_dim
        self.latent_scale: int = 2 ** (len(vae.config.block_out_channels) - 1)
        self.prediction_type: str = scheduler.config.prediction_type
        self.register_buffer("empty_prompt", empty_prompt.to(unet.dtype))
        self.shifted = cross_attention == "auto" and is_exact(unet)
        if self.shifted:
            shift_cross_attention(unet, self.empty_prompt)
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        dtype: torch.dtype = torch.float32,
        cross_attention: Literal["auto", "plain"] = "auto",
    ) -> StableDiffusion:
        """Loads a diffusers folder of Stable Diffusion 1.x or 2.x; safetensors only.

        Args:
            folder: Local folder or Hub id with ``vae/ unet/ scheduler/ text_encoder/ tokenizer/``.
            dtype: Of VAE and UNet.
            cross_attention: See the constructor.

        Raises:
            DcrError: If the folder, a part or its weights are missing, or the parts do not fit each other.
        """
        parts = load_parts(folder, dtype)
        return cls(
            vae=parts.vae,
            unet=parts.unet,
            scheduler=parts.scheduler,
            empty_prompt=parts.empty_prompt,
            cross_attention=cross_attention,
        )

    def train(self, mode: bool = True) -> StableDiffusion:
        """Stays in evaluation mode, whatever a surrounding module asks for."""
        return super().train(False)

    @torch.no_grad()
    def encode(self, pixels: Tensor, rng: torch.Generator) -> Tensor:
        """Draws latents from the posterior of the VAE and scales them.

        Args:
            pixels: ``[B, 3, S, S]`` in ``[0, 1]``.
            rng: CPU generator.

        Returns:
            ``[B, C, h, w]`` float32, with ``h = w = S // latent_scale``.
        """
        with torch.autocast(pixels.device.type, enabled=False):
            posterior = self.vae.encode((2 * pixels - 1).to(self.vae.dtype)).latent_dist
        mean = posterior.mean.float()
        std = (posterior.logvar.float() / 2).exp()
        latents = mean + std * torch.randn(mean.shape, generator=rng).to(mean.device)
        config = self.vae.config
        scaled: Tensor = (latents - (config.shift_factor or 0.0)) * config.scaling_factor
        return scaled

    @torch.no_grad()
    def noise(self, latents: Tensor, rng: torch.Generator) -> Noised:
        """Noises each latent at its own uniform timestep, in float32.

        Args:
            latents: ``[B, C, h, w]`` from :meth:`encode`.
            rng: CPU generator.

        Returns:
            ``z_t = sqrt(abar_t) z_0 + sqrt(1 - abar_t) eps`` with ``eps`` or
            ``v = sqrt(abar_t) eps - sqrt(1 - abar_t) z_0`` as its target.
        """
        latents = latents.float()
        length = self.scheduler.config.num_train_timesteps
        timesteps = torch.randint(length, (len(latents),), generator=rng).to(latents.device)
        noise = torch.randn(latents.shape, generator=rng).to(latents.device)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        velocity = self.prediction_type == "v_prediction"
        target = self.scheduler.get_velocity(latents, noise, timesteps) if velocity else noise
        return Noised(noisy, timesteps, target)

    def predict(self, noisy: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        """Predicts the target of noised latents; gradients reach ``condition`` only.

        Args:
            noisy: ``[N, C, h, w]``; any ``h`` and ``w``, also such that do not divide by the UNet's strides.
            timesteps: ``[N]`` int64.
            condition: ``[N, D]``, added to the empty-prompt embedding on every position.

        Returns:
            ``[N, C, h, w]`` float32 (float64 from float64 weights).
        """
        context = condition.to(self.unet.dtype)[:, None]
        if not self.shifted:
            context = self.empty_prompt + context
        with torch.autocast(noisy.device.type, enabled=False):
            prediction: Tensor = self.unet(noisy.to(self.unet.dtype), timesteps, context).sample
        return prediction.to(torch.promote_types(prediction.dtype, torch.float32))

    def activation_bytes(self, latent_shape: Sequence[int]) -> int:
        """Bytes kept for the backward pass of one sample of :meth:`predict`; runs the UNet once.

        Args:
            latent_shape: ``(C, h, w)``.
        """
        constants = {tensor.untyped_storage().data_ptr() for tensor in (*self.parameters(), *self.buffers())}
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in constants:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor.detach()

        device = self.empty_prompt.device
        condition = torch.zeros(1, self.condition_width, device=device, requires_grad=True)
        timesteps = torch.zeros(1, dtype=torch.long, device=device)
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            prediction = self.predict(torch.zeros(1, *latent_shape, device=device), timesteps, condition)
        del prediction
        return sum(kept.values())
