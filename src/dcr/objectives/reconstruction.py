"""Plain reconstruction: the denoising loss itself."""

from __future__ import annotations

import torch
from torch import Tensor


class Reconstruction:
    """Mean squared error between the prediction under the image's own condition and the ground truth."""

    needs_positive = False

    def conditions(self, anchor: int, batch_size: int) -> list[int]:
        """The image's own condition only."""
        return [anchor]

    def __call__(self, predictions: Tensor, target: Tensor) -> Tensor:
        """Computes ``[R]`` losses of predictions ``[R, 1, C, h, w]`` and targets ``[R, C, h, w]``."""
        own = predictions[:, 0]
        own = own.to(torch.promote_types(own.dtype, torch.float32))
        return (own - target).square().flatten(1).mean(dim=1)
