from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dcr.errors import DcrError
from dcr.lab.drawing import render, scene_arrays
from dcr.lab.scenes import ATTRIBUTES, possible, sample_scene, sample_scenes


def test_same_scene_same_pixels() -> None:
    for scene in sample_scenes(20, 0):
        assert np.array_equal(render(scene), render(scene))


@pytest.mark.parametrize("size", [32, 48])
def test_size_and_dtype(size: int) -> None:
    pictures, scenes = scene_arrays(3, 0, size)
    assert pictures.shape == (3, size, size, 3)
    assert pictures.dtype == np.uint8
    assert np.array_equal(pictures[1], render(scenes[1], size))


@pytest.mark.parametrize("size", [0, -8, 33])
def test_size_off_the_grid_is_refused(size: int) -> None:
    with pytest.raises(DcrError, match="multiple of 8"):
        render(sample_scenes(1, 0)[0], size)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), name=st.sampled_from(list(ATTRIBUTES)), data=st.data())
def test_every_attribute_is_in_the_picture(seed: int, name: str, data: st.DataObject) -> None:
    """Another value of any attribute changes pixels by more than tint could."""
    scene = sample_scene(np.random.default_rng(seed))
    other = data.draw(st.sampled_from([value for value in ATTRIBUTES[name] if value != getattr(scene, name)]))
    changed = replace(scene, **{name: other})
    assume(possible(changed.position, changed.relation))
    assume(name not in ("state", "structure") or scene.distance == "near")  # far away, some are too small
    difference = np.abs(render(scene).astype(int) - render(changed)).max(axis=2)
    assert (difference > 30).sum() >= 2, f"{name}: {getattr(scene, name)} to {other}"


def test_drawing_is_fast_enough_to_be_done_on_the_fly() -> None:
    """Over 1,000 scenes/s on an idle core; the bound leaves room for a busy one."""
    scenes = sample_scenes(200, 0)
    render(scenes[0])
    began = time.process_time()
    for scene in scenes:
        render(scene)
    assert len(scenes) / (time.process_time() - began) > 400
