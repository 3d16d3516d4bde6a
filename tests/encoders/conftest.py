from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.tiny_encoders import tiny_clip, tiny_siglip

KINDS: dict[str, Callable[[Path], Path]] = {
    "clip": tiny_clip,
    "clip-float16": lambda folder: tiny_clip(folder, dtype=torch.float16, seed=1),
    "clip-gelu": lambda folder: tiny_clip(folder, activation="gelu", seed=2),
    "siglip": tiny_siglip,
}


@pytest.fixture(scope="session", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder folder of every kind; tests must not write into it."""
    return KINDS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session", params=["clip-float16", "siglip"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder folder of every family, for what does not depend on more; not to be written into."""
    return KINDS[request.param](tmp_path_factory.mktemp(request.param))
