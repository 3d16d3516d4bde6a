from __future__ import annotations

import numpy as np
import pytest

from dcr.lab.captions import caption, full_caption, statement, vocabulary
from dcr.lab.scenes import ATTRIBUTES, sample_scenes


def test_captions_name_the_class_always_and_details_rarely() -> None:
    rng = np.random.default_rng(0)
    scenes = sample_scenes(3000, 0)
    texts = [caption(scene, rng) for scene in scenes]
    assert all(scene.shape in text for scene, text in zip(scenes, texts, strict=True))
    facing = np.mean(["facing" in text for text in texts])
    assert 0.12 < facing < 0.18
    colour = np.mean([scene.colour in text.split() for scene, text in zip(scenes, texts, strict=True)])
    assert 0.56 < colour < 0.64
    assert 0.45 < np.mean([text.startswith("a photo of ") for text in texts]) < 0.55


def test_class_alone_occurs() -> None:
    rng = np.random.default_rng(1)
    assert f"a photo of {statement(sample_scenes(1, 0)[0], 'shape')}" in {
        caption(sample_scenes(1, 0)[0], rng) for _ in range(300)
    }


def test_full_captions_tell_every_scene_apart() -> None:
    scenes = sample_scenes(500, 2)
    attributes = {full_caption(scene): tuple(getattr(scene, name) for name in ATTRIBUTES) for scene in scenes}
    assert all(attributes[full_caption(s)] == tuple(getattr(s, name) for name in ATTRIBUTES) for s in scenes)
    assert max(len(full_caption(scene).split()) for scene in scenes) <= 38


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_statements_use_words_of_captions(attribute: str) -> None:
    known = set(vocabulary())
    for scene in sample_scenes(200, 3):
        assert set(statement(scene, attribute).split()) <= known


def test_grammar() -> None:
    scene = sample_scenes(1, 0)[0]
    assert statement(scene, "shape") == f"a{'n' * scene.shape.startswith('a')} {scene.shape}"
