"""The streamed backward pass: a whole batch of rows with the memory of a few.

The loss of anchor ``i`` needs row ``i`` of predictions only. So the batch is encoded once, its conditions are
cut off as leaves, and rows are predicted, scored and differentiated a few at a time; their gradients add up
in the leaves and flow through projector and encoder in one final pass. The gradient is that of the full grid,
and no forward is repeated (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dcr.generators import Noised
from dcr.objectives import Objective

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


def streamed_backward(
    objective: Objective,
    predict: Predict,
    noised: Noised,
    conditions: Tensor,
    *,
    rows: int,
    scale: float = 1.0,
) -> Tensor:
    """Adds the gradient of ``scale * mean_i L_i`` to everything that ``conditions`` depend on.

    Where conditions need no gradient, losses are computed and nothing else. Where any loss is not finite, the
    gradient stops at the conditions, so that encoder and projector keep clean gradients: the losses say so,
    and it is for the caller to stop (with several processes: all, as this one skips its backward pass).

    Args:
        objective: Names the conditions of a row and turns predictions into losses.
        predict: ``(noisy [N, C, h, w], timesteps [N], condition [N, D]) -> [N, C, h, w]``.
        noised: Latents of the batch, ``B`` images.
        conditions: ``[B, D]``, or ``[2B, D]`` where the objective needs positives.
        rows: ``R``, anchors per call of ``predict``, which then gets ``N = R * K`` samples.
        scale: Factor of the loss, e.g. ``1 / accumulation steps``.

    Returns:
        ``[B]`` losses without graph, before ``scale``.

    Raises:
        DcrError: If the batch is too small for the objective.
    """
    batch_size = len(noised.noisy)
    leaf = conditions.detach().to(torch.promote_types(conditions.dtype, torch.float32))
    leaf.requires_grad_(conditions.requires_grad)
    chunks = []
    for start in range(0, batch_size, rows):
        anchors = range(start, min(start + rows, batch_size))
        losses = _row_losses(objective, predict, noised, leaf, anchors)
        if losses.requires_grad:
            torch.autograd.backward(losses.sum() * (scale / batch_size))
        chunks.append(losses.detach())
    result = torch.cat(chunks)
    if leaf.grad is not None and result.isfinite().all():
        torch.autograd.backward(conditions, leaf.grad.to(conditions.dtype))
    return result


def _row_losses(
    objective: Objective, predict: Predict, noised: Noised, conditions: Tensor, anchors: range
) -> Tensor:
    """Predicts the rows of some anchors in one call and scores them: ``[R]``, with graph."""
    wanted = torch.tensor([objective.conditions(anchor, len(noised.noisy)) for anchor in anchors])
    images = slice(anchors.start, anchors.stop)
    width = wanted.shape[1]
    predictions = predict(
        noised.noisy[images].repeat_interleave(width, dim=0),
        noised.timesteps[images].repeat_interleave(width),
        conditions[wanted.flatten().to(conditions.device)],
    )
    return objective(predictions.reshape(*wanted.shape, *predictions.shape[1:]), noised.target[images])


def choose_rows(bytes_per_sample: int, samples_per_row: int, batch_size: int, budget_bytes: int) -> int:
    """Chooses how many anchors to run at a time.

    Args:
        bytes_per_sample: Activations of one prediction (:meth:`StableDiffusion.activation_bytes`).
        samples_per_row: ``K``, predictions per anchor.
        batch_size: ``B``, the most that is useful.
        budget_bytes: Memory for activations of the generator.

    Returns:
        The most rows that fit, from 1 (also where not even one fits) to ``B``.
    """
    return max(1, min(batch_size, budget_bytes // (bytes_per_sample * samples_per_row)))
