from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dcr.errors import DcrError
from dcr.training.checkpoints import MODEL_FILE, OPTIMIZER_FILE, load_checkpoint, save_checkpoint


def trained_layer(steps: int) -> tuple[nn.Linear, torch.optim.AdamW]:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for step in range(steps):
        take_step(layer, optimizer, step)
    return layer, optimizer


def take_step(layer: nn.Linear, optimizer: torch.optim.AdamW, step: int) -> None:
    optimizer.zero_grad()
    layer(torch.full((1, 3), float(step + 1))).square().sum().backward()
    optimizer.step()


def test_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    layer, optimizer = trained_layer(3)
    save_checkpoint(tmp_path / "c", dict(layer.named_parameters()), optimizer, {"step": 3})
    resumed, fresh = trained_layer(0)
    assert load_checkpoint(tmp_path / "c", dict(resumed.named_parameters()), fresh) == {"step": 3}
    take_step(resumed, fresh, 3)
    expected, _ = trained_layer(4)
    assert torch.equal(resumed.weight, expected.weight)


def test_checkpoint_has_no_pickle(tmp_path: Path) -> None:
    layer, optimizer = trained_layer(1)
    save_checkpoint(tmp_path / "c", dict(layer.named_parameters()), optimizer, {})
    assert {path.suffix for path in (tmp_path / "c").iterdir()} == {".safetensors", ".json"}


def test_other_parameters_are_refused(tmp_path: Path) -> None:
    layer, optimizer = trained_layer(1)
    save_checkpoint(tmp_path / "c", dict(layer.named_parameters()), optimizer, {})
    with pytest.raises(DcrError, match="'more' is in only one of them"):
        load_checkpoint(tmp_path / "c", {**dict(layer.named_parameters()), "more": layer.bias}, optimizer)
    other = nn.Linear(4, 2)
    with pytest.raises(DcrError, match=r"'weight' has shape \(2, 3\) there and \(2, 4\) here"):
        load_checkpoint(tmp_path / "c", dict(other.named_parameters()), torch.optim.AdamW(other.parameters()))


@pytest.mark.parametrize("name", [MODEL_FILE, OPTIMIZER_FILE])
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    layer, optimizer = trained_layer(1)
    save_checkpoint(tmp_path / "c", dict(layer.named_parameters()), optimizer, {})
    (tmp_path / "c" / name).write_bytes(b"broken")
    with pytest.raises(DcrError, match=r"The checkpoint .*/c is damaged"):
        load_checkpoint(tmp_path / "c", dict(layer.named_parameters()), optimizer)
