"""The outlines of the ten classes and the letters of the lab's world, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


def _arc(
    centre: tuple[float, float], radius: tuple[float, float], start: float, stop: float
) -> list[list[float]]:
    """Points of an ellipse's arc; angles in degrees, 0 to the right and 90 down."""
    angles = [math.radians(start + (stop - start) * step / 16) for step in range(17)]
    return [[centre[0] + radius[0] * math.cos(a), centre[1] + radius[1] * math.sin(a)] for a in angles]


def _mirrored(right: list[list[float]]) -> Points:
    """Closes a right half, listed from top to bottom, with its mirror image."""
    return np.array(right + [[-x, y] for x, y in reversed(right)])


OUTLINES: Mapping[str, Points] = {
    "arrow": _mirrored([[0, -1], [0.95, -0.05], [0.36, -0.05], [0.36, 1]]),
    "bell": _mirrored(
        [
            [0.15, -1],
            [0.15, -0.85],
            [0.45, -0.7],
            [0.58, -0.3],
            [0.62, 0.15],
            [1, 0.5],
            [1, 0.68],
            [0.28, 0.68],
            [0.28, 1],
        ]
    ),
    "crescent": np.array(_arc((0, 0), (1, 1), -44, 224) + _arc((0, -0.5), (0.75, 0.75), 194, -14)),
    "crown": _mirrored([[0, -0.95], [0.42, -0.1], [1, -0.8], [0.85, 0.85]]),
    "drop": _mirrored([[0, -1], *_arc((0, 0.33), (0.67, 0.67), -30, 90)]),
    "fish": _mirrored([*_arc((0, -0.3), (0.55, 0.7), -90, 62), [0.16, 0.48], [0.8, 1], [0, 0.8]]),
    "heart": _mirrored([[0, -0.5], *_arc((0.5, -0.4), (0.5, 0.5), -150, 30), [0, 0.95]]),
    "house": _mirrored([[0, -1], [1, -0.1], [0.75, -0.1], [0.75, 0.95], [0.22, 0.95], [0.22, 0.4]]),
    "mushroom": _mirrored([*_arc((0, 0.1), (1, 1.05), -90, 0), [0.85, 0.22], [0.34, 0.22], [0.42, 1]]),
    "tree": _mirrored(
        [[0, -1], [0.52, -0.4], [0.28, -0.4], [0.76, 0.12], [0.45, 0.12], [1, 0.62], [0.22, 0.62], [0.22, 1]]
    ),
}
"""Class -> closed polygon [P, 2] of (right, down) in the unit square [-1, 1], facing up."""

MIDDLES: Mapping[str, tuple[float, float]] = {
    "arrow": (0, -0.3),
    "bell": (0, 0.1),
    "crescent": (0, 0.62),
    "crown": (0, 0.35),
    "drop": (0, 0.33),
    "fish": (0, -0.3),
    "heart": (0, -0.05),
    "house": (0, -0.2),
    "mushroom": (0, -0.35),
    "tree": (0, 0.1),
}
"""Class -> (right, down) of the outline's thick place, where it is split or has its hole."""

CIRCLE: Points = np.array(_arc((0, 0), (1, 1), 0, 360))
"""The unit circle as a polygon [17, 2]."""

_GLYPHS = {
    "e": "11111 10000 10000 11110 10000 10000 11111",
    "k": "10001 10010 10100 11000 10100 10010 10001",
    "u": "10001 10001 10001 10001 10001 10001 01110",
    "x": "10001 10001 01010 00100 01010 10001 10001",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "7": "11111 00001 00010 00100 00100 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
}
GLYPHS: Mapping[str, npt.NDArray[np.bool_]] = {
    name: np.array([[dot == "1" for dot in row] for row in rows.split()]) for name, rows in _GLYPHS.items()
}
"""Letter or digit -> its dots, bool [7, 5]."""
