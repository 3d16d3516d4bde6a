"""Losses over the predictions of a generator: pure tensors in, numbers out."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

from torch import Tensor

from dcr.errors import DcrError, unknown
from dcr.objectives.dcr import DCR
from dcr.objectives.reconstruction import Reconstruction

__all__ = ["DCR", "Objective", "Reconstruction", "build_objective"]


class Objective(Protocol):
    """A loss per image, computed of one row of predictions.

    Attributes:
        needs_positive: Whether conditions of the augmented views are needed.
    """

    needs_positive: bool

    def conditions(self, anchor: int, batch_size: int) -> list[int]:
        """Names the conditions under which the anchor's noised latent has to be predicted.

        Args:
            anchor: Index of the image in the batch.
            batch_size: ``B``, images in the batch.

        Returns:
            ``K`` indices in the order of the predictions: ``0..B-1`` are the images' own conditions,
            ``B..2B-1`` those of their augmented views. ``K`` is the same for every anchor.
        """
        ...

    def __call__(self, predictions: Tensor, target: Tensor) -> Tensor:
        """Computes one loss per row.

        Args:
            predictions: ``[R, K, C, h, w]``.
            target: ``[R, C, h, w]``.

        Returns:
            ``[R]`` losses, float32 (float64 from float64 predictions).
        """
        ...


_OBJECTIVES: dict[str, type[Objective]] = {"dcr": DCR, "reconstruction": Reconstruction}


def build_objective(name: str, **options: Any) -> Objective:
    """Builds an objective by its name in configurations.

    Raises:
        DcrError: If there is no such objective, or it has no such option.
    """
    if name not in _OBJECTIVES:
        raise unknown("objective", name, _OBJECTIVES)
    known = inspect.signature(_OBJECTIVES[name]).parameters
    for option in options:
        if option not in known:
            raise DcrError(f"Objective '{name}' has no option '{option}'; remove it.")
    return _OBJECTIVES[name](**options)
