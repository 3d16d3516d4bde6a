"""The streamed backward pass: what it calls, what it returns, what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dcr.errors import DcrError
from dcr.generators import Noised
from dcr.objectives import DCR, Objective, Reconstruction
from dcr.training.rows import choose_rows, streamed_backward

BATCH, WIDTH, SHAPE = 4, 6, (2, 3, 3)


def make_noised(batch_size: int = BATCH) -> Noised:
    generator = torch.Generator().manual_seed(0)
    noisy, target = torch.randn(2, batch_size, *SHAPE, generator=generator)
    return Noised(noisy, torch.arange(batch_size), target)


def make_conditions(objective: Objective, batch_size: int = BATCH) -> Tensor:
    count = 2 * batch_size if objective.needs_positive else batch_size
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(1), requires_grad=True)


class Counting:
    """A denoiser that remembers which image it saw under which condition."""

    def __init__(self, conditions: Tensor) -> None:
        self.known = conditions.detach()
        self.calls: list[list[tuple[int, int]]] = []
        self.mix = torch.randn(WIDTH, 18, generator=torch.Generator().manual_seed(2))

    def __call__(self, noisy: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        matches = (condition.detach()[:, None] == self.known).all(-1).float().argmax(1)
        self.calls.append(list(zip(timesteps.tolist(), matches.tolist(), strict=True)))
        return noisy + (condition @ self.mix).tanh().view(-1, *SHAPE)


@pytest.mark.parametrize("rows", [1, 2, 3, BATCH, 100])
@pytest.mark.parametrize("objective", [DCR(), Reconstruction()])
def test_each_prediction_is_made_once(objective: Objective, rows: int) -> None:
    conditions = make_conditions(objective)
    predict = Counting(conditions)
    streamed_backward(objective, predict, make_noised(), conditions, rows=rows)
    expected = [(image, k) for image in range(BATCH) for k in objective.conditions(image, BATCH)]
    assert [pair for call in predict.calls for pair in call] == expected
    assert len(predict.calls) == -(-BATCH // rows)


def test_no_graph_is_alive_between_chunks() -> None:
    conditions = make_conditions(DCR())
    counting = Counting(conditions)
    alive: list[Tensor] = []
    leaves: list[Tensor] = []

    def predict(noisy: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        for earlier in alive:
            with pytest.raises(RuntimeError, match="second time"):
                torch.autograd.grad(earlier.sum(), leaves[-1])
        leaves.append(condition)
        alive.append(counting(noisy, timesteps, condition))
        return alive[-1]

    streamed_backward(DCR(), predict, make_noised(), conditions, rows=2)
    assert len(alive) == 2


def test_scale_is_a_factor_of_the_gradient_and_not_of_the_losses() -> None:
    results = {}
    for scale in (1.0, 0.25):
        conditions = make_conditions(DCR())
        losses = streamed_backward(
            DCR(), Counting(conditions), make_noised(), conditions, rows=2, scale=scale
        )
        results[scale] = losses, conditions.grad
    assert torch.equal(results[1.0][0], results[0.25][0])
    torch.testing.assert_close(results[1.0][1] * 0.25, results[0.25][1])


def test_gradients_add_up_over_micro_steps() -> None:
    conditions = make_conditions(DCR())
    for _ in range(2):
        streamed_backward(DCR(), Counting(conditions), make_noised(), conditions, rows=2, scale=0.5)
    once = make_conditions(DCR())
    streamed_backward(DCR(), Counting(once), make_noised(), once, rows=2)
    torch.testing.assert_close(conditions.grad, once.grad)


def test_losses_without_gradients() -> None:
    conditions = make_conditions(DCR())
    with_gradient = streamed_backward(DCR(), Counting(conditions), make_noised(), conditions, rows=2)
    without = streamed_backward(DCR(), Counting(conditions), make_noised(), conditions.detach(), rows=2)
    assert torch.equal(with_gradient, without)
    assert not with_gradient.requires_grad
    assert with_gradient.shape == (BATCH,)


def test_a_trainable_generator_gets_its_gradient_too() -> None:
    conditions = make_conditions(Reconstruction()).detach()
    predict = Counting(conditions)
    predict.mix.requires_grad_()
    losses = streamed_backward(Reconstruction(), predict, make_noised(), conditions, rows=2)
    assert losses.isfinite().all()
    assert predict.mix.grad is not None


def test_conditions_of_low_precision_add_up_in_float32() -> None:
    conditions = make_conditions(DCR()).detach().bfloat16().requires_grad_()
    full = conditions.detach().float().requires_grad_()
    for leaf in (conditions, full):
        streamed_backward(DCR(), Counting(leaf.detach().float()), make_noised(), leaf, rows=1)
    assert conditions.grad is not None
    assert full.grad is not None
    assert torch.equal(conditions.grad, full.grad.bfloat16())


def test_a_loss_that_is_not_finite_is_returned_and_its_gradient_stops() -> None:
    noised = make_noised()
    noised.target[1] = float("nan")
    conditions = make_conditions(DCR())
    losses = streamed_backward(DCR(), Counting(conditions), noised, conditions, rows=1)
    assert losses.isnan().tolist() == [False, True, False, False]
    assert conditions.grad is None


def test_a_batch_of_one_has_no_negatives() -> None:
    conditions = make_conditions(DCR(), batch_size=1)
    with pytest.raises(DcrError, match="negatives"):
        streamed_backward(DCR(), Counting(conditions), make_noised(1), conditions, rows=1)


@pytest.mark.parametrize(
    ("bytes_per_sample", "samples_per_row", "batch_size", "budget", "rows"),
    [
        (10, 17, 16, 170, 1),
        (10, 17, 16, 339, 1),
        (10, 17, 16, 340, 2),
        (10, 17, 16, 0, 1),
        (10, 1, 8, 9999, 8),
    ],
)
def test_rows_are_the_most_that_fit(
    bytes_per_sample: int, samples_per_row: int, batch_size: int, budget: int, rows: int
) -> None:
    assert choose_rows(bytes_per_sample, samples_per_row, batch_size, budget) == rows
