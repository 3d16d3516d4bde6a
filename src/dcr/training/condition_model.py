"""The module that trains: from pixels to the condition of the generator."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from dcr.conditioning import Projector
from dcr.encoders import Encoder


class ConditionModel(nn.Module):
    """Encoder and projector in one module: a distributed wrapper sees one forward and one backward."""

    def __init__(self, encoder: Encoder, projector: Projector) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector

    def forward(self, pixels: Tensor) -> Tensor:
        """Maps pixels [N, 3, S, S] in [0, 1] to conditions [N, D]."""
        conditions: Tensor = self.projector(self.encoder(pixels))
        return conditions

    def train_only(self, part: Literal["projector", "encoder"]) -> None:
        """Freezes one part and trains the other: the whole projector, or the encoder's adapter.

        A frozen encoder builds no graph and has no dropout.
        """
        self.projector.requires_grad_(part == "projector")
        self.projector.train(part == "projector")
        self.encoder.train(part == "encoder")

    def trained(self) -> dict[str, nn.Parameter]:
        """Returns the parameters that train, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}
