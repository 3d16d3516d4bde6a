from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from dcr.benchmarks.statistics import (
    bootstrap_difference,
    bootstrap_interval,
    bootstrap_weights,
    mcnemar,
    mean_and_std,
    paired_bootstrap,
    percent,
    wilson_interval,
)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_is_scipys(count_and_n: tuple[int, int], confidence: float) -> None:
    count, n = count_and_n
    expected = binomtest(count, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(count, n, confidence) == pytest.approx(tuple(expected), abs=1e-12)


def test_wilson_of_the_published_averages() -> None:
    for count, low, high in ((26, 13.5, 26.7), (35, 19.3, 33.9), (43, 24.6, 40.1), (45, 25.9, 41.6)):
        assert [100 * end for end in wilson_interval(count, 135)] == pytest.approx([low, high], abs=0.06)


def test_percent_gives_the_published_table() -> None:
    rows = {"13.3 13.3 20.0 20.0 13.3 53.3 20.0 6.7 13.3": "2 2 3 3 2 8 3 1 2"}
    rows["13.3 33.3 33.3 26.7 6.7 73.3 46.7 20.0 46.7"] = "2 5 5 4 1 11 7 3 7"
    for printed, counts in rows.items():
        assert " ".join(f"{percent(int(count), 15):.1f}" for count in counts.split()) == printed
    assert [f"{percent(count, 135):.1f}" for count in (26, 35, 43, 44, 45)] == [
        "19.3",
        "25.9",
        "31.9",
        "32.6",
        "33.3",
    ]


def test_mcnemar_by_hand() -> None:
    before = [True, True, False, False, False, False, True]
    after = [True, False, True, True, True, True, True]
    test = mcnemar(before, after)
    assert (test.gained, test.lost) == (4, 1)
    assert test.p == pytest.approx(2 * (1 + 5) / 2**5)
    assert mcnemar(after, before).p == pytest.approx(test.p)
    assert mcnemar(before, before).p == 1


def test_mean_and_std() -> None:
    assert mean_and_std([1, 2, 4]) == pytest.approx((7 / 3, np.std([1, 2, 4], ddof=1)))
    assert mean_and_std([3]) == (3, 0)


def test_resamples_are_paired_and_draw_n_of_n() -> None:
    first, second = (list(bootstrap_weights(30, resamples=5)) for _ in range(2))
    assert np.array_equal(first, second)
    assert all(weights.sum() == 30 for weights in first)
    assert not np.array_equal(first[0], first[1])


def test_interval_is_centred_on_the_value() -> None:
    samples = np.random.default_rng(0).normal(7, 2, size=100_000)
    assert bootstrap_interval(samples, 1) == pytest.approx((1 - 1.96 * 2, 1 + 1.96 * 2), abs=0.05)


def test_p_value_agrees_with_the_interval() -> None:
    samples = np.random.default_rng(0).normal(size=2000)
    for value in (-3.0, -1.0, 0.0, 1.5, 2.5):
        difference = bootstrap_difference(samples, value)
        assert (difference.p < 0.05) == (difference.low > 0 or difference.high < 0)
    assert bootstrap_difference(samples, 10.0).p == pytest.approx(2 / 2001)
    assert bootstrap_difference(np.zeros(20), 0.0).p == 1


def test_paired_bootstrap_has_the_known_standard_error() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(2, 400)) + np.array([[0], [0.05]])
    difference = paired_bootstrap(before, after, range(400))
    error = np.std(after - before) / 20
    assert (difference.high - difference.low) / (2 * 1.96) == pytest.approx(error, rel=0.1)
    assert (difference.high + difference.low) / 2 == pytest.approx(np.mean(after - before), abs=error / 4)


def test_captions_of_one_image_count_as_one_unit() -> None:
    gains = np.random.default_rng(0).integers(-1, 2, size=60)
    alone = paired_bootstrap(np.zeros(60), gains, range(60))
    repeated = paired_bootstrap(np.zeros(300), gains.repeat(5), np.arange(60).repeat(5))
    assert (repeated.low, repeated.high, repeated.p) == pytest.approx((alone.low, alone.high, alone.p))
