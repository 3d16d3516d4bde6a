from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dcr.benchmarks import mmvp_vlm
from dcr.benchmarks.mmvp_vlm_folder import Pair, read_pairs
from dcr.benchmarks.patterns import PATTERNS
from dcr.encoders import Encoder
from tests.benchmarks.folders import RED, write_pair_folder

RIGHT, SWAPPED, ALWAYS_FIRST, ALWAYS_SECOND = (
    ("red", "green"),
    ("green", "red"),
    ("red", "red"),
    ("green", "green"),
)


def test_135_pairs_with_known_similarity(encoder: Encoder, tmp_path: Path) -> None:
    counts = (2, 5, 5, 4, 1, 11, 7, 3, 7)
    wrong = (SWAPPED, ALWAYS_FIRST, ALWAYS_SECOND)
    said = [RIGHT if place < count else wrong[place % 3] for count in counts for place in range(15)]
    scores = mmvp_vlm.evaluate(encoder, write_pair_folder(tmp_path, said), batch_size=32)

    assert [scores.metrics[name].count for name in PATTERNS] == list(counts)
    assert all(scores.metrics[name].n == 15 for name in PATTERNS)
    average = scores.metrics["average"]
    assert (average.count, average.n, scores.n) == (45, 135, 135)
    assert average.value == pytest.approx(100 / 3)
    assert (average.low, average.high) == pytest.approx((25.9, 41.6), abs=0.06)
    assert scores.details["right"] == [pair == RIGHT for pair in said]
    prediction = {RIGHT: [1, 2], SWAPPED: [2, 1], ALWAYS_FIRST: [1, 1], ALWAYS_SECOND: [2, 2]}
    assert scores.details["predictions"] == [prediction[pair] for pair in said]
    assert scores.details["ids"][-1] == [269, 270]
    assert scores.details["cosines"][0] == pytest.approx([1, 0, 0, 1])
    assert scores.details["ties"] == 0
    assert encoder.training


def test_tie_and_nan_go_to_the_second_image(encoder: Encoder, tmp_path: Path) -> None:
    same = write_pair_folder(tmp_path / "same", [RIGHT] * 9, colours=(RED, RED))
    tied = mmvp_vlm.evaluate(encoder, same)
    assert tied.details["predictions"] == [[2, 2]] * 9
    assert tied.details["ties"] == 18
    assert tied.metrics["average"].count == 0

    broken = mmvp_vlm.evaluate(encoder, write_pair_folder(tmp_path / "nan", [("nan nan nan", "green")] * 9))
    assert broken.details["predictions"] == [[2, 2]] * 9
    assert broken.details["ties"] == 0
    assert broken.details["cosines"][0] == pytest.approx([None, None, 0, 1])


def published_decisions(texts: Tensor, images: Tensor) -> list[list[int]]:
    """The published script, with a softmax, in float64 so that it rounds nothing away."""
    decisions = []
    for pair in range(len(texts) // 2):
        both = images[2 * pair : 2 * pair + 2].double()
        decisions.append([])
        for text in texts[2 * pair : 2 * pair + 2].double():
            probability = torch.softmax(100 * both @ text, dim=0)
            decisions[-1].append(1 if probability[0] > 0.5 else 2)
    return decisions


def test_decisions_are_the_published_softmax() -> None:
    rng = torch.Generator().manual_seed(0)
    texts, images = (torch.nn.functional.normalize(torch.randn(400, 8, generator=rng)) for _ in range(2))
    first = mmvp_vlm.says_first_image(mmvp_vlm.pair_cosines(texts, images))
    assert torch.where(first, 1, 2).tolist() == published_decisions(texts, images)


def test_prefix_reaches_the_text_tower(encoder: Encoder, tmp_path: Path) -> None:
    folder = write_pair_folder(tmp_path, [SWAPPED] * 9)
    seen: list[str] = []
    encode = encoder.encode_text
    encoder.encode_text = lambda texts: (seen.extend(texts), encode(texts))[1]  # type: ignore[method-assign, func-returns-value]
    scores = mmvp_vlm.evaluate(encoder, folder, prefix="an image of ")
    assert seen == ["an image of green", "an image of red"] * 9
    assert scores.settings == {"prefix": "an image of "}


def test_compare_pairs_the_pairs(encoder: Encoder, tmp_path: Path) -> None:
    said = [RIGHT, SWAPPED] * 9
    pairs = read_pairs(write_pair_folder(tmp_path, said))
    after = [Pair(pair.pattern, pair.ids, RIGHT, pair.images) for pair in pairs]
    tests = mmvp_vlm.compare(mmvp_vlm.evaluate_pairs(encoder, pairs), mmvp_vlm.evaluate_pairs(encoder, after))
    assert list(tests) == [*PATTERNS, "average"]
    assert (tests["average"].gained, tests["average"].lost) == (9, 0)  # type: ignore[union-attr]
    assert tests["average"].p == pytest.approx(2 / 2**9)
    assert tests["Texts"].p == 1
