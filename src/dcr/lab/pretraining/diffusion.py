"""Makes a small Stable Diffusion from captioned images: autoencoder, UNet and text encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from dcr.files import atomic_folder
from dcr.lab.pretraining.captioned import CaptionedImages, draw_captions, tokenize
from dcr.lab.pretraining.fit import finish, fit
from dcr.lab.pretraining.recipe import DenoiserRecipe, VaeRecipe
from dcr.seeds import derive_seed

LATENT_CHANNELS = 4
KL_WEIGHT = 1e-5


def pretrain_vae(
    data: CaptionedImages, recipe: VaeRecipe, folder: Path, *, image_size: int, seed: int
) -> None:
    """Trains the autoencoder (L1 + squared error + a light KL term) and saves it with its scaling factor."""
    torch.manual_seed(derive_seed(seed, "vae", "weights"))
    levels = len(recipe.channels)
    vae = AutoencoderKL(
        block_out_channels=recipe.channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=image_size,
    )

    def loss(rng: torch.Generator) -> Tensor:
        pixels = 2 * data.draw(recipe.batch_size, image_size, rng)[1] - 1
        posterior = vae.encode(pixels).latent_dist
        decoded = vae.decode(posterior.sample(rng)).sample
        kl = posterior.kl().mean() / pixels[0].numel()
        loss: Tensor = (
            functional.l1_loss(decoded, pixels) + functional.mse_loss(decoded, pixels) + KL_WEIGHT * kl
        )
        return loss

    checkpoint = folder.with_name(".vae-checkpoint")
    fit(
        [vae],
        loss,
        label="vae",
        steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        checkpoint=checkpoint,
        seed=seed,
    )
    with torch.no_grad():
        pixels = data.images[:1000, :, :image_size, :image_size].float() / 127.5 - 1
        vae.register_to_config(scaling_factor=1 / vae.encode(pixels).latent_dist.mean.std().item())
    with atomic_folder(folder) as partial:
        vae.half().save_pretrained(partial)
    finish(checkpoint)


def pretrain_denoiser(
    data: CaptionedImages,
    tokenizer: CLIPTokenizer,
    vae_folder: Path,
    recipe: DenoiserRecipe,
    folder: Path,
    *,
    image_size: int,
    seed: int,
) -> None:
    """Trains UNet and text encoder on noise prediction and saves the whole Stable Diffusion folder.

    Args:
        data: Captioned images; the full captions are the prompts.
        tokenizer: Tokenizer of the captions.
        vae_folder: The finished autoencoder.
        recipe: Sizes and schedule.
        folder: Where the generator goes, in the layout of ``stable-diffusion-2-1``.
        image_size: Side of the images (px).
        seed: The run's seed.
    """
    tokenizer.model_max_length = recipe.context_length
    vae = AutoencoderKL.from_pretrained(vae_folder, torch_dtype=torch.float32).eval().requires_grad_(False)
    scheduler = DDPMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        steps_offset=1,
    )
    torch.manual_seed(derive_seed(seed, "denoiser", "weights"))
    text_encoder = _text_encoder(recipe, tokenizer)
    unet = _unet(recipe, image_size // 2 ** (len(vae.config.block_out_channels) - 1))
    mean, std = _latent_statistics(vae, data, image_size)
    token_ids = tokenize(tokenizer, data.full_captions)
    empty = tokenize(tokenizer, [[""]])[0]

    def loss(rng: torch.Generator) -> Tensor:
        index = torch.randint(len(mean), (recipe.batch_size,), generator=rng)
        latents = mean[index] + std[index] * torch.randn(mean[index].shape, generator=rng)
        ids = draw_captions(token_ids, index, rng)
        dropped = torch.rand(len(index), 1, generator=rng) < recipe.empty_prompt_rate
        prompt = text_encoder(input_ids=torch.where(dropped, empty, ids)).last_hidden_state
        noise = torch.randn(latents.shape, generator=rng)
        timesteps = torch.randint(scheduler.config.num_train_timesteps, (len(index),), generator=rng)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        return functional.mse_loss(unet(noisy, timesteps, encoder_hidden_states=prompt).sample, noise)

    checkpoint = folder.with_name(".denoiser-checkpoint")
    fit(
        [unet, text_encoder],
        loss,
        label="denoiser",
        steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        checkpoint=checkpoint,
        seed=seed,
    )
    parts = {"vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer, "unet": unet}
    _save_pipeline(folder, **parts, scheduler=scheduler)
    finish(checkpoint)


def _save_pipeline(folder: Path, **parts: Any) -> None:
    pipeline = StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    with atomic_folder(folder) as partial:
        pipeline.to(torch.float16, silence_dtype_warnings=True).save_pretrained(partial)


def _unet(recipe: DenoiserRecipe, latent_size: int) -> UNet2DConditionModel:
    levels = len(recipe.channels)
    return UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=recipe.channels,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        layers_per_block=1,
        attention_head_dim=[channels // 32 for channels in recipe.channels],
        cross_attention_dim=recipe.text_width,
        use_linear_projection=True,
        norm_num_groups=16,
    )


def _text_encoder(recipe: DenoiserRecipe, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            hidden_size=recipe.text_width,
            intermediate_size=4 * recipe.text_width,
            num_hidden_layers=recipe.text_layers,
            num_attention_heads=recipe.text_width // 32,
            vocab_size=len(tokenizer),
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


@torch.no_grad()
def _latent_statistics(vae: AutoencoderKL, data: CaptionedImages, image_size: int) -> tuple[Tensor, Tensor]:
    """Encodes every image once, centre crop: scaled posterior means and deviations, [N, 4, h, w] each."""
    corner = (data.images.shape[-1] - image_size) // 2
    crops = data.images[:, :, corner : corner + image_size, corner : corner + image_size]
    means, deviations = [], []
    for chunk in tqdm(torch.split(crops, 250), desc="latents"):
        posterior = vae.encode(chunk.float() / 127.5 - 1).latent_dist
        means.append(posterior.mean * vae.config.scaling_factor)
        deviations.append(posterior.std * vae.config.scaling_factor)
    return torch.cat(means), torch.cat(deviations)
