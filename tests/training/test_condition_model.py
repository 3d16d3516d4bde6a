from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dcr.conditioning import Projector
from dcr.encoders import load_encoder
from dcr.training.condition_model import ConditionModel


@pytest.fixture
def model(parts: dict[str, str]) -> ConditionModel:
    encoder = load_encoder(Path(parts["encoder"]))
    return ConditionModel(encoder, Projector(encoder.width, 24))


def test_projector_stage_builds_no_graph_through_the_encoder(model: ConditionModel) -> None:
    model.train_only("projector")
    assert all(name.startswith("projector.") for name in model.trained())
    assert not model.encoder(torch.rand(2, 3, 32, 32)).requires_grad
    model(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.trained().values())


def test_encoder_stage_trains_the_adapter_only(model: ConditionModel) -> None:
    model.encoder.add_lora()
    model.train_only("encoder")
    assert model.trained()
    assert all("vision_model" in name or "visual_projection" in name for name in model.trained())
    assert not model.projector.training
    assert not model.encoder.plain_model.text_model.training
