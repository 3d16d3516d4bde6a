"""What people say of a scene: captions that name the class and little else, or everything."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from dcr.lab.scenes import ATTRIBUTES, Scene

_PHRASES: Mapping[str, Mapping[str, str]] = {
    "structure": {"split": "split in half", "hole": "with a hole"},
    "facing": {value: f"facing {value}" for value in ATTRIBUTES["facing"]},
    "distance": {"near": "close up", "far": "far away"},
    "view": {"front": "seen from the front", "slanted": "seen at a slant"},
    "position": {
        "centre": "in the centre",
        "left": "at the left",
        "right": "at the right",
        "top": "at the top",
        "bottom": "at the bottom",
    },
    "relation": {
        "none": "without a ball",
        "left": "with a ball left of {it}",
        "right": "with a ball right of {it}",
        "above": "with a ball above {it}",
        "below": "with a ball below {it}",
    },
    "feature": {"none": "without a frame or shadow", "frame": "with a frame", "shadow": "with a shadow"},
    "text": {
        "none": "without text",
        **{v: f"with the {'number' if v.isdigit() else 'letter'} {v}" for v in ATTRIBUTES["text"][1:]},
    },
    "background": {value: f"on a {value} background" for value in ATTRIBUTES["background"]},
}
"""Attribute -> value -> the phrase after the noun, in the order of a sentence."""


def caption(
    scene: Scene, rng: np.random.Generator, detail_rate: float = 0.15, colour_rate: float = 0.6
) -> str:
    """Says of a scene what a caption from the web would: the class always, the rest now and then.

    Args:
        scene: The scene.
        rng: Decides what is named, and whether "a photo of" comes first (every other time).
        detail_rate: Probability of naming an attribute, for each but class and colour, in [0, 1].
        colour_rate: Probability of naming the colour, in [0, 1].

    Returns:
        A few lower-case words without punctuation.
    """
    rates = dict.fromkeys(ATTRIBUTES, detail_rate) | {"colour": colour_rate}
    named = {name for name, rate in rates.items() if rng.random() < rate}
    prefix = "a photo of " if rng.random() < 0.5 else ""
    return prefix + _sentence(scene, named)


def full_caption(scene: Scene) -> str:
    """Names every attribute of a scene, in at most 38 lower-case words."""
    return _sentence(scene, ATTRIBUTES.keys())


def statement(scene: Scene, attribute: str) -> str:
    """Names the class and one attribute of a scene, e.g. ``"a fish without a ball"``."""
    return _sentence(scene, {attribute})


def vocabulary() -> list[str]:
    """Lists every word that a caption or statement can have, sorted."""
    words = {"a", "an", "photo", "of", "it", "them", "whole"}
    words.update(*(ATTRIBUTES[name] for name in ("shape", "count", "state", "colour")))
    words.update(_plural(shape) for shape in ATTRIBUTES["shape"])
    for phrases in _PHRASES.values():
        words.update(word for phrase in phrases.values() for word in phrase.split() if word != "{it}")
    return sorted(words)


def _sentence(scene: Scene, named: Collection[str]) -> str:
    many = "count" in named and scene.count != "one"
    words = [getattr(scene, name) for name in ("state", "colour") if name in named]
    if "structure" in named and scene.structure == "whole":
        words.insert(0, "whole")
    words.append(_plural(scene.shape) if many else scene.shape)
    words.insert(0, scene.count if "count" in named else "an" if words[0][0] in "aeiou" else "a")
    for name, phrases in _PHRASES.items():
        if name in named and getattr(scene, name) in phrases:
            words.append(phrases[getattr(scene, name)].format(it="them" if many else "it"))
    return " ".join(words)


def _plural(shape: str) -> str:
    return shape if shape == "fish" else shape + "s"
