from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dcr.benchmarks import retrieval
from dcr.benchmarks.image_folder import captioned_folder
from dcr.benchmarks.statistics import Difference
from dcr.encoders import Encoder
from tests.benchmarks.folders import Colour, write_captioned_folder


def slow_recall(images: Tensor, texts: Tensor, owners: list[int], k: int) -> tuple[float, float]:
    """Recall by sorting, one query after the other."""
    scores = images @ texts.T
    image_hits = [
        any(owners[text] == image for text in scores[image].argsort(descending=True)[:k].tolist())
        for image in range(len(images))
    ]
    text_hits = [owners[text] in scores[:, text].argsort(descending=True)[:k] for text in range(len(texts))]
    return sum(image_hits) / len(image_hits), sum(text_hits) / len(text_hits)


def random_features(images: int, dimension: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    owners = torch.arange(images).repeat_interleave(torch.randint(1, 5, (images,), generator=rng))
    features = torch.randn(images, dimension, generator=rng)
    texts = features[owners] + torch.randn(len(owners), dimension, generator=rng)
    return features / features.norm(dim=1, keepdim=True), texts / texts.norm(dim=1, keepdim=True), owners


def test_recall_is_that_of_sorting() -> None:
    images, texts, owners = random_features(300, 6)
    to_text = retrieval.image_to_text_ranks(images, texts, owners)
    to_image = retrieval.text_to_image_ranks(images, texts, owners)
    for k in (1, 5, 10):
        expected = slow_recall(images, texts, owners.tolist(), k)
        found = (to_text <= k).float().mean(), (to_image <= k).float().mean()
        assert found == pytest.approx(expected)


def test_a_collapsed_encoder_finds_nothing() -> None:
    _, _, owners = random_features(20, 3)
    worst = {1.0: (len(owners) - owners.bincount() + 1).tolist(), float("nan"): [len(owners)] * 20}
    for value, expected in worst.items():
        images, texts = torch.full((20, 3), value), torch.full((len(owners), 3), value)
        assert retrieval.image_to_text_ranks(images, texts, owners).tolist() == expected
        assert retrieval.text_to_image_ranks(images, texts, owners).tolist() == [20] * len(owners)


COLOURS: list[Colour] = [(240, 20 * i, 120 + 3 * i) for i in range(12)]


def test_folder_with_several_captions(encoder: Encoder, tmp_path: Path) -> None:
    exact = [" ".join(str(value) for value in colour) for colour in COLOURS]
    rows: list[tuple[Colour, dict[str, object]]] = [
        (colour, {"captions": [text, "blue"]}) for colour, text in zip(COLOURS, exact, strict=True)
    ]
    rows[0] = (COLOURS[0], {"caption": exact[0]})
    rows[1] = (COLOURS[1], {"text": exact[1]})
    scores = retrieval.evaluate(
        encoder, captioned_folder(write_captioned_folder(tmp_path, rows)), batch_size=5
    )
    assert [scores.metrics[f"image to text R@{k}"].value for k in (1, 5, 10)] == [100, 100, 100]
    metric = scores.metrics["text to image R@1"]
    assert (metric.count, metric.n) == (12 + 1, 22)
    assert scores.details["owners"] == [0, 1, *(image for image in range(2, 12) for _ in range(2))]
    assert len(scores.details["ranks"]["text to image"]) == 22


def test_compare(encoder: Encoder, tmp_path: Path) -> None:
    exact = [{"caption": " ".join(str(value) for value in colour)} for colour in COLOURS]
    swapped = [exact[1], exact[0], *exact[2:]]
    good, poor = (
        retrieval.evaluate(
            encoder,
            captioned_folder(
                write_captioned_folder(tmp_path / name, list(zip(COLOURS, captions, strict=True)))
            ),
        )
        for name, captions in (("good", exact), ("poor", swapped))
    )
    test = retrieval.compare(poor, good)["text to image R@1"]
    assert isinstance(test, Difference)
    assert test.low <= 100 * 2 / 12 <= test.high
    assert retrieval.compare(good, good)["image to text R@5"].p == 1
