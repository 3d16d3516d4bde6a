"""Encoding, noising and predicting with a tiny Stable Diffusion."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from dcr.generators import StableDiffusion
from tests.tiny import CONDITION_WIDTH, LATENT_SCALE, PROMPT_LENGTH


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def teacher(folder: Path) -> StableDiffusion:
    return StableDiffusion.from_pretrained(folder)


@pytest.fixture(scope="module")
def velocity_teacher(velocity_folder: Path) -> StableDiffusion:
    return StableDiffusion.from_pretrained(velocity_folder)


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.rand(3, 3, 16, 16, generator=rng(1))


def test_sizes(teacher: StableDiffusion, pixels: Tensor) -> None:
    assert teacher.condition_width == CONDITION_WIDTH
    assert teacher.latent_scale == LATENT_SCALE
    assert teacher.empty_prompt.shape == (PROMPT_LENGTH, CONDITION_WIDTH)
    assert teacher.encode(pixels, rng()).shape == (3, 4, 16 // LATENT_SCALE, 16 // LATENT_SCALE)


def test_it_is_frozen_and_stays_in_evaluation_mode(teacher: StableDiffusion) -> None:
    surrounding = torch.nn.ModuleList([teacher]).train()
    assert surrounding.training
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not hasattr(teacher, "text_encoder")


def test_predictions_do_not_change_in_training_mode(folder: Path) -> None:
    teacher = StableDiffusion.from_pretrained(folder)
    for module in teacher.unet.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    latents, timesteps, condition = torch.randn(2, 4, 8, 8), torch.tensor([3, 700]), torch.randn(2, 24)
    before = teacher.predict(latents, timesteps, condition)
    teacher.train()
    torch.testing.assert_close(teacher.predict(latents, timesteps, condition), before, rtol=0, atol=0)


def test_the_empty_prompt_is_embedded_as_pipelines_do(folder: Path, teacher: StableDiffusion) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
    padding = [tokenizer.pad_token_id] * (PROMPT_LENGTH - 2)
    tokens = torch.tensor([[tokenizer.bos_token_id, tokenizer.eos_token_id, *padding]])
    with torch.no_grad():
        expected = text_encoder(tokens, attention_mask=None).last_hidden_state[0]
    torch.testing.assert_close(teacher.empty_prompt, expected, rtol=0, atol=0)


def test_encode_is_a_scaled_posterior_sample(folder: Path, teacher: StableDiffusion, pixels: Tensor) -> None:
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    with torch.no_grad():
        moments = vae.encode(pixels * 2 - 1).latent_dist.parameters
    mean, logvar = moments.chunk(2, dim=1)
    noise = torch.randn(mean.shape, generator=rng(7))
    expected = (mean + logvar.clamp(-30, 20).mul(0.5).exp() * noise) * 0.18215
    torch.testing.assert_close(teacher.encode(pixels, rng(7)), expected)


def test_encode_and_noise_depend_on_the_seed_only(teacher: StableDiffusion, pixels: Tensor) -> None:
    latents = teacher.encode(pixels, rng(0))
    assert torch.equal(latents, teacher.encode(pixels, rng(0)))
    assert not torch.equal(latents, teacher.encode(pixels, rng(1)))
    first, same, other = (teacher.noise(latents, rng(seed)) for seed in (0, 0, 1))
    for name in ("noisy", "timesteps", "target"):
        assert torch.equal(getattr(first, name), getattr(same, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))


def test_the_schedule_keeps_the_noise_of_the_first_timestep(teacher: StableDiffusion) -> None:
    """bfloat16 rounds abar_0 to 1: no noise at all (methods.md 8, item 17)."""
    latents = torch.zeros(4096, 1, 2, 2)
    noised = teacher.noise(latents, rng())
    first = noised.timesteps == 0
    assert first.any()
    ratio = (noised.noisy / noised.target)[first]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.0292), rtol=0, atol=1e-4)


def test_timesteps_are_uniform_over_the_whole_schedule(teacher: StableDiffusion) -> None:
    timesteps = teacher.noise(torch.zeros(20_000, 1, 1, 1), rng()).timesteps
    assert timesteps.dtype == torch.int64
    assert timesteps.min() == 0
    assert timesteps.max() == 999
    counts = torch.histc(timesteps.float(), bins=10, min=0, max=1000)
    assert (counts - 2000).abs().max() < 5 * math.sqrt(2000)


def alphas(timesteps: Tensor) -> Tensor:
    """The cumulative products of Stable Diffusion, in float64, from their definition."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)[timesteps].view(-1, 1, 1, 1)


def test_noise_and_velocity_targets_agree_two_ways(
    teacher: StableDiffusion, velocity_teacher: StableDiffusion
) -> None:
    latents = torch.randn(256, 4, 4, 4, generator=rng(3))
    epsilon, velocity = teacher.noise(latents, rng()), velocity_teacher.noise(latents, rng())
    assert torch.equal(epsilon.noisy, velocity.noisy)
    abar = alphas(epsilon.timesteps)
    noisy = abar.sqrt() * latents + (1 - abar).sqrt() * epsilon.target
    torch.testing.assert_close(epsilon.noisy, noisy.float())
    definition = abar.sqrt() * epsilon.target - (1 - abar).sqrt() * latents
    torch.testing.assert_close(velocity.target, definition.float())
    known = abar > 1e-2
    from_noisy = (epsilon.target - (1 - abar).sqrt() * epsilon.noisy) / abar.sqrt()
    close = torch.where(known, from_noisy - velocity.target, 0.0)
    assert close.abs().max() < 1e-4


def test_cosine_of_noise_and_velocity_is_the_root_of_abar(
    teacher: StableDiffusion, velocity_teacher: StableDiffusion
) -> None:
    latents = torch.randn(64, 4, 64, 64, generator=rng(3))
    epsilon, velocity = teacher.noise(latents, rng()), velocity_teacher.noise(latents, rng())
    cosine = torch.cosine_similarity(epsilon.target.flatten(1), velocity.target.flatten(1))
    expected = alphas(epsilon.timesteps).sqrt().flatten()
    torch.testing.assert_close(cosine.double(), expected, rtol=0, atol=0.04)


def test_predict_is_the_unet_with_the_condition_added_everywhere(
    folder: Path, teacher: StableDiffusion
) -> None:
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    noisy, timesteps = torch.randn(2, 4, 8, 8, generator=rng()), torch.tensor([0, 999])
    condition = torch.randn(2, CONDITION_WIDTH, generator=rng(1))
    prompts = torch.stack([teacher.empty_prompt + condition[0], teacher.empty_prompt + condition[1]])
    with torch.no_grad():
        expected = unet(noisy, timesteps, encoder_hidden_states=prompts).sample
        prediction = teacher.predict(noisy, timesteps, condition)
    torch.testing.assert_close(prediction, expected, rtol=1e-5, atol=1e-6)


def test_gradients_reach_the_condition_only(teacher: StableDiffusion) -> None:
    condition = torch.randn(2, CONDITION_WIDTH, generator=rng(), requires_grad=True)
    teacher.predict(torch.randn(2, 4, 8, 8), torch.tensor([1, 2]), condition).square().sum().backward()
    assert condition.grad is not None
    assert (condition.grad.abs().sum(1) > 0).all()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_dtype_of_the_weights_decides_the_precision(folder: Path, pixels: Tensor) -> None:
    teacher = StableDiffusion.from_pretrained(folder, dtype=torch.bfloat16)
    full = StableDiffusion.from_pretrained(folder)
    assert {parameter.dtype for parameter in teacher.parameters()} == {torch.bfloat16}
    arguments = torch.randn(2, 4, 8, 8, generator=rng()), torch.tensor([5, 50]), torch.randn(2, 24)
    assert teacher.encode(pixels, rng()).dtype == teacher.predict(*arguments).dtype == torch.float32
    torch.testing.assert_close(teacher.predict(*arguments), full.predict(*arguments), rtol=0.1, atol=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = full.predict(*arguments)
    assert torch.equal(inside, full.predict(*arguments))


def test_activation_bytes_grow_with_the_latent_and_leave_nothing_behind(teacher: StableDiffusion) -> None:
    small, large = teacher.activation_bytes((4, 8, 8)), teacher.activation_bytes((4, 16, 16))
    values = 4 * 4 * 8 * 8
    assert small > 10 * values
    assert 3 * small < large < 20 * small
    assert small == teacher.activation_bytes((4, 8, 8))
