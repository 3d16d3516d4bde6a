"""Diffusion contrastive reconstruction."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dcr.errors import DcrError


class DCR:
    """Contrasts predictions of one noised latent under different conditions (DCR paper, Eq. 12).

    For anchor ``i``: ``P_ii`` is the prediction under its own condition, ``P_i+`` under that of its augmented
    view, ``g_i`` the ground truth and ``P_ij`` the prediction under the condition of image ``j``. With
    ``s(a, b)`` the cosine similarity of flattened predictions over the temperature,

        L_i = logsumexp(s(P_ii, P_i+), s(P_ii, g_i), {s(P_ii, P_ij): j != i})
              - (s(P_ii, P_i+) + s(P_ii, g_i)) / 2

    Nothing is detached. The loss is ``ln(B + 1)`` where all predictions and the ground truth agree, and
    always above ``ln 2``, since two positives share the mass.
    """

    needs_positive = True

    def __init__(self, *, temperature: float = 0.1) -> None:
        """Sets the temperature, which must be positive.

        Raises:
            DcrError: If it is not.
        """
        if not temperature > 0:
            raise DcrError(f"The temperature of the dcr objective must be positive, not {temperature}.")
        self.temperature = temperature

    def conditions(self, anchor: int, batch_size: int) -> list[int]:
        """Own condition, that of the augmented view, then those of all other images: ``B + 1`` indices.

        Raises:
            DcrError: If the batch has one image only: it would have no negatives.
        """
        if batch_size < 2:
            raise DcrError("The dcr objective needs negatives: use a batch_size of at least 2, not 1.")
        negatives = [image for image in range(batch_size) if image != anchor]
        return [anchor, batch_size + anchor, *negatives]

    def __call__(self, predictions: Tensor, target: Tensor) -> Tensor:
        """Computes ``[R]`` losses of predictions ``[R, B + 1, C, h, w]`` (anchor, positive, negatives)."""
        with torch.autocast(predictions.device.type, enabled=False):
            rows = predictions.to(torch.promote_types(predictions.dtype, torch.float32)).flatten(2)
            truth = target.to(rows.dtype).flatten(1)[:, None]
            others = torch.cat([rows[:, 1:2], truth, rows[:, 2:]], dim=1)
            similarity = F.cosine_similarity(rows[:, :1], others, dim=-1) / self.temperature
            return similarity.logsumexp(dim=1) - similarity[:, :2].mean(dim=1)
