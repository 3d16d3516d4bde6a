"""Every way in which a generator's folder can be wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, PNDMScheduler
from safetensors.torch import load_file, save_file

from dcr.errors import DcrError
from dcr.generators import StableDiffusion
from tests.tiny import SCHEDULE, tiny_stable_diffusion, tiny_unet


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def error_of(folder: Path | str) -> str:
    with pytest.raises(DcrError) as caught:
        StableDiffusion.from_pretrained(folder)
    return str(caught.value)


def test_no_such_folder(tmp_path: Path) -> None:
    assert f"no folder {tmp_path / 'nowhere'}" in error_of(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert "no folder" in error_of(tmp_path / "model.safetensors")


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    message = error_of("nobody/no-such-generator")
    assert "nobody/no-such-generator" in message
    assert "give a local folder" in message


@pytest.mark.parametrize("part", ["vae", "unet", "scheduler", "text_encoder", "tokenizer"])
def test_missing_part(copy: Path, part: str) -> None:
    shutil.rmtree(copy / part)
    assert f"no {part}/ in {copy}" in error_of(copy)


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder"])
def test_pickled_weights(copy: Path, part: str) -> None:
    (weights,) = (copy / part).glob("*.safetensors")
    weights.rename(weights.with_suffix(".bin"))
    message = error_of(copy)
    assert f"{weights.with_suffix('.bin')} is a pickle" in message
    assert "save_pretrained" in message


def test_missing_weights(copy: Path) -> None:
    next((copy / "unet").glob("*.safetensors")).unlink()
    assert f"no weights in {copy / 'unet'}" in error_of(copy)


def test_truncated_weights(copy: Path) -> None:
    (weights,) = (copy / "vae").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    assert f"Cannot load the AutoencoderKL in {copy / 'vae'}" in error_of(copy)


@pytest.mark.parametrize(
    ("part", "key"),
    [("unet", "conv_out.weight"), ("vae", "quant_conv.bias"), ("text_encoder", "final_layer_norm.weight")],
)
def test_incomplete_weights_are_not_filled_with_random_numbers(copy: Path, part: str, key: str) -> None:
    (weights,) = (copy / part).glob("*.safetensors")
    kept = {name: tensor for name, tensor in load_file(weights).items() if not name.endswith(key)}
    save_file(kept, weights, metadata={"format": "pt"})
    assert key in error_of(copy)


def test_parts_of_different_models(copy: Path) -> None:
    tiny_unet(cross_attention_dim=20).save_pretrained(copy / "unet")
    message = error_of(copy)
    assert "cross_attention_dim 20" in message
    assert "hidden_size 24" in message


def test_inpainting_model(copy: Path) -> None:
    tiny_unet(in_channels=9).save_pretrained(copy / "unet")
    message = error_of(copy)
    assert "in_channels 9" in message
    assert "latent_channels 4" in message


def test_class_conditional_model(copy: Path) -> None:
    tiny_unet(num_class_embeds=3).save_pretrained(copy / "unet")
    assert "class or addition embeddings" in error_of(copy)


def test_unsupported_prediction_type(copy: Path) -> None:
    edit(copy / "scheduler" / "scheduler_config.json", prediction_type="sample")
    message = error_of(copy)
    assert "prediction_type 'sample'" in message
    assert "epsilon or v_prediction" in message


def test_damaged_scheduler(copy: Path) -> None:
    (copy / "scheduler" / "scheduler_config.json").write_text("{")
    assert "scheduler_config.json" in error_of(copy)


def test_empty_tokenizer(copy: Path) -> None:
    for path in (copy / "tokenizer").iterdir():
        path.unlink()
    assert f"no tokenizer in {copy / 'tokenizer'}" in error_of(copy)


@pytest.mark.parametrize("sampler", [PNDMScheduler, EulerDiscreteScheduler])
def test_the_schedule_does_not_depend_on_the_sampler(copy: Path, folder: Path, sampler: Any) -> None:
    shutil.rmtree(copy / "scheduler")
    sampler(**SCHEDULE, prediction_type="v_prediction").save_pretrained(copy / "scheduler")
    teacher, original = StableDiffusion.from_pretrained(copy), StableDiffusion.from_pretrained(folder)
    assert teacher.prediction_type == "v_prediction"
    assert torch.equal(teacher.scheduler.alphas_cumprod, original.scheduler.alphas_cumprod)


def test_the_prediction_type_is_noise_where_an_old_scheduler_names_none(copy: Path) -> None:
    path = copy / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text())
    del config["prediction_type"]
    path.write_text(json.dumps(config))
    assert StableDiffusion.from_pretrained(copy).prediction_type == "epsilon"


def test_a_vae_with_a_shift(copy: Path, folder: Path) -> None:
    vae = AutoencoderKL.from_pretrained(copy / "vae")
    vae.register_to_config(shift_factor=0.5, scaling_factor=2.0)
    vae.save_pretrained(copy / "vae")
    pixels = torch.rand(1, 3, 8, 8)
    shifted, original = (
        StableDiffusion.from_pretrained(path).encode(pixels, torch.Generator().manual_seed(0))
        for path in (copy, folder)
    )
    torch.testing.assert_close(shifted, (original / 0.18215 - 0.5) * 2)


def test_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert StableDiffusion.from_pretrained(f"~/{folder.name}").condition_width == 24


def test_stable_diffusion_1(tmp_path: Path) -> None:
    teacher = StableDiffusion.from_pretrained(tiny_stable_diffusion(tmp_path, linear_projection=False))
    assert teacher.shifted
