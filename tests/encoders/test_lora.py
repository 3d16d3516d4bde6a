from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModel

from dcr.encoders import Encoder, load_encoder
from dcr.errors import DcrError


def pixels() -> Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def with_lora(family: Path, *, seed: int = 0, **settings: Any) -> Encoder:
    encoder = load_encoder(family)
    torch.manual_seed(seed)
    encoder.add_lora(**{"rank": 4, "alpha": 4, **settings})
    return encoder


def train(encoder: Encoder, steps: int = 3) -> None:
    encoder.train()
    optimizer = torch.optim.AdamW(encoder.trainable_parameters().values(), lr=1e-2)
    target = torch.randn(3, encoder.width, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        optimizer.zero_grad()
        (encoder(pixels()) - target).square().mean().backward()
        optimizer.step()
    encoder.eval()


def test_loaded_frozen_in_eval_mode_and_float32(family: Path) -> None:
    encoder = load_encoder(family)
    assert not encoder.training
    assert not encoder.trainable_parameters()
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_new_lora_changes_nothing(family: Path) -> None:
    encoder = load_encoder(family)
    before = encoder(pixels())
    encoder.add_lora()
    assert torch.equal(encoder(pixels()), before)
    assert not any(module.training for module in encoder.modules())


def test_only_vision_trains_and_all_of_it_does(family: Path) -> None:
    encoder = with_lora(family)
    train(encoder, steps=1)  # a first step, because the gradient of A is zero while B is zero
    encoder.zero_grad()
    (encoder(pixels()) * torch.randn(3, encoder.width)).sum().backward()
    trainable = encoder.trainable_parameters()
    for name, parameter in encoder.named_parameters():
        assert (parameter.grad is not None) == (name in trainable), name
        assert name not in trainable or "vision_model" in name or "visual_projection" in name
    for name, parameter in trainable.items():
        # A bias of the keys shifts all logits of a query alike: its gradient is zero but for rounding.
        if "k_proj.base_layer.bias" not in name:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_targets(family: Path) -> None:
    """Every linear layer of the vision tower, apart from the one that MultiheadAttention bypasses."""
    encoder = load_encoder(family)
    linear = {name for name, module in encoder.model.named_modules() if isinstance(module, torch.nn.Linear)}
    expected = {name for name in linear if "vision_model" in name or name == "visual_projection"} - {
        "vision_model.head.attention.out_proj"
    }
    encoder.add_lora()
    names = {name.split(".lora_")[0] for name in encoder.trainable_parameters() if ".lora_" in name}
    assert names == {f"model.base_model.model.{name}" for name in expected}


def test_bias_none_trains_factors_only(family: Path) -> None:
    assert all(".lora_" in name for name in with_lora(family, bias="none").trainable_parameters())
    assert any(name.endswith("bias") for name in with_lora(family).trainable_parameters())


def test_text_tower_stays_in_eval_mode(family: Path) -> None:
    encoder = with_lora(family, dropout=0.5)
    train(encoder)
    assert torch.equal(encoder(pixels()), encoder(pixels()))
    assert encoder.train() is encoder
    assert encoder.plain_model.vision_model.training
    assert not any(module.training for module in encoder.plain_model.text_model.modules())
    assert not torch.equal(encoder(pixels()), encoder(pixels()))


def test_same_seed_same_values(family: Path) -> None:
    first, second = with_lora(family, seed=5), with_lora(family, seed=5)
    other = with_lora(family, seed=6)
    values, again = first.trainable_parameters(), second.trainable_parameters()
    assert list(values) == list(again)
    assert all(torch.equal(values[name], again[name]) for name in values)
    assert any(not torch.equal(values[name], p) for name, p in other.trainable_parameters().items())


def test_trainable_parameters_are_the_whole_state(family: Path) -> None:
    encoder = with_lora(family)
    train(encoder)
    stored = {name: parameter.detach().clone() for name, parameter in encoder.trainable_parameters().items()}
    resumed = with_lora(family, seed=9)
    with torch.no_grad():
        for name, parameter in resumed.trainable_parameters().items():
            parameter.copy_(stored[name])
    assert torch.equal(resumed(pixels()), encoder(pixels()))


def test_merged_equals_adapter(family: Path) -> None:
    encoder = with_lora(family)
    before = encoder(pixels())
    train(encoder)
    adapted, plain_class = encoder(pixels()), type(encoder.plain_model)
    encoder.merge_lora()
    assert type(encoder.model) is plain_class
    assert not encoder.trainable_parameters()
    torch.testing.assert_close(encoder(pixels()), adapted, atol=1e-5, rtol=1e-5)
    assert (adapted - before).abs().max() > 1e-2


def test_adapter_folder_is_complete(family: Path, tmp_path: Path) -> None:
    """With peft alone, the base folder and the adapter folder give the enhanced features, biases included."""
    encoder = with_lora(family)
    train(encoder)
    encoder.save_adapter(tmp_path / "adapter")
    assert not list(tmp_path.glob("*.bin"))
    base = AutoModel.from_pretrained(family, dtype=torch.float32)
    loaded = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    assert loaded.peft_config["default"].base_model_name_or_path == str(family)
    normalised = (pixels() - encoder.mean) / encoder.std
    torch.testing.assert_close(loaded.get_image_features(normalised).pooler_output, encoder(pixels()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "lora.rank is 0"),
        ({"dropout": 1.0}, "lora.dropout is 1.0"),
        ({"bias": "all"}, "Unknown lora.bias 'all'.*lora_only, none"),
    ],
)
def test_bad_settings(family: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DcrError, match=message):
        with_lora(family, **settings)


def test_wrong_order_of_calls(family: Path, tmp_path: Path) -> None:
    encoder = load_encoder(family)
    with pytest.raises(DcrError, match="no LoRA to merge"):
        encoder.merge_lora()
    with pytest.raises(DcrError, match="no LoRA to save"):
        encoder.save_adapter(tmp_path / "adapter")
    encoder.add_lora()
    with pytest.raises(DcrError, match="on already"):
        encoder.add_lora()
    with pytest.raises(DcrError, match="still on"):
        encoder.save(tmp_path / "encoder")
    assert not list(tmp_path.iterdir())
