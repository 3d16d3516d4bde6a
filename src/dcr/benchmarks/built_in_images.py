"""Images that need no download: scenes of the lab and handwritten digits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dcr.benchmarks.image_folder import LabelledImages, class_folder
from dcr.benchmarks.results import fingerprint
from dcr.seeds import derive_seed

if TYPE_CHECKING:
    from dcr.lab.scenes import Scene

SCENES = "scenes"
DIGITS = "digits"
SCENE_COUNT = 2000
PAIRS_PER_PATTERN = 300


def labelled_images(data: str) -> LabelledImages:
    """Returns the images of a class folder, of ``scenes`` (the class is the shape) or of ``digits``.

    Args:
        data: ``"scenes"``, ``"digits"`` or a folder; write ``./scenes`` for a folder of that name.

    Raises:
        DcrError: If it is a folder without classes.
    """
    built_in: dict[str, Callable[[], LabelledImages]] = {SCENES: _labelled_scenes, DIGITS: _digits}
    return built_in[data]() if data in built_in else class_folder(Path(data).expanduser())


def benchmark_scenes(split: str) -> tuple[list[Image.Image], list[Scene]]:
    """Draws the fixed scenes of a benchmark, 32 px; its seed is a hash that no training uses.

    Args:
        split: ``"test"``, or ``"train"`` for what a probe learns from.

    Returns:
        Pictures and scenes, ``SCENE_COUNT`` of each.
    """
    from dcr.lab.drawing import scene_arrays

    pixels, scenes = scene_arrays(SCENE_COUNT, derive_seed("benchmark scenes", split))
    return [Image.fromarray(picture) for picture in pixels], scenes


def lab_pairs() -> Path:
    """Returns the folder of the lab's pairs in the layout of MMVP-VLM, written on first use.

    It lies in ``$XDG_CACHE_HOME`` (``~/.cache``), under a name that changes with the code that draws it.

    Raises:
        DcrError: If the cache cannot be written.
    """
    from dcr.lab import pairs

    sources = sorted(Path(pairs.__file__).parent.glob("*.py"))
    world = fingerprint(source.read_bytes() for source in sources)[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "dcr" / "lab" / f"pairs-{PAIRS_PER_PATTERN}-{world}"
    if not folder.is_dir():
        pairs.write_pairs(folder, pairs_per_pattern=PAIRS_PER_PATTERN, seed=derive_seed("benchmark pairs"))
    return folder


def _labelled_scenes() -> LabelledImages:
    from dcr.lab.scenes import ATTRIBUTES

    images, scenes = benchmark_scenes("test")
    classes = list(ATTRIBUTES["shape"])
    labels = [classes.index(scene.shape) for scene in scenes]
    return LabelledImages(images, labels, classes, _pixel_fingerprint(images))


def _digits() -> LabelledImages:
    """Returns the 1,797 digits of scikit-learn, 8 x 8 px in 17 greys."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    greys = (digits.images * (255 / 16)).round().astype(np.uint8)
    images = [Image.fromarray(grey).convert("RGB") for grey in greys]
    return LabelledImages(images, digits.target.tolist(), list("0123456789"), _pixel_fingerprint(images))


def _pixel_fingerprint(images: list[Image.Image]) -> str:
    return fingerprint(image.tobytes() for image in images)
