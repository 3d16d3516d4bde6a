from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, confusion_matrix, normalized_mutual_info_score

from dcr.benchmarks import clustering
from dcr.benchmarks.cluster_agreement import agreement, resampled_agreement
from dcr.benchmarks.image_folder import LabelledImages, class_folder
from dcr.benchmarks.statistics import Difference, bootstrap_difference, bootstrap_weights
from dcr.encoders import Encoder
from dcr.errors import DcrError
from tests.benchmarks.folders import write_class_folder


def slow_agreement(labels: np.ndarray, clusters: np.ndarray) -> list[float]:
    matrix = confusion_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(-matrix)
    return [
        normalized_mutual_info_score(labels, clusters),
        matrix[rows, columns].sum() / len(labels),
        adjusted_rand_score(labels, clusters),
    ]


def noisy(labels: np.ndarray, classes: int, noise: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(labels)) < noise, rng.integers(classes, size=len(labels)), labels)


@pytest.mark.parametrize(
    ("classes", "clusters", "noise"), [(2, 2, 0.1), (10, 10, 0.5), (7, 3, 1.0), (3, 12, 0.9)]
)
def test_agreement_is_sklearns_and_scipys(classes: int, clusters: int, noise: float) -> None:
    labels = np.random.default_rng(0).integers(classes, size=300)
    found = noisy(labels % clusters, clusters, noise, seed=1)
    assert agreement(labels, found) == pytest.approx(slow_agreement(labels, found), abs=1e-12)


def test_resamples_are_those_of_repeated_images() -> None:
    labels = np.random.default_rng(0).integers(4, size=50)
    assignments = np.stack([noisy(labels, 4, 0.5, seed) for seed in (1, 2)])
    drawn = [np.repeat(np.arange(50), weights) for weights in bootstrap_weights(50, resamples=6)]
    expected = [np.mean([slow_agreement(labels[d], a[d]) for a in assignments], axis=0) for d in drawn]
    assert resampled_agreement(labels, assignments, resamples=6) == pytest.approx(np.array(expected))


def test_renamed_clusters_are_perfect() -> None:
    labels = np.arange(60) % 5
    assert agreement(labels, np.array([3, 0, 4, 1, 2])[labels]) == pytest.approx([1, 1, 1])


def test_one_cluster_for_all_tells_nothing() -> None:
    labels = np.arange(60) % 5
    assert agreement(labels, np.zeros(60, dtype=int)) == pytest.approx([0, 0.2, 0])


def test_bootstrap_takes_seconds() -> None:
    labels = np.random.default_rng(0).integers(10, size=2000)
    assignments = np.stack([noisy(labels, 10, 0.4, seed) for seed in range(5)])
    start = time.perf_counter()
    resampled_agreement(labels, assignments)
    assert time.perf_counter() - start < 5


def images_of(labels: np.ndarray) -> LabelledImages:
    return LabelledImages([], labels.tolist(), [str(label) for label in range(labels.max() + 1)], "data")


def test_interval_covers_the_value_though_resampling_lifts_it() -> None:
    labels = np.arange(90) % 30
    scores = clustering.score(
        images_of(labels), np.stack([noisy(labels, 30, 0.5, seed) for seed in range(5)])
    )
    for metric in scores.metrics.values():
        assert metric.low is not None and metric.high is not None
        assert metric.low < metric.value < metric.high


def test_compare_sees_a_real_difference() -> None:
    labels = np.random.default_rng(0).integers(10, size=300)
    images = images_of(labels)
    poor, good = (
        clustering.score(images, np.stack([noisy(labels, 10, noise, seed) for seed in seeds]))
        for noise, seeds in ((0.5, (0, 1)), (0.3, (2, 3)))
    )
    for name, test in clustering.compare(poor, good).items():
        assert isinstance(test, Difference) and test.p < 0.01
        assert test.low < good.metrics[name].value - poor.metrics[name].value < test.high
        assert test.low > 0
    assert all(test.p == 1 for test in clustering.compare(poor, poor).values())


def test_equally_good_encoders_rarely_differ() -> None:
    labels = np.random.default_rng(0).integers(8, size=400)
    found = [np.stack([noisy(labels, 8, 0.5, seed)]) for seed in range(40)]
    resampled = [resampled_agreement(labels, clusters, resamples=60) for clusters in found]
    values = [agreement(labels, clusters[0]) for clusters in found]
    p = [
        bootstrap_difference(
            (resampled[i + 1] - resampled[i])[:, metric], (values[i + 1] - values[i])[metric]
        ).p
        for i in range(0, 40, 2)
        for metric in range(3)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.12
    assert np.mean(p) == pytest.approx(0.5, abs=0.1)


def test_intervals_stay_in_range() -> None:
    labels = np.arange(20) % 2
    perfect, random = (
        clustering.score(images_of(labels), np.stack([clusters])).metrics
        for clusters in (labels, np.arange(20) // 10)
    )
    assert all(metric.low == metric.high == metric.value == 1 for metric in perfect.values())
    assert random["NMI"].value == 0 == random["NMI"].low


def test_colours_fall_apart(encoder: Encoder, tmp_path: Path) -> None:
    shades = range(100, 220, 10)
    folder = write_class_folder(
        tmp_path,
        {
            "red": [(v, 0, 9) for v in shades],
            "green": [(9, v, 0) for v in shades],
            "blue": [(0, 9, v) for v in shades],
        },
    )
    scores = clustering.evaluate(encoder, class_folder(folder), batch_size=5)
    assert {name: metric.value for name, metric in scores.metrics.items()} == pytest.approx(
        {"NMI": 1, "ACC": 1, "ARI": 1}
    )
    assert [metric.std for metric in scores.metrics.values()] == [0, 0, 0]
    assert np.array(scores.details["assignments"]).shape == (5, 36)
    assert encoder.training


def test_broken_weights_are_named(encoder: Encoder, tmp_path: Path) -> None:
    folder = write_class_folder(tmp_path, {"red": [(9, 0, 0)], "green": [(0, 9, 0)]})
    for parameter in encoder.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(DcrError, match="stub/encoder gives NaN or infinity for 2 of 2 images"):
        clustering.evaluate(encoder, class_folder(folder))
