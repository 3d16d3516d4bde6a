from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dcr.config import RunConfig, default_config
from tests.tiny import tiny_stable_diffusion
from tests.tiny_encoders import tiny_clip


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A tiny encoder, a tiny generator and a folder of twelve images."""
    root = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(0)
    images = root / "images"
    images.mkdir()
    for index in range(12):
        pixels = rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{index}.png")
    return {
        "encoder": str(tiny_clip(root / "clip")),
        "generator": str(tiny_stable_diffusion(root / "sd")),
        "data": str(images),
    }


def tiny_config(parts: dict[str, str], output: Path, **changes: Any) -> RunConfig:
    """Three updates of each stage on the tiny parts."""
    stages = {
        "stage1": {"steps": 3, "learning_rate": 1e-3},
        "stage2": {"steps": 3, "learning_rate": 1e-3},
    }
    values: dict[str, Any] = {
        **parts,
        **stages,
        "output": output,
        "batch_size": 3,
        "accumulation": 2,
        "workers": 0,
        "checkpoint_every": 2,
    }
    return default_config(**{**values, **changes})
