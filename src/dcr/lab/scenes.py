"""What is in a picture of the lab's world: the attributes of a scene, and how scenes are drawn at random.

Every one of the nine visual patterns of MMVP-VLM is an attribute here. As in photos, the class goes with a
typical but not a fixed look, so that a model can get the class right without seeing the details.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "shape": (
            "arrow",
            "bell",
            "crescent",
            "crown",
            "drop",
            "fish",
            "heart",
            "house",
            "mushroom",
            "tree",
        ),
        "facing": ("up", "right", "down", "left"),
        "feature": ("none", "frame", "shadow"),
        "state": ("filled", "outlined", "striped"),
        "count": ("one", "two", "three", "four"),
        "position": ("centre", "left", "right", "top", "bottom"),
        "relation": ("none", "left", "right", "above", "below"),
        "colour": ("red", "green", "blue", "yellow", "purple", "orange", "white", "black"),
        "background": ("grey", "pink", "cyan", "brown", "beige"),
        "structure": ("whole", "split", "hole"),
        "text": ("none", "e", "k", "u", "x", "2", "4", "7", "8"),
        "distance": ("near", "far"),
        "view": ("front", "slanted"),
    }
)
"""Every attribute of a scene and its values; the first value of an attribute is its plainest."""

TYPICAL_RATE = 0.65
"""Probability that a scene has its class's typical value; otherwise every value is equally likely."""

_TYPICAL_ATTRIBUTES = ("facing", "colour", "background", "state", "distance")
_TYPICAL: Mapping[str, tuple[str, ...]] = {
    "arrow": ("right", "black", "beige", "filled", "near"),
    "bell": ("up", "yellow", "pink", "striped", "far"),
    "crescent": ("left", "white", "brown", "outlined", "far"),
    "crown": ("up", "purple", "beige", "outlined", "near"),
    "drop": ("down", "blue", "grey", "filled", "far"),
    "fish": ("left", "orange", "cyan", "striped", "near"),
    "heart": ("up", "red", "pink", "filled", "near"),
    "house": ("up", "white", "cyan", "outlined", "far"),
    "mushroom": ("up", "red", "brown", "striped", "near"),
    "tree": ("up", "green", "grey", "filled", "far"),
}
_PLAIN_RATE: Mapping[str, float] = {
    "feature": 0.4,
    "count": 0.4,
    "position": 0.4,
    "relation": 0.5,
    "structure": 0.4,
    "text": 0.55,
    "view": 0.3,
}
_SAME_SIDE = {("left", "left"), ("right", "right"), ("top", "above"), ("bottom", "below")}


@dataclass(frozen=True)
class Scene:
    """One picture, complete: equal scenes render to equal pixels.

    The first thirteen fields are those of `ATTRIBUTES`; the others are jitter, which no caption names.

    Attributes:
        angle: Tilt away from the exact facing, degrees in [-6, 6].
        offset: Shift (right, down) of the objects, px at 32 px, each in [-0.5, 0.5].
        scale: Factor on the size of the objects, in [0.97, 1.03].
        tint: Shift of the object's red, green and blue, in [-12, 12] of 255.
        background_tint: Shift of the background's red, green and blue, in [-8, 8] of 255.
        corner: The corner, 0 to 3, that a letter takes where several are equally free.
    """

    shape: str
    facing: str
    feature: str
    state: str
    count: str
    position: str
    relation: str
    colour: str
    background: str
    structure: str
    text: str
    distance: str
    view: str
    angle: float
    offset: tuple[float, float]
    scale: float
    tint: tuple[float, float, float]
    background_tint: tuple[float, float, float]
    corner: int


def possible(position: str, relation: str) -> bool:
    """Says whether a ball fits: none between the objects and the edge of the picture that they stand at."""
    return (position, relation) not in _SAME_SIDE


def sample_scene(rng: np.random.Generator) -> Scene:
    """Draws a natural scene: a uniform class, each attribute typical of it at `TYPICAL_RATE`.

    Args:
        rng: The only source of randomness.

    Returns:
        The scene. A ball that would not fit is left out.
    """
    shape = _pick(ATTRIBUTES["shape"], rng)
    typical = dict(zip(_TYPICAL_ATTRIBUTES, _TYPICAL[shape], strict=True))
    values = {"shape": shape}
    for name, choices in ATTRIBUTES.items():
        if name in typical:
            values[name] = typical[name] if rng.random() < TYPICAL_RATE else _pick(choices, rng)
        elif name in _PLAIN_RATE:
            values[name] = choices[0] if rng.random() < _PLAIN_RATE[name] else _pick(choices, rng)
    if not possible(values["position"], values["relation"]):
        values["relation"] = "none"
    return Scene(**values, **_jitter(rng), corner=int(rng.integers(4)))  # type: ignore[arg-type]


def sample_scenes(count: int, seed: int) -> list[Scene]:
    """Draws scenes; scene i depends on `seed` and i only, so a longer list starts with the shorter one."""
    return [sample_scene(np.random.default_rng([seed, index])) for index in range(count)]


def rejitter(scene: Scene, rng: np.random.Generator) -> Scene:
    """Returns the scene as another shot shows it: attributes kept, small jitter drawn anew."""
    return replace(scene, **_jitter(rng))  # type: ignore[arg-type]


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.random() * len(choices))]


def _jitter(rng: np.random.Generator) -> dict[str, float | tuple[float, ...]]:
    unit = (2.0 * rng.random(10) - 1.0).tolist()
    return {
        "angle": 6.0 * unit[0],
        "offset": (0.5 * unit[1], 0.5 * unit[2]),
        "scale": 1.0 + 0.03 * unit[3],
        "tint": tuple(12.0 * value for value in unit[4:7]),
        "background_tint": tuple(8.0 * value for value in unit[7:10]),
    }
