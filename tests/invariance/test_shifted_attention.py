"""The shift form of the condition equals plain cross-attention, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor

from dcr.generators import StableDiffusion
from dcr.generators.shifted_attention import _attend_fused, _attend_plainly, cross_attentions, is_exact
from tests.tiny import CONDITION_WIDTH, PROMPT_LENGTH, tiny_stable_diffusion, tiny_unet


def predict_with_gradient(
    folder: Path, cross_attention: Any, size: tuple[int, int]
) -> tuple[StableDiffusion, Tensor, Tensor]:
    teacher = StableDiffusion.from_pretrained(folder, dtype=torch.float64, cross_attention=cross_attention)
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(3, 4, *size, generator=generator)
    condition = torch.randn(3, CONDITION_WIDTH, generator=generator, dtype=torch.float64) * 3
    condition.requires_grad_()
    prediction = teacher.predict(noisy, torch.tensor([0, 400, 999]), condition)
    (gradient,) = torch.autograd.grad(prediction.pow(3).sum(), condition)
    return teacher, prediction, gradient


@pytest.mark.parametrize("unet", [{}, {"only_cross_attention": True}, {"transformer_layers_per_block": 2}])
@pytest.mark.parametrize("linear_projection", [False, True], ids=["sd1", "sd2"])
def test_shift_form_is_plain_cross_attention(
    tmp_path: Path, linear_projection: bool, unet: dict[str, Any]
) -> None:
    folder = tiny_stable_diffusion(tmp_path, linear_projection=linear_projection, unet=unet)
    shifted, prediction, gradient = predict_with_gradient(folder, "auto", (8, 8))
    plain, plain_prediction, plain_gradient = predict_with_gradient(folder, "plain", (8, 8))
    assert shifted.shifted
    assert not plain.shifted
    assert plain_gradient.abs().max() > 1e-2
    torch.testing.assert_close(prediction, plain_prediction, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, plain_gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(7, 7), (6, 10)])
def test_latents_need_not_divide_by_the_strides(tmp_path: Path, size: tuple[int, int]) -> None:
    """As 28 (224 px) and 42 (336 px) in the four levels of Stable Diffusion."""
    folder = tiny_stable_diffusion(tmp_path)
    _, prediction, gradient = predict_with_gradient(folder, "auto", size)
    _, plain_prediction, plain_gradient = predict_with_gradient(folder, "plain", size)
    assert prediction.shape == (3, 4, *size)
    torch.testing.assert_close(prediction, plain_prediction, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, plain_gradient, rtol=1e-12, atol=1e-12)


def test_keys_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = StableDiffusion.from_pretrained(tiny_stable_diffusion(tmp_path))

    def refuse(*_: Any) -> None:
        raise AssertionError("keys or values were projected again")

    for layer in cross_attentions(teacher.unet):
        monkeypatch.setattr(layer.to_k, "forward", refuse)
        monkeypatch.setattr(layer.to_v, "forward", refuse)
    teacher.predict(torch.randn(2, 4, 8, 8), torch.tensor([1, 2]), torch.randn(2, CONDITION_WIDTH))


def test_constant_keys_move_with_the_model_and_stay_out_of_its_state(tmp_path: Path) -> None:
    folder = tiny_stable_diffusion(tmp_path)
    teacher = StableDiffusion.from_pretrained(folder)
    plain = StableDiffusion.from_pretrained(folder, cross_attention="plain")
    assert teacher.state_dict().keys() == plain.state_dict().keys()
    layer = cross_attentions(teacher.to(torch.bfloat16).unet)[0]
    assert layer.processor.key.dtype == layer.processor.value.dtype == torch.bfloat16
    assert layer.processor.key.shape[:2] == (layer.heads, PROMPT_LENGTH)


def test_both_kernels_agree() -> None:
    query = torch.randn(3, 10, 2, 4, dtype=torch.float64, requires_grad=True)
    key, value = torch.randn(2, 2, 7, 4, dtype=torch.float64)
    plain, fused = _attend_plainly(query, key, value), _attend_fused(query, key, value)
    assert plain.shape == fused.shape == query.shape
    torch.testing.assert_close(plain, fused, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(result.pow(3).sum(), query)[0] for result in (plain, fused)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def with_layer(**attributes: Any) -> UNet2DConditionModel:
    unet = tiny_unet()
    for name, value in attributes.items():
        setattr(cross_attentions(unet)[-1], name, value)
    return unet


class UnusualProcessor(AttnProcessor2_0):
    pass


@pytest.mark.parametrize(
    "build",
    [
        lambda: with_layer(norm_k=torch.nn.LayerNorm(4)),
        lambda: with_layer(norm_cross=torch.nn.LayerNorm(CONDITION_WIDTH)),
        lambda: with_layer(added_kv_proj_dim=8),
        lambda: with_layer(processor=UnusualProcessor()),
        lambda: with_layer(rescale_output_factor=2.0),
        lambda: tiny_unet(encoder_hid_dim=CONDITION_WIDTH, encoder_hid_dim_type="text_proj"),
        lambda: tiny_unet(addition_embed_type="text", addition_embed_type_num_heads=2),
        lambda: tiny_unet(dual_cross_attention=True),
    ],
)
def test_shift_form_is_off_where_it_is_not_exact(build: Any) -> None:
    assert is_exact(tiny_unet())
    assert not is_exact(build())


def test_a_pooled_prompt_falls_back_to_plain_cross_attention(tmp_path: Path) -> None:
    unet = {"addition_embed_type": "text", "addition_embed_type_num_heads": 2}
    folder = tiny_stable_diffusion(tmp_path, unet=unet)
    automatic, prediction, _ = predict_with_gradient(folder, "auto", (8, 8))
    _, plain_prediction, _ = predict_with_gradient(folder, "plain", (8, 8))
    assert not automatic.shifted
    assert torch.equal(prediction, plain_prediction)
