from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from dcr.encoders import load_encoder
from dcr.errors import DcrError
from dcr.generators import StableDiffusion
from dcr.lab.pretraining import fit as fit_module
from dcr.lab.pretraining.captioned import captioned_photos, captioned_scenes, tokenize
from dcr.lab.pretraining.fit import fit
from dcr.lab.pretraining.pipeline import pretrain
from dcr.lab.pretraining.recipe import PretrainRecipe

TINY: dict[str, Any] = {
    "images": 40,
    "vocabulary": 600,
    "clip": {"width": 32, "layers": 1, "text_layers": 1, "steps": 2, "batch_size": 8},
    "siglip": {"width": 32, "layers": 1, "text_layers": 1, "steps": 2, "batch_size": 8},
    "vae": {"channels": [8, 8], "steps": 2, "batch_size": 4},
    "denoiser": {"channels": [32, 32], "text_width": 32, "text_layers": 1, "steps": 2, "batch_size": 4},
}


def recipe(output: Path, **changes: Any) -> PretrainRecipe:
    return PretrainRecipe.model_validate({**TINY, **changes, "output": output})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("models")
    pretrain(recipe(output))
    return output


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_encoders_load_like_any_other(models: Path, family: str) -> None:
    encoder = load_encoder(models / family)
    assert encoder.image_size == 32
    assert encoder(torch.rand(2, 3, 32, 32)).shape == encoder.encode_text(["a fish", "a tree"]).shape


def test_generator_loads_like_any_other(models: Path) -> None:
    generator = StableDiffusion.from_pretrained(models / "stable-diffusion")
    assert generator.shifted
    latents = generator.encode(torch.rand(2, 3, 32, 32), torch.Generator().manual_seed(0))
    assert latents.shape == (2, 4, 16, 16)


def test_generator_is_a_pipeline_of_diffusers(models: Path) -> None:
    folder = models / "stable-diffusion"
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a red fish", height=32, width=32, num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (32, 32, 3)


def test_same_recipe_same_weights_and_done_parts_are_kept(models: Path, tmp_path: Path) -> None:
    pretrain(recipe(tmp_path, siglip=None))
    for part in ("clip/model.safetensors", "stable-diffusion/unet/diffusion_pytorch_model.safetensors"):
        first, second = load_file(models / part), load_file(tmp_path / part)
        assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    written = (models / "clip" / "model.safetensors").stat().st_mtime_ns
    pretrain(recipe(models))
    assert (models / "clip" / "model.safetensors").stat().st_mtime_ns == written


def test_another_recipe_in_the_same_folder_is_refused(models: Path) -> None:
    with pytest.raises(DcrError, match="another recipe"):
        pretrain(recipe(models, seed=1))


def test_fit_goes_on_after_a_kill_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "CHECKPOINT_EVERY", 2)

    def train(checkpoint: Path, dies_at: int | None) -> torch.nn.Linear:
        torch.manual_seed(0)
        layer, calls = torch.nn.Linear(4, 1), []

        def loss(rng: torch.Generator) -> torch.Tensor:
            calls.append(1)
            if len(calls) == dies_at:
                raise KeyboardInterrupt
            value: torch.Tensor = layer(torch.randn(3, 4, generator=rng)).square().mean()
            return value

        fit([layer], loss, label="x", steps=5, learning_rate=0.1, checkpoint=checkpoint, seed=0)
        return layer

    expected = train(tmp_path / "a", None)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", 4)
    assert torch.equal(train(tmp_path / "b", None).weight, expected.weight)


def test_scene_captions_are_sparse_for_encoders_and_full_for_generators() -> None:
    data = captioned_scenes(20, 0, 32)
    assert data.images.shape == (20, 3, 32, 32)
    assert data.images.dtype == torch.uint8
    sparse = np.mean([len(text.split()) for texts in data.captions for text in texts])
    full = np.mean([len(text.split()) for texts in data.full_captions for text in texts])
    assert full > 2 * sparse


def test_draw_crops_and_scales() -> None:
    data = captioned_scenes(4, 0, 40)
    index, pixels = data.draw(8, 32, torch.Generator().manual_seed(0))
    assert index.shape == (8,)
    assert pixels.shape == (8, 3, 32, 32)
    assert pixels.min() >= 0 and pixels.max() <= 1


def write_tar(path: Path, captions: dict[str, list[str] | str | None]) -> None:
    with tarfile.open(path, "w") as tar:
        for key, value in captions.items():
            picture = io.BytesIO()
            Image.new("RGB", (20, 30), "red").save(picture, "JPEG")
            members = {"jpg": picture.getvalue()}
            if isinstance(value, list):
                members["json"] = json.dumps({"captions": value}).encode()
            elif value is not None:
                members["txt"] = value.encode()
            for suffix, content in members.items():
                entry = tarfile.TarInfo(f"{key}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def test_photos_keep_all_their_captions(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"1": ["a dog", "a cat"], "2": ["a tree"]})
    write_tar(tmp_path / "b.tar", {"3": ["a bird"]})
    data = captioned_photos(str(tmp_path), 16)
    assert data.images.shape == (3, 3, 16, 16)
    assert data.captions == [["a dog", "a cat"], ["a tree"], ["a bird"]]


def test_text_files_are_captions_too(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"1": "a dog"})
    assert captioned_photos(str(tmp_path / "a.tar"), 16).captions == [["a dog"]]


def test_photo_without_a_caption_is_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"7": None})
    with pytest.raises(DcrError, match=r"'7' .* has no caption"):
        captioned_photos(str(tmp_path), 16)


def test_missing_photos_are_named(tmp_path: Path) -> None:
    with pytest.raises(DcrError, match="no tar"):
        captioned_photos(str(tmp_path), 16)


def test_tokens_repeat_for_images_with_fewer_captions(models: Path) -> None:
    tokenizer = load_encoder(models / "clip").tokenizer
    ids = tokenize(tokenizer, [["a fish", "a tree", "a drop"], ["a bell"]])
    assert ids.shape[:2] == (2, 3)
    assert torch.equal(ids[1, 0], ids[1, 2])
