"""The lab's pair benchmark, in the folder layout of MMVP-VLM."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from dcr.benchmarks.patterns import PATTERNS
from dcr.errors import DcrError
from dcr.files import atomic_folder
from dcr.lab.captions import statement
from dcr.lab.drawing import render
from dcr.lab.scenes import ATTRIBUTES, Scene, possible, rejitter, sample_scene

PATTERN_ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    dict(
        zip(
            PATTERNS,
            (
                ("facing",),
                ("feature",),
                ("state",),
                ("count",),
                ("position", "relation"),
                ("colour", "background"),
                ("structure",),
                ("text",),
                ("distance", "view"),
            ),
            strict=True,
        )
    )
)
"""Which attributes of a scene make up each of the nine patterns; a pattern's pairs take turns among them."""

IMAGES = "MLLM_VLM Images"
VISIBLE_CHANGE = 40
VISIBLE_PIXELS = 8


def write_pairs(folder: Path, *, pairs_per_pattern: int = 15, seed: int = 0) -> None:
    """Writes pairs of scenes that differ in one attribute, each with a statement of that attribute.

    The layout is that of ``MMVP/MMVP_VLM``: ``Questions.csv`` (id, type, statement), images at
    ``MLLM_VLM Images/<type>/<id>.jpg``, two consecutive rows are a pair, types in the published order.

    Args:
        folder: A new or empty folder.
        pairs_per_pattern: Pairs of each of the nine patterns; 15 in the original.
        seed: Another seed gives other pairs.

    Raises:
        DcrError: If the folder has content or cannot be written, or there are no pairs to write.
    """
    if pairs_per_pattern < 1:
        raise DcrError(f"pairs_per_pattern is {pairs_per_pattern}: it must be 1 or more.")
    if folder.is_dir() and any(folder.iterdir()):
        raise DcrError(f"{folder} is not empty: give a new folder for the pairs.")
    rows: list[tuple[int, str, str]] = []
    with atomic_folder(folder) as partial:
        for number, (pattern, attributes) in enumerate(PATTERN_ATTRIBUTES.items()):
            images = partial / IMAGES / pattern
            images.mkdir(parents=True)
            for index in range(pairs_per_pattern):
                attribute = attributes[index % len(attributes)]
                rng = np.random.default_rng([seed, number, index])
                for scene in sample_pair(attribute, rng):
                    identifier = len(rows) + 1
                    rows.append((identifier, pattern, statement(scene, attribute)))
                    picture = Image.fromarray(render(scene))
                    picture.save(images / f"{identifier}.jpg", quality=95, subsampling=0)
        with (partial / "Questions.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("Question ID", "Type", "Statement"), *rows])


def sample_pair(attribute: str, rng: np.random.Generator) -> tuple[Scene, Scene]:
    """Draws two scenes that are equal in everything but one attribute, and the jitter that no caption names.

    Where the attribute is the text, both scenes have one. Pairs whose difference is too small to be seen are
    drawn again.
    """
    values = ATTRIBUTES[attribute][1:] if attribute == "text" else ATTRIBUTES[attribute]
    while True:
        scene = sample_scene(rng)
        first, second = (values[index] for index in rng.permutation(len(values))[:2])
        pair = replace(scene, **{attribute: first}), replace(rejitter(scene, rng), **{attribute: second})
        if all(possible(one.position, one.relation) for one in pair) and _visible(*pair):
            return pair


def _visible(first: Scene, second: Scene) -> bool:
    """Says whether a person could tell the two apart: a few far-away objects are too small for their fill."""
    difference = np.abs(render(first).astype(int) - render(second)).max(axis=2)
    return int((difference > VISIBLE_CHANGE).sum()) >= VISIBLE_PIXELS
