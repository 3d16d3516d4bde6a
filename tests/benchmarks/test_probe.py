from __future__ import annotations

import pytest

from dcr.benchmarks import built_in_images, probe
from dcr.encoders import Encoder


def test_colours_can_be_read_and_shapes_cannot(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_in_images, "SCENE_COUNT", 300)
    scores = probe.evaluate(encoder)
    accuracy = {name: metric.value for name, metric in scores.metrics.items()}
    print(accuracy)
    assert accuracy["mean"] == pytest.approx(sum(accuracy[name] for name in scores.details["right"]) / 13)
    assert scores.n == 300
    assert probe.evaluate(encoder) == scores
    tests = probe.compare(scores, scores)
    assert set(tests) == set(scores.metrics)
    assert {test.p for test in tests.values()} == {1}


def test_train_and_test_scenes_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_in_images, "SCENE_COUNT", 100)
    train, test = (set(built_in_images.benchmark_scenes(split)[1]) for split in ("train", "test"))
    assert not train & test
