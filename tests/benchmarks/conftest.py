from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from dcr.encoders import Encoder

COLOURS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}


class StubEncoder(nn.Module):
    """The feature of an image is its mean colour; the feature of a text, the colour or the numbers in it."""

    source = "stub/encoder"

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(3, 3, bias=False)
        nn.init.eye_(self.model.weight)

    def forward(self, pixels: Tensor) -> Tensor:
        assert not self.training and not torch.is_grad_enabled()
        return cast(Tensor, self.model(pixels.mean(dim=(2, 3))))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([self._vector(text) for text in texts])

    def preprocess(self, image: Image.Image) -> Tensor:
        pixels = np.asarray(image.convert("RGB").resize((4, 4)), dtype=np.float32) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1)

    @staticmethod
    def _vector(text: str) -> list[float]:
        for word in text.split():
            if word in COLOURS:
                return list(COLOURS[word])
        return [float(word) for word in text.split()[-3:]]


@pytest.fixture
def encoder() -> Encoder:
    """A stub in training mode, so that every test also shows that benchmarks set and restore the mode."""
    return cast(Encoder, StubEncoder().train())
