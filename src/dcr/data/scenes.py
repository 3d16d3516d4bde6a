"""The lab's world as an image source."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image

from dcr.data.samples import IndexedSource, Sample
from dcr.lab.drawing import render
from dcr.lab.scenes import sample_scene

POOL_SIZE = 20_000
POOL_SEED = 7_340_211
"""Root of the pool's seeds, far from the small numbers that pretraining and benchmarks use."""


class ScenePool(IndexedSource):
    """A fixed pool of scenes, each drawn when it is needed; the key is ``scene-<number>``.

    Args:
        image_size: Side of the views that the scenes are for, px; scenes are drawn at the next multiple of 8.
    """

    def __init__(self, image_size: int) -> None:
        self.name = "scenes"
        self.size = POOL_SIZE
        self._side = -(-image_size // 8) * 8

    def sample(self, index: int) -> Sample:
        """Returns scene `index`, a function of `POOL_SEED` and `index` only."""
        return Sample(f"scene-{index:05d}", partial(self._load, index))

    def _load(self, index: int) -> Image.Image:
        scene = sample_scene(np.random.default_rng([POOL_SEED, index]))
        return Image.fromarray(render(scene, self._side))
