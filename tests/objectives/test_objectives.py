"""Losses against slow transcriptions and the values that mathematics fixes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dcr.errors import DcrError
from dcr.objectives import DCR, Reconstruction, build_objective

SHAPE = (4, 3, 5)


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def cosine(a: Tensor, b: Tensor) -> float:
    pairs = list(zip(a.flatten().tolist(), b.flatten().tolist(), strict=True))
    dot = sum(x * y for x, y in pairs)
    return dot / math.sqrt(sum(x * x for x, _ in pairs) * sum(y * y for _, y in pairs))


def paper_loss(row: Tensor, truth: Tensor, temperature: float) -> float:
    """Equation 12, one image, written out with plain numbers."""
    anchor, positive, *negatives = row
    to_positive = math.exp(cosine(anchor, positive) / temperature)
    to_truth = math.exp(cosine(anchor, truth) / temperature)
    to_negatives = sum(math.exp(cosine(anchor, negative) / temperature) for negative in negatives)
    mass = to_positive + to_truth + to_negatives
    return -(math.log(to_positive / mass) + math.log(to_truth / mass)) / 2


@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_dcr_is_equation_12(temperature: float) -> None:
    predictions, target = random(3, 6, *SHAPE), random(3, *SHAPE, seed=1)
    losses = DCR(temperature=temperature)(predictions, target)
    expected = [paper_loss(row, truth, temperature) for row, truth in zip(predictions, target, strict=True)]
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=torch.float64), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("batch_size", [2, 8, 16])
def test_equal_predictions_give_ln_of_batch_plus_one(batch_size: int) -> None:
    target = random(2, *SHAPE)
    losses = DCR()(target[:, None].expand(-1, batch_size + 1, *SHAPE), target)
    torch.testing.assert_close(losses, torch.full_like(losses, math.log(batch_size + 1)))


def test_perfect_positives_and_opposite_negatives_reach_the_floor_of_ln_2() -> None:
    target = random(1, *SHAPE)
    row = torch.stack([target, target, -target, -target], dim=1)
    assert DCR()(row, target).item() == pytest.approx(math.log(2), abs=1e-8)
    assert DCR(temperature=5.0)(row, target).item() > math.log(2) + 0.1


@given(seed=st.integers(0, 2**16), temperature=st.floats(0.02, 10))
def test_no_row_is_below_the_floor(seed: int, temperature: float) -> None:
    losses = DCR(temperature=temperature)(random(2, 4, 6, seed=seed), random(2, 6, seed=seed + 1))
    assert (losses >= math.log(2) - 1e-12).all()


@given(scales=st.lists(st.floats(1e-3, 1e3), min_size=6, max_size=6))
def test_positive_scaling_of_any_prediction_changes_nothing(scales: list[float]) -> None:
    predictions, target = random(1, 5, *SHAPE), random(1, *SHAPE, seed=1)
    factors = torch.tensor(scales, dtype=torch.float64)
    scaled = DCR()(predictions * factors[:5].view(1, 5, 1, 1, 1), target * factors[5])
    torch.testing.assert_close(scaled, DCR()(predictions, target), rtol=1e-10, atol=1e-10)


@given(order=st.permutations(range(4)))
def test_permuting_the_batch_permutes_the_losses(order: list[int]) -> None:
    grid, positives, target = random(4, 4, *SHAPE), random(4, *SHAPE, seed=1), random(4, *SHAPE, seed=2)

    def losses(order: list[int]) -> Tensor:
        mixed_grid, mixed_positives = grid[order][:, order], positives[order]
        rows = []
        for anchor in range(4):
            predictions = torch.cat([mixed_grid[anchor], mixed_positives])
            wanted = [index if index < 4 else anchor + 4 for index in DCR().conditions(anchor, 4)]
            rows.append(predictions[wanted])
        return DCR()(torch.stack(rows), target[order])

    torch.testing.assert_close(losses(order), losses(list(range(4)))[order], rtol=1e-12, atol=1e-12)


def test_dcr_asks_for_anchor_positive_and_all_others() -> None:
    assert DCR().conditions(2, 4) == [2, 6, 0, 1, 3]
    assert DCR().needs_positive


def test_dcr_refuses_a_batch_without_negatives() -> None:
    with pytest.raises(DcrError, match="at least 2"):
        DCR().conditions(0, 1)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_dcr_refuses_a_temperature_that_is_not_positive(temperature: float) -> None:
    with pytest.raises(DcrError, match="temperature"):
        DCR(temperature=temperature)


def test_tiny_temperatures_stay_finite_in_float32() -> None:
    predictions = random(2, 5, *SHAPE, dtype=torch.float32).requires_grad_()
    losses = DCR(temperature=1e-3)(predictions, random(2, *SHAPE, seed=1, dtype=torch.float32))
    (gradient,) = torch.autograd.grad(losses.sum(), predictions)
    assert losses.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("objective", [DCR(), Reconstruction()])
def test_losses_are_float32_under_autocast(objective: DCR | Reconstruction) -> None:
    predictions = random(2, 3, *SHAPE, dtype=torch.float32)
    target = random(2, *SHAPE, seed=1, dtype=torch.float32)
    expected = objective(predictions, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = objective(predictions, target)
        halved = objective(predictions.bfloat16(), target)
    assert losses.dtype == halved.dtype == torch.float32
    torch.testing.assert_close(losses, expected, rtol=0, atol=0)


def test_reconstruction_is_the_mean_squared_error_per_image() -> None:
    predictions, target = random(2, 1, *SHAPE), random(2, *SHAPE, seed=1)
    expected = []
    for image in range(2):
        pairs = zip(predictions[image, 0].flatten().tolist(), target[image].flatten().tolist(), strict=True)
        errors = [(p - t) ** 2 for p, t in pairs]
        expected.append(sum(errors) / len(errors))
    losses = Reconstruction()(predictions, target)
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=torch.float64), rtol=1e-13, atol=0)
    assert Reconstruction().conditions(3, 5) == [3]
    assert Reconstruction().conditions(0, 1) == [0]
    assert not Reconstruction().needs_positive


def test_objectives_are_built_by_name() -> None:
    built = build_objective("dcr", temperature=0.2)
    assert isinstance(built, DCR)
    assert built.temperature == 0.2
    assert isinstance(build_objective("reconstruction"), Reconstruction)


def test_unknown_names_and_options_are_named() -> None:
    with pytest.raises(DcrError, match="'reconstructions'; did you mean 'reconstruction'"):
        build_objective("reconstructions")
    with pytest.raises(DcrError, match="'reconstruction' has no option 'temperature'"):
        build_objective("reconstruction", temperature=0.1)
