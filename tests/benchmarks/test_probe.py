from __future__ import annotations

import pytest

from dcr.benchmarks import built_in_images, probe
from dcr.encoders import Encoder


def test_colours_can_be_read_and_shapes_cannot(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_in_images, "SCENE_COUNT", 150)
    scores = probe.evaluate(encoder)
    accuracy = {name: metric.value for name, metric in scores.metrics.items()}
    assert accuracy["background"] > 90
    assert accuracy["shape"] < 50
    assert accuracy["mean"] == pytest.approx(sum(accuracy[name] for name in scores.details["right"]) / 13)
    assert scores.n == 150
    tests = probe.compare(scores, scores)
    assert set(tests) == set(scores.metrics)
    assert {test.p for test in tests.values()} == {1}
