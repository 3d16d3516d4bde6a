"""MMVP-VLM, the P-ability benchmark (Tong et al. 2024): can text tell apart what looks alike to CLIP?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dcr.benchmarks.features import BATCH_SIZE, image_features, text_features, unit_length
from dcr.benchmarks.image_folder import ImageFiles
from dcr.benchmarks.mmvp_vlm_folder import Pair, read_pairs
from dcr.benchmarks.patterns import PATTERNS
from dcr.benchmarks.results import Metric, Scores, fingerprint
from dcr.benchmarks.statistics import PairedTest, mcnemar

if TYPE_CHECKING:
    from dcr.encoders import Encoder

AVERAGE = "average"
PREFIX = "a photo of "


def evaluate(encoder: Encoder, folder: Path, *, prefix: str = PREFIX, batch_size: int = BATCH_SIZE) -> Scores:
    """Runs MMVP-VLM as published (methods.md 5).

    Args:
        encoder: The encoder, with its text tower.
        folder: The benchmark's folder, see :func:`dcr.benchmarks.mmvp_vlm_folder.read_pairs`.
        prefix: What comes before every statement.
        batch_size: Images per forward pass.

    Returns:
        As :func:`evaluate_pairs`.

    Raises:
        DcrError: If the folder is not as expected or the encoder has no text tower.
    """
    return evaluate_pairs(encoder, read_pairs(folder), prefix=prefix, batch_size=batch_size)


def evaluate_pairs(
    encoder: Encoder, pairs: Sequence[Pair], *, prefix: str = PREFIX, batch_size: int = BATCH_SIZE
) -> Scores:
    """Scores pairs that were read already.

    Args:
        encoder: The encoder, with its text tower.
        pairs: P pairs, equally many of each pattern.
        prefix: What comes before every statement.
        batch_size: Images per forward pass.

    Returns:
        Percent of right pairs for each pattern and on average. ``details`` keeps, pair by pair, ``ids``,
        ``patterns``, ``cosines`` [P][2 statements][2 images] (nothing for NaN), ``predictions`` (image 1 or 2
        for each statement) and ``right``; and ``ties``, the number of statements with two equal cosines.

    Raises:
        DcrError: If the encoder has no text tower, or an image cannot be read.
    """
    statements = [prefix + statement for pair in pairs for statement in pair.statements]
    texts = unit_length(text_features(encoder, statements, batch_size=batch_size))
    files = ImageFiles([path for pair in pairs for path in pair.images])
    images = unit_length(image_features(encoder, files, batch_size=batch_size, label="mmvp-vlm"))
    cosines = pair_cosines(texts, images)
    first = says_first_image(cosines)
    right = first[:, 0] & ~first[:, 1]
    return Scores(
        benchmark="mmvp-vlm",
        n=len(pairs),
        item="pairs",
        data=_fingerprint(pairs),
        settings={"prefix": prefix},
        metrics=pair_metrics([pair.pattern for pair in pairs], right.tolist()),
        details={
            "ties": int((cosines[..., 0] == cosines[..., 1]).sum()),
            "ids": [list(pair.ids) for pair in pairs],
            "patterns": [pair.pattern for pair in pairs],
            "predictions": torch.where(first, 1, 2).tolist(),
            "right": right.tolist(),
            "cosines": [_without_nan(values) for values in cosines.flatten(1).tolist()],
        },
    )


def pair_cosines(texts: Tensor, images: Tensor) -> Tensor:
    """Computes the four cosines of every pair.

    Args:
        texts: [2P, d] float32, unit length.
        images: [2P, d] float32, unit length.

    Returns:
        [P, 2, 2] float32: pair, statement, image.
    """
    # Products are summed row by row: a matrix product may round equal rows differently and break ties.
    width = texts.shape[1]
    return torch.sum(texts.view(-1, 2, 1, width) * images.view(-1, 1, 2, width), dim=-1)


def says_first_image(cosines: Tensor) -> Tensor:
    """Decides which image each statement is about; ties and NaN go to the second, as published.

    Comparing cosines is the published softmax over both images, without its rounding.

    Args:
        cosines: [P, 2, 2] float32: pair, statement, image.

    Returns:
        [P, 2] bool, true for the first image.
    """
    return cosines[..., 0] > cosines[..., 1]


def pair_metrics(patterns: Sequence[str], right: Sequence[bool]) -> dict[str, Metric]:
    """Counts right pairs.

    Args:
        patterns: The pattern of each of P pairs.
        right: Whether both statements of a pair were decided right.

    Returns:
        One share for each of the nine patterns, then their average, which is the share of all pairs since
        every pattern has equally many.
    """
    outcomes = {
        name: [hit for of, hit in zip(patterns, right, strict=True) if of == name] for name in PATTERNS
    }
    metrics = {name: Metric.share(sum(hits), len(hits)) for name, hits in outcomes.items()}
    return {**metrics, AVERAGE: Metric.share(sum(right), len(right))}


def compare(before: Scores, after: Scores) -> dict[str, PairedTest]:
    """Tests two encoders on the same pairs (exact McNemar), for each pattern and for all pairs."""
    patterns = before.details["patterns"]
    old, new = before.details["right"], after.details["right"]
    tests: dict[str, PairedTest] = {}
    for name in PATTERNS:
        chosen = [index for index, pattern in enumerate(patterns) if pattern == name]
        tests[name] = mcnemar([old[index] for index in chosen], [new[index] for index in chosen])
    return {**tests, AVERAGE: mcnemar(old, new)}


def _fingerprint(pairs: Sequence[Pair]) -> str:
    return fingerprint(
        part
        for pair in pairs
        for part in (
            *map(str, pair.ids),
            *pair.statements,
            *(str(path.stat().st_size) for path in pair.images),
        )
    )


def _without_nan(values: list[float]) -> list[float | None]:
    return [value if value == value else None for value in values]
