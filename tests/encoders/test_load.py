from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from dcr.encoders import Clip, Siglip, load_encoder
from dcr.errors import DcrError
from tests.tiny_encoders import tiny_clip, tiny_siglip

Break = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("whole")
    return {"clip": tiny_clip(root / "clip"), "siglip": tiny_siglip(root / "siglip")}


def edit(name: str, change: Callable[[dict[str, Any]], None]) -> Break:
    def apply(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return apply


def config(part: str, **values: object) -> Break:
    return edit("config.json", lambda c: (c[part] if part else c).update(values))


def remove(*names: str) -> Break:
    def apply(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return apply


def write(name: str, text: str) -> Break:
    def apply(folder: Path) -> None:
        (folder / name).write_text(text)

    return apply


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Break:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return apply


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def headless(folder: Path) -> None:
    config("vision_config", vision_use_head=False)(folder)
    weights(lambda ts: [ts.pop(key) for key in list(ts) if key.startswith("vision_model.head.")])(folder)


BROKEN: dict[str, tuple[str, Break, str]] = {
    "no config": ("clip", remove("config.json"), "no config.json in"),
    "config not JSON": ("clip", write("config.json", "{"), "config.json is not the config"),
    "no model_type": ("clip", write("config.json", "{}"), "config.json is not the config .*'model_type'"),
    "other family": (
        "clip",
        config("", model_type="siglop"),
        "config.json.* 'siglop'; did you mean 'siglip'",
    ),
    "no weights": ("clip", remove("model.safetensors"), "no weights in .*model.safetensors is missing"),
    "pickle": ("clip", pickled, "pytorch_model.bin is a pickle.*import CLIPModel .*save_pretrained"),
    "truncated": ("clip", truncated, "Cannot load the weights of"),
    "no tokenizer": ("clip", remove("tokenizer.json"), "no tokenizer in .*tokenizer.json is missing"),
    "broken tokenizer": ("clip", write("tokenizer.json", "{"), "Cannot load the tokenizer"),
    "no processor": ("siglip", remove("preprocessor_config.json"), "preprocessor_config.json is missing"),
    "broken processor": ("clip", write("preprocessor_config.json", "{"), "Cannot load the image processor"),
    "crop": (
        "clip",
        edit("preprocessor_config.json", lambda c: c.update(crop_size={"height": 48, "width": 48})),
        "48x48 px, its model takes 32x32 px",
    ),
    "size": (
        "siglip",
        edit("preprocessor_config.json", lambda c: c.update(size={"height": 24, "width": 24})),
        "24x24 px, its model takes 32x32 px",
    ),
    "no square": (
        "clip",
        edit("preprocessor_config.json", lambda c: c.update(do_center_crop=False)),
        "32x62 px, its model takes 32x32 px",
    ),
    "image size": (
        "siglip",
        config("vision_config", image_size=64),
        re.escape("position_embedding.weight' has shape (16, 32), config.json asks for (64, 32)"),
    ),
    "vision width": (
        "clip",
        config("vision_config", hidden_size=64),
        r"'vision_model.embeddings.class_embedding' has shape \(32,\), config.json asks for \(64,\)",
    ),
    "heads": (
        "clip",
        config("vision_config", num_attention_heads=5),
        "Cannot read config.json of .*hidden size .* attention heads",
    ),
    "projection": (
        "clip",
        config("", projection_dim=16),
        r"'text_projection.weight' has shape \(20, 24\), config.json asks for \(16, 24\)",
    ),
    "more layers": (
        "clip",
        config("vision_config", num_hidden_layers=3),
        "they lack 'vision_model.encoder.layers.2.layer_norm1.bias'",
    ),
    "fewer layers": (
        "siglip",
        config("vision_config", num_hidden_layers=1),
        "they have an extra 'vision_model.encoder.layers.1.layer_norm1.bias'",
    ),
    "one tensor less": (
        "siglip",
        weights(lambda tensors: tensors.pop("logit_scale")),
        "they lack 'logit_scale'",
    ),
    "other tokenizer": (
        "clip",
        edit("tokenizer.json", lambda c: c["model"]["vocab"].update({f"zz{i}": 80 + i for i in range(9)})),
        "has 89 tokens, its text tower embeds 80",
    ),
    "other end of text": (
        "clip",
        config("text_config", eos_token_id=7),
        "eos_token_id is 7, but .* ends .* 79",
    ),
    "no head": (
        "siglip",
        headless,
        "vision_use_head is false",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folder(case: str, whole: dict[str, Path], tmp_path: Path) -> None:
    kind, damage, message = BROKEN[case]
    folder = tmp_path / "broken"
    shutil.copytree(whole[kind], folder)
    damage(folder)
    with pytest.raises(DcrError, match=message) as caught:
        load_encoder(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("source", ["/no/such/folder", "./nothing", "nothing", "a/b/c"])
def test_no_folder(source: str) -> None:
    with pytest.raises(DcrError, match=f"no folder {source}: give the folder of an encoder, or a Hub id"):
        load_encoder(source)


def test_a_file_is_no_folder(whole: dict[str, Path]) -> None:
    with pytest.raises(DcrError, match=r"no folder .*config.json"):
        load_encoder(whole["clip"] / "config.json")


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("cannot find the requested files")

    monkeypatch.setattr("dcr.pretrained.snapshot_download", unreachable)
    with pytest.raises(DcrError, match=r"openai/clip.* from the Hub .*cannot find.*give a local folder"):
        load_encoder("openai/clip-vit-large-patch14")


def test_families(whole: dict[str, Path]) -> None:
    clip, siglip = load_encoder(str(whole["clip"])), load_encoder(whole["siglip"])
    assert isinstance(clip, Clip)
    assert isinstance(siglip, Siglip)
    assert (clip.width, siglip.width) == (20, 32)
    assert clip.image_size == siglip.image_size == 32


def test_layout_of_openai(whole: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Position ids among the weights, sizes as bare numbers, a feature extractor, split vocabulary, eos 2."""
    folder = tmp_path / "openai"
    shutil.copytree(whole["clip"], folder)
    ids = {f"{tower}_model.embeddings.position_ids": n for tower, n in (("text", 77), ("vision", 17))}
    weights(lambda ts: ts.update({key: torch.arange(n)[None] for key, n in ids.items()}))(folder)
    config("text_config", eos_token_id=2)(folder)
    old: dict[str, Any] = {
        "crop_size": 32,
        "size": 32,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
    }
    old |= {"feature_extractor_type": "CLIPFeatureExtractor", "resample": 3}
    old |= {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    (folder / "preprocessor_config.json").write_text(json.dumps(old))
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [" ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    (folder / "tokenizer.json").unlink()
    capfd.readouterr()
    encoder = load_encoder(folder)
    assert capfd.readouterr() == ("", "")
    assert encoder.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    texts = ["the dog", "a cat"]
    assert torch.equal(encoder.encode_text(texts), load_encoder(whole["clip"]).encode_text(texts))


def test_processor_inside_processor_config(whole: dict[str, Path], tmp_path: Path) -> None:
    """The layout that ``CLIPProcessor.save_pretrained`` writes since transformers 5."""
    folder = tmp_path / "five"
    shutil.copytree(whole["siglip"], folder)
    inner = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": inner}))
    (folder / "preprocessor_config.json").unlink()
    encoder = load_encoder(folder)
    encoder.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "preprocessor_config.json").read_text())["size"] == inner["size"]
    assert load_encoder(tmp_path / "saved").image_size == 32
