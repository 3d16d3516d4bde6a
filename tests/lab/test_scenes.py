from __future__ import annotations

from collections import Counter

import numpy as np

from dcr.lab.scenes import _TYPICAL, ATTRIBUTES, TYPICAL_RATE, possible, rejitter, sample_scene, sample_scenes


def test_scene_depends_on_seed_and_index_only() -> None:
    assert sample_scenes(5, 3) == sample_scenes(9, 3)[:5]
    assert sample_scenes(5, 3) != sample_scenes(5, 4)


def test_every_value_of_every_attribute_occurs() -> None:
    scenes = sample_scenes(3000, 0)
    for name, values in ATTRIBUTES.items():
        assert {getattr(scene, name) for scene in scenes} == set(values)


def test_classes_are_even_and_their_look_is_typical_but_not_fixed() -> None:
    scenes = sample_scenes(4000, 1)
    shapes = Counter(scene.shape for scene in scenes)
    assert min(shapes.values()) > 320
    crowns = [scene for scene in scenes if scene.shape == "crown"]
    share = np.mean([scene.colour == _TYPICAL["crown"][1] for scene in crowns])
    expected = TYPICAL_RATE + (1 - TYPICAL_RATE) / len(ATTRIBUTES["colour"])
    assert abs(share - expected) < 0.08


def test_balls_always_fit() -> None:
    assert all(possible(scene.position, scene.relation) for scene in sample_scenes(2000, 2))


def test_rejitter_keeps_every_attribute() -> None:
    rng = np.random.default_rng(0)
    scene = sample_scene(rng)
    again = rejitter(scene, rng)
    assert again != scene
    assert all(getattr(again, name) == getattr(scene, name) for name in ATTRIBUTES)
