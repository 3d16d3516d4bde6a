"""Linear probe of the lab's scenes: which details can be read off a frozen feature?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dcr.benchmarks.built_in_images import benchmark_scenes
from dcr.benchmarks.features import BATCH_SIZE, image_features, require_finite
from dcr.benchmarks.results import Metric, Scores, fingerprint
from dcr.benchmarks.statistics import PairedTest, mcnemar, paired_bootstrap

if TYPE_CHECKING:
    from dcr.encoders import Encoder

MEAN = "mean"
_ITERATIONS = 1000


def evaluate(encoder: Encoder, *, batch_size: int = BATCH_SIZE) -> Scores:
    """Fits one logistic regression per attribute on 2,000 scenes and tests it on 2,000 others.

    Args:
        encoder: The encoder.
        batch_size: Images per forward pass.

    Returns:
        Accuracy in percent for each attribute of a scene, and their mean. ``details`` keeps ``right``: for
        each attribute one truth value per test scene.

    Raises:
        DcrError: If a feature is NaN or infinite.
    """
    from dcr.lab.scenes import ATTRIBUTES

    features, scenes = {}, {}
    for split in ("train", "test"):
        images, scenes[split] = benchmark_scenes(split)
        encoded = image_features(encoder, images, batch_size=batch_size, label=f"probe, {split}")
        require_finite(encoded, encoder)
        features[split] = encoded.numpy()
    right: dict[str, NDArray[np.bool_]] = {}
    for attribute in ATTRIBUTES:
        train, test = ([getattr(scene, attribute) for scene in scenes[split]] for split in ("train", "test"))
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS))
        right[attribute] = probe.fit(features["train"], train).predict(features["test"]) == np.array(test)
    metrics = {name: Metric.share(int(hits.sum()), len(hits)) for name, hits in right.items()}
    metrics[MEAN] = Metric(value=float(np.mean([metric.value for metric in metrics.values()])), unit="%")
    return Scores(
        benchmark="probe",
        n=len(scenes["test"]),
        item="scenes",
        data=fingerprint(repr(scene) for split in ("train", "test") for scene in scenes[split]),
        settings={"iterations": _ITERATIONS},
        metrics=metrics,
        details={"right": {name: hits.tolist() for name, hits in right.items()}},
    )


def compare(before: Scores, after: Scores) -> dict[str, PairedTest]:
    """Tests two encoders: exact McNemar for each attribute, a paired bootstrap over scenes for the mean."""
    old, new = before.details["right"], after.details["right"]
    tests: dict[str, PairedTest] = {name: mcnemar(old[name], new[name]) for name in old}
    before_rate, after_rate = (100 * np.mean(list(right.values()), axis=0) for right in (old, new))
    tests[MEAN] = paired_bootstrap(before_rate, after_rate, range(before.n))
    return tests
