"""From the feature of an encoder to the condition of a generator."""

from __future__ import annotations

from torch import Tensor, nn


class Projector(nn.Module):
    """LayerNorm, Linear, GELU, Linear (the projector of GenHancer and DCR)."""

    def __init__(self, width: int, condition_width: int) -> None:
        """Builds the layers with the default initialisation of torch.

        Args:
            width: ``d``, width of the encoder's feature.
            condition_width: ``D``, width of the generator's condition.
        """
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, condition_width),
            nn.GELU(),
            nn.Linear(condition_width, condition_width),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Projects ``[B, d]`` features to ``[B, D]`` conditions."""
        projected: Tensor = self.layers(features)
        return projected
