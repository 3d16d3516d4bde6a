"""Zero-shot clustering, the D-ability benchmark of DCR: do features fall apart into the classes?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.cluster import KMeans

from dcr.benchmarks.cluster_agreement import METRICS, RANGES, agreement, resampled_agreement
from dcr.benchmarks.features import BATCH_SIZE, image_features, require_finite, unit_length
from dcr.benchmarks.image_folder import LabelledImages
from dcr.benchmarks.results import Metric, Scores
from dcr.benchmarks.statistics import PairedTest, bootstrap_difference, bootstrap_interval, mean_and_std
from dcr.errors import DcrError

if TYPE_CHECKING:
    from dcr.encoders import Encoder

SEEDS = 5
RESTARTS = 10


def evaluate(
    encoder: Encoder, images: LabelledImages, *, batch_size: int = BATCH_SIZE, seed: int = 0
) -> Scores:
    """Clusters L2-normalised condition features with k-means, k = number of classes, under five seeds.

    Args:
        encoder: The encoder.
        images: Images and classes.
        batch_size: Images per forward pass.
        seed: First seed of k-means; the next four follow.

    Returns:
        NMI, ACC and ARI: mean and standard deviation over the seeds, 95 % interval over the images.
        ``details`` keeps ``labels``, ``assignments`` [5][N] and the metrics of each seed.

    Raises:
        DcrError: If a feature is NaN or infinite, or there are fewer images than classes.
    """
    if len(images.labels) < len(images.classes):
        raise DcrError(f"{len(images.labels)} images cannot make {len(images.classes)} clusters: add images.")
    features = image_features(encoder, images.images, batch_size=batch_size, label="clustering")
    require_finite(features, encoder)
    points = unit_length(features).numpy()
    assignments = [
        KMeans(len(images.classes), n_init=RESTARTS, random_state=k_means_seed).fit_predict(points)
        for k_means_seed in range(seed, seed + SEEDS)
    ]
    return score(images, np.array(assignments), seed=seed)


def score(
    images: LabelledImages, assignments: np.ndarray[tuple[int, int], np.dtype[np.int64]], *, seed: int = 0
) -> Scores:
    """Scores clusters that were found already.

    Args:
        images: Images and classes.
        assignments: [S, N] int, the cluster of each image under each seed.
        seed: First seed of k-means, for the record.
    """
    per_seed = np.array([agreement(images.labels, clusters) for clusters in assignments])
    samples = resampled_agreement(images.labels, assignments)
    metrics = {}
    for name, bounds, values, resampled in zip(METRICS, RANGES, per_seed.T, samples.T, strict=True):
        mean, std = mean_and_std(values.tolist())
        low, high = np.clip(bootstrap_interval(resampled, mean), *bounds).tolist()
        metrics[name] = Metric(value=mean, low=low, high=high, std=std)
    return Scores(
        benchmark="clustering",
        n=len(images.labels),
        item="images",
        data=images.data,
        settings={"seed": seed, "seeds": len(assignments), "restarts": RESTARTS},
        metrics=metrics,
        details={
            "classes": images.classes,
            "labels": images.labels,
            "assignments": assignments.tolist(),
            "per_seed": [dict(zip(METRICS, values, strict=True)) for values in per_seed.tolist()],
        },
    )


def compare(before: Scores, after: Scores) -> dict[str, PairedTest]:
    """Tests the difference of two encoders on the same images by a paired bootstrap over images.

    Args:
        before: Scores of the first encoder.
        after: Scores of the second.

    Returns:
        For each metric the interval of the difference and its p-value.
    """
    labels = before.details["labels"]
    gains = resampled_agreement(labels, after.details["assignments"]) - resampled_agreement(
        labels, before.details["assignments"]
    )
    return {
        name: bootstrap_difference(samples, after.metrics[name].value - before.metrics[name].value)
        for name, samples in zip(METRICS, gains.T, strict=True)
    }
