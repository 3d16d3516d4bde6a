"""Zero-shot classification: is an image nearer to the name of its class than to every other?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dcr.benchmarks.features import BATCH_SIZE, image_features, rank_of, text_features, unit_length
from dcr.benchmarks.image_folder import LabelledImages
from dcr.benchmarks.results import Metric, Scores
from dcr.benchmarks.statistics import PairedTest, mcnemar

if TYPE_CHECKING:
    from dcr.encoders import Encoder

TEMPLATE = "a photo of a {}"


def evaluate(encoder: Encoder, images: LabelledImages, *, batch_size: int = BATCH_SIZE) -> Scores:
    """Classifies images by their cosine to one prompt per class.

    Args:
        encoder: The encoder, with its text tower.
        images: Images and classes.
        batch_size: Images per forward pass.

    Returns:
        ``accuracy`` in percent; a tie with another class counts as wrong. ``details`` keeps ``right``, one
        truth value per image.

    Raises:
        DcrError: If the encoder has no text tower.
    """
    prompts = [TEMPLATE.format(name.replace("_", " ")) for name in images.classes]
    texts = unit_length(text_features(encoder, prompts))
    features = unit_length(image_features(encoder, images.images, batch_size=batch_size, label="zero-shot"))
    right = rank_of(features @ texts.T, torch.tensor(images.labels)) == 1
    return Scores(
        benchmark="zero-shot",
        n=len(right),
        item="images",
        data=images.data,
        settings={"template": TEMPLATE},
        metrics={"accuracy": Metric.share(int(right.sum()), len(right))},
        details={"classes": images.classes, "labels": images.labels, "right": right.tolist()},
    )


def compare(before: Scores, after: Scores) -> dict[str, PairedTest]:
    """Tests the difference of two encoders on the same images (exact McNemar)."""
    return {"accuracy": mcnemar(before.details["right"], after.details["right"])}
