from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoProcessor,
    AutoTokenizer,
    CLIPModel,
    CLIPProcessor,
    SiglipModel,
    SiglipProcessor,
)

from dcr.encoders import Encoder, load_encoder
from dcr.errors import DcrError
from dcr.export import export_encoder
from tests.tiny_encoders import tiny_clip, tiny_siglip

KINDS: dict[str, Callable[[Path], Path]] = {
    "clip": lambda folder: tiny_clip(folder, dtype=torch.float16),
    "siglip": tiny_siglip,
}


@pytest.fixture(scope="module", params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS[request.param](tmp_path_factory.mktemp(request.param))


def enhanced(source: Path) -> Encoder:
    """Trains LoRA for three steps and merges it."""
    encoder = load_encoder(source)
    torch.manual_seed(0)
    encoder.add_lora(rank=4, alpha=4)
    encoder.train()
    optimizer = torch.optim.AdamW(encoder.trainable_parameters().values(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        encoder(torch.rand(2, 3, 32, 32)).square().mean().backward()
        optimizer.step()
    encoder.eval()
    encoder.merge_lora()
    return encoder


def test_only_the_vision_tower_changes(source: Path, tmp_path: Path) -> None:
    """Text tower and logit scale keep every bit of their value, from half precision too."""
    export_encoder(enhanced(source), tmp_path / "out", card="card")
    before, after = load_file(source / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert set(before) == set(after)
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}
    changed = {name for name in before if not torch.equal(before[name].float(), after[name])}
    assert {name.split(".")[0] for name in changed} <= {"vision_model", "visual_projection"}
    linear = {name for name in before if "vision_model.encoder" in name and "_proj" in name}
    assert linear
    assert linear <= changed


def test_loads_without_this_package(source: Path, tmp_path: Path) -> None:
    encoder = enhanced(source)
    export_encoder(encoder, tmp_path / "out", card="# A card\n")
    out = tmp_path / "out"
    is_clip = isinstance(encoder.model, CLIPModel)
    model = (CLIPModel if is_clip else SiglipModel).from_pretrained(out).eval()
    assert model.dtype == torch.float32
    assert isinstance(AutoModel.from_pretrained(out), type(model))
    assert (out / "README.md").read_text() == "# A card\n"

    image = Image.effect_noise((50, 41), 80).convert("RGB")
    expected = encoder(encoder.preprocess(image)[None])
    pixels = AutoImageProcessor.from_pretrained(out, backend="pil")(image, return_tensors="pt")[
        "pixel_values"
    ]
    torch.testing.assert_close(model.get_image_features(pixels).pooler_output, expected, atol=1e-6, rtol=1e-5)

    texts = ["the dog", "a cat"]
    for processor in (
        AutoProcessor.from_pretrained(out),
        (CLIPProcessor if is_clip else SiglipProcessor).from_pretrained(out),
    ):
        inputs = processor(text=texts, images=image, padding="max_length", return_tensors="pt")
        assert inputs["pixel_values"].shape == (1, 3, 32, 32)
        assert model(**inputs).logits_per_image.shape == (1, 2)
    ids = AutoTokenizer.from_pretrained(out)(texts, padding="max_length", return_tensors="pt")["input_ids"]
    assert torch.equal(ids, inputs["input_ids"])
    torch.testing.assert_close(model.get_text_features(ids).pooler_output, encoder.encode_text(texts))


def test_companions_are_copied_byte_for_byte(source: Path, tmp_path: Path) -> None:
    export_encoder(load_encoder(source), tmp_path / "out", card="")
    names = {path.name for path in source.iterdir()}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {"README.md"}
    for name in names - {"config.json", "model.safetensors"}:
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes()


def test_exported_encoder_loads_again(source: Path, tmp_path: Path) -> None:
    encoder = enhanced(source)
    export_encoder(encoder, tmp_path / "out", card="")
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(load_encoder(tmp_path / "out")(pixels), encoder(pixels))


def test_refuses_a_folder_with_content(source: Path, tmp_path: Path) -> None:
    encoder = load_encoder(source)
    (tmp_path / "out").mkdir()
    export_encoder(encoder, tmp_path / "out", card="first")
    with pytest.raises(DcrError, match="out exists and is not empty"):
        export_encoder(encoder, tmp_path / "out", card="second")
    assert (tmp_path / "out" / "README.md").read_text() == "first"


def test_failure_leaves_nothing(source: Path, tmp_path: Path) -> None:
    encoder = load_encoder(source)
    encoder.add_lora()
    with pytest.raises(DcrError, match="still on"):
        export_encoder(encoder, tmp_path / "out", card="")
    assert not list(tmp_path.iterdir())
