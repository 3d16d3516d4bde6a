"""How sure a number is, and whether two encoders that saw the same items really differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
RESAMPLES = 500


@dataclass(frozen=True)
class McNemar:
    """Exact McNemar test of two encoders on the same items.

    Attributes:
        gained: Items that only the second encoder gets right.
        lost: Items that only the first encoder gets right.
        p: Two-sided p-value.
    """

    gained: int
    lost: int
    p: float


@dataclass(frozen=True)
class Difference:
    """Second encoder minus first, from a paired bootstrap, in the unit of what is compared.

    Attributes:
        low: Lower end of the 95 % interval.
        high: Upper end.
        p: Two-sided p-value, at least 2 / (resamples + 1).
    """

    low: float
    high: float
    p: float


PairedTest = McNemar | Difference


def percent(count: int, n: int) -> float:
    """Returns ``count`` of ``n`` in percent, in [0, 100]."""
    return 100 * count / n


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Returns mean and sample standard deviation (n - 1; 0 for a single value)."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def wilson_interval(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Computes the Wilson score interval of a proportion (Wilson 1927).

    Args:
        successes: Number of successes, in [0, n].
        n: Number of independent trials, at least 1.
        confidence: Coverage, in (0, 1).

    Returns:
        Lower and upper end, in [0, 1].
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    # At the borders the exact ends are 0 and 1; rounding must not step over them.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def mcnemar(before: ArrayLike, after: ArrayLike) -> McNemar:
    """Tests whether two encoders get different shares of the same items right, exactly.

    Args:
        before: [N] bool, whether the first encoder is right on each item.
        after: [N] bool, the second encoder, items in the same order.
    """
    from scipy.stats import binomtest

    first, second = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    gained, lost = int((~first & second).sum()), int((first & ~second).sum())
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return McNemar(gained, lost, p)


def bootstrap_weights(n: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yields how often each item is drawn, one resample after the other.

    The draws depend on the arguments only, so two encoders measured with the same ones are paired.

    Args:
        n: Number of items N.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Yields:
        [N] int64, summing to N.
    """
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(n, size=n), minlength=n)


def bootstrap_interval(samples: NDArray[np.float64], value: float) -> tuple[float, float]:
    """Returns the 95 % interval of a value from its bootstrap samples.

    A resample holds some items several times, which lifts clustering metrics of small classes. That shift
    is no news about the value, so the samples are centred on it before the percentiles are taken.

    Args:
        samples: [R], the value on every resample.
        value: The value on all items, each once.
    """
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(samples - samples.mean() + value, [tail, 100 - tail])
    return float(low), float(high)


def bootstrap_difference(samples: NDArray[np.float64], value: float) -> Difference:
    """Turns bootstrap samples of a difference into its interval and p-value, centred as the interval is.

    Args:
        samples: [R], the difference on every resample.
        value: The difference on all items, each once.
    """
    centred = samples - samples.mean() + value
    tail = min((centred <= 0).sum(), (centred >= 0).sum())
    return Difference(
        *bootstrap_interval(samples, value), p=min(1.0, 2 * (float(tail) + 1) / (len(samples) + 1))
    )


def paired_bootstrap(before: ArrayLike, after: ArrayLike, unit: ArrayLike) -> Difference:
    """Compares two means over the same queries, several of which may belong to one image.

    Captions of one image succeed and fail together, so images are resampled and not captions.

    Args:
        before: [Q], the first encoder's outcome of every query.
        after: [Q], the second encoder's.
        unit: [Q] int, the image that each query belongs to, in [0, N).
    """
    gain = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    units = np.asarray(unit)
    samples = np.array(
        [np.average(gain, weights=weights[units]) for weights in bootstrap_weights(units.max() + 1)]
    )
    return bootstrap_difference(samples, float(gain.mean()))
