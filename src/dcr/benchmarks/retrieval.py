"""Image-text retrieval: recall at 1, 5 and 10 in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dcr.benchmarks.features import BATCH_SIZE, image_features, rank_of, text_features, unit_length
from dcr.benchmarks.image_folder import CaptionedImages
from dcr.benchmarks.results import Metric, Scores
from dcr.benchmarks.statistics import PairedTest, paired_bootstrap

if TYPE_CHECKING:
    from dcr.encoders import Encoder

RECALL_AT = (1, 5, 10)
_CHUNK = 256


def evaluate(encoder: Encoder, images: CaptionedImages, *, batch_size: int = BATCH_SIZE) -> Scores:
    """Ranks every caption for each image, and every image for each caption.

    Args:
        encoder: The encoder, with its text tower.
        images: Images with one or more captions each.
        batch_size: Images per forward pass.

    Returns:
        Six recalls in percent. An image's query succeeds if any of its captions is among the first k; every
        caption is a query of its own. The intervals take queries as independent, which captions of one image
        are not; :func:`compare` does not. ``details`` keeps the rank of every query, 1 for the best.

    Raises:
        DcrError: If the encoder has no text tower.
    """
    owners = torch.tensor([image for image, captions in enumerate(images.captions) for _ in captions])
    captions = [caption for captions in images.captions for caption in captions]
    texts = unit_length(text_features(encoder, captions, batch_size=batch_size))
    features = unit_length(image_features(encoder, images.images, batch_size=batch_size, label="retrieval"))
    ranks = {
        "image to text": image_to_text_ranks(features, texts, owners),
        "text to image": text_to_image_ranks(features, texts, owners),
    }
    metrics = {
        f"{direction} R@{k}": Metric.share(int((values <= k).sum()), len(values))
        for direction, values in ranks.items()
        for k in RECALL_AT
    }
    return Scores(
        benchmark="retrieval",
        n=len(features),
        item="images",
        data=images.data,
        settings={"prompt": ""},
        metrics=metrics,
        details={
            "owners": owners.tolist(),
            "ranks": {name: values.tolist() for name, values in ranks.items()},
        },
    )


def image_to_text_ranks(images: Tensor, texts: Tensor, owners: Tensor) -> Tensor:
    """Ranks each image's best caption among all captions of other images.

    Args:
        images: [N, d] unit-length features.
        texts: [C, d] unit-length features.
        owners: [C] int64, the image of each caption.

    Returns:
        [N] int64, 1 for the best; ties and NaN count against the image.
    """
    ranks = []
    for start in range(0, len(images), _CHUNK):
        scores = images[start : start + _CHUNK] @ texts.T
        own = owners[None] == torch.arange(start, start + len(scores))[:, None]
        best = scores.masked_fill(~own, -torch.inf).max(dim=1)
        others = scores.masked_fill(own, -torch.inf).scatter(1, best.indices[:, None], best.values[:, None])
        ranks.append(rank_of(others, best.indices))
    return torch.cat(ranks)


def text_to_image_ranks(images: Tensor, texts: Tensor, owners: Tensor) -> Tensor:
    """Ranks each caption's image among all images.

    Args:
        images: [N, d] unit-length features.
        texts: [C, d] unit-length features.
        owners: [C] int64, the image of each caption.

    Returns:
        [C] int64, 1 for the best; ties and NaN count against the caption.
    """
    chunks = (slice(start, start + _CHUNK) for start in range(0, len(texts), _CHUNK))
    return torch.cat([rank_of(texts[chunk] @ images.T, owners[chunk]) for chunk in chunks])


def compare(before: Scores, after: Scores) -> dict[str, PairedTest]:
    """Tests the difference of two encoders by a paired bootstrap over images, for each recall in percent."""
    owners = before.details["owners"]
    tests: dict[str, PairedTest] = {}
    for direction, unit in (("image to text", range(before.n)), ("text to image", owners)):
        old, new = (np.array(scores.details["ranks"][direction]) for scores in (before, after))
        for k in RECALL_AT:
            tests[f"{direction} R@{k}"] = paired_bootstrap(100 * (old <= k), 100 * (new <= k), list(unit))
    return tests
