from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel

from dcr.encoders import load_encoder
from dcr.errors import DcrError
from tests.tiny_encoders import tiny_clip

TEXTS = ["the dog", "a cat 7 and the dog", "x"]


def photo(mode: str = "RGB", size: tuple[int, int] = (71, 45)) -> Image.Image:
    """Smooth colours with noise, so that geometry and resampling both matter."""
    rng = np.random.default_rng(0)
    waves = np.sin(np.linspace(0, 9, size[1] * size[0] * 4)).reshape(size[1], size[0], 4) * 90 + 128
    pixels = (waves + rng.normal(0, 25, waves.shape)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels, "RGBA").convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1"])
def test_equals_transformers_with_its_own_processor(folder: Path, mode: str) -> None:
    encoder = load_encoder(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    image = photo(mode)
    expected_pixels = processor(image, do_convert_rgb=True, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model.get_image_features(expected_pixels).pooler_output
        pixels = encoder.preprocess(image)
        actual = encoder(pixels[None])
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == torch.float32
    assert 0 <= pixels.min() < pixels.max() <= 1
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-5)
    assert actual.shape == (1, encoder.width)


def test_feature_is_made_of_the_tokens(folder: Path) -> None:
    """Methods.md 0.1: CLIP projects the normed class token, SigLIP pools all tokens with its head."""
    encoder = load_encoder(folder)
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        tokens, features = encoder.tokens(pixels), encoder(pixels)
        model = encoder.plain_model
        if isinstance(model, CLIPModel):
            assert tokens.shape == (2, 17, 32)
            expected = model.visual_projection(model.vision_model.post_layernorm(tokens[:, 0]))
        else:
            assert tokens.shape == (2, 16, 32)
            expected = model.vision_model.head(tokens)
    torch.testing.assert_close(features, expected)


def test_text_equals_transformers(folder: Path) -> None:
    encoder = load_encoder(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(TEXTS, padding="max_length", return_tensors="pt")
    if not isinstance(model, CLIPModel):
        del inputs["attention_mask"]
    with torch.no_grad():
        expected = model.get_text_features(**inputs).pooler_output
    actual = encoder.encode_text(TEXTS)
    assert actual.shape == (3, encoder.width)
    assert not actual.requires_grad
    torch.testing.assert_close(actual, expected)
    assert not torch.allclose(actual[0], actual[1], atol=1e-3)


def test_long_text_is_cut(folder: Path) -> None:
    encoder = load_encoder(folder)
    features = encoder.encode_text(["the dog " * 100, "the dog " * 200])
    torch.testing.assert_close(features[0], features[1])


def test_activation_of_config_is_used(tmp_path: Path) -> None:
    pixels = torch.rand(2, 3, 32, 32)
    quick = load_encoder(tiny_clip(tmp_path / "quick"))(pixels)
    exact = load_encoder(tiny_clip(tmp_path / "exact", activation="gelu"))(pixels)
    assert not torch.allclose(quick, exact, atol=1e-3)


def test_normalisation_is_differentiable_and_per_channel(folder: Path) -> None:
    encoder = load_encoder(folder)
    pixels = torch.rand(1, 3, 32, 32, requires_grad=True)
    encoder(pixels).sum().backward()
    assert pixels.grad is not None
    assert bool((pixels.grad != 0).any())
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    assert encoder.mean.flatten().tolist() == pytest.approx(processor.image_mean)
    assert encoder.std.flatten().tolist() == pytest.approx(processor.image_std)
    assert not {"mean", "std"} & set(encoder.state_dict())


@pytest.mark.parametrize("shape", [(2, 3, 40, 40), (2, 1, 32, 32), (3, 32, 32)])
def test_wrong_shape_names_both_sizes(folder: Path, shape: tuple[int, ...]) -> None:
    encoder = load_encoder(folder)
    with pytest.raises(DcrError, match=r"\[B, 3, 32, 32\]") as caught:
        encoder(torch.rand(shape))
    assert str(list(shape)) in str(caught.value)
    with pytest.raises(DcrError):
        encoder.tokens(torch.rand(shape))
