"""Streamed rows equal the full grid of predictions under plain autograd."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dcr.conditioning import Projector
from dcr.generators import Noised, StableDiffusion
from dcr.objectives import DCR, Objective, Reconstruction
from dcr.training.rows import streamed_backward
from tests.tiny import CONDITION_WIDTH, tiny_stable_diffusion

BATCH = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stable_diffusion(tmp_path_factory.mktemp("streaming"), prediction_type="v_prediction")


@pytest.fixture(scope="module")
def teacher(folder: Path) -> StableDiffusion:
    return StableDiffusion.from_pretrained(folder, dtype=torch.float64)


@pytest.fixture(scope="module")
def plain_teacher(folder: Path) -> StableDiffusion:
    return StableDiffusion.from_pretrained(folder, dtype=torch.float64, cross_attention="plain")


@pytest.fixture(scope="module")
def noised(teacher: StableDiffusion) -> Noised:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(BATCH, 3, 14, 14, generator=generator)
    return teacher.noise(teacher.encode(pixels.double(), generator), generator)


def make_student() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), Projector(16, CONDITION_WIDTH)).double()


VIEWS = torch.randn(2 * BATCH, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def slow_dcr(teacher: StableDiffusion, noised: Noised, conditions: Tensor) -> Tensor:
    """The full grid: every prediction by itself, all in one graph."""
    losses = []
    for i in range(BATCH):

        def predict(condition: Tensor, i: int = i) -> Tensor:
            image = slice(i, i + 1)
            return teacher.predict(noised.noisy[image], noised.timesteps[image], condition[None]).flatten()

        grid = [predict(conditions[j]) for j in range(BATCH)]
        truth = noised.target[i].double().flatten()
        positives = [predict(conditions[BATCH + i]), truth]
        negatives = [grid[j] for j in range(BATCH) if j != i]
        masses = [F.cosine_similarity(grid[i], other, dim=0) / 0.1 for other in positives + negatives]
        total = sum((mass.exp() for mass in masses), torch.zeros(()))
        losses.append(-((masses[0].exp() / total).log() + (masses[1].exp() / total).log()) / 2)
    return torch.stack(losses)


def slow_reconstruction(teacher: StableDiffusion, noised: Noised, conditions: Tensor) -> Tensor:
    predictions = teacher.predict(noised.noisy, noised.timesteps, conditions)
    return F.mse_loss(predictions, noised.target.double(), reduction="none").mean(dim=(1, 2, 3))


@pytest.mark.parametrize("rows", [1, 2, BATCH])
@pytest.mark.parametrize(
    ("objective", "slow", "views"),
    [(DCR(), slow_dcr, VIEWS), (Reconstruction(), slow_reconstruction, VIEWS[:BATCH])],
    ids=["dcr", "reconstruction"],
)
def test_streamed_rows_are_the_full_grid(
    teacher: StableDiffusion,
    plain_teacher: StableDiffusion,
    noised: Noised,
    objective: Objective,
    slow: Callable[[StableDiffusion, Noised, Tensor], Tensor],
    views: Tensor,
    rows: int,
) -> None:
    expected_student, student = make_student(), make_student()
    expected = slow(plain_teacher, noised, expected_student(views))
    (expected.mean() * 0.5).backward()
    losses = streamed_backward(objective, teacher.predict, noised, student(views), rows=rows, scale=0.5)
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=1e-12)
    if isinstance(objective, DCR):
        assert (losses - math.log(BATCH + 1)).abs().min() > 1e-3
    gradients = zip(student.parameters(), expected_student.parameters(), strict=True)
    for parameter, expected_parameter in gradients:
        assert parameter.grad is not None
        assert expected_parameter.grad.abs().max() > 0
        torch.testing.assert_close(parameter.grad, expected_parameter.grad, rtol=1e-10, atol=1e-13)
