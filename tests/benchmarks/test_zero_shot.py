from __future__ import annotations

from pathlib import Path

from dcr.benchmarks import zero_shot
from dcr.benchmarks.image_folder import class_folder
from dcr.encoders import Encoder
from tests.benchmarks.folders import write_class_folder


def test_accuracy_and_prompts(encoder: Encoder, tmp_path: Path) -> None:
    classes = {"dark_red": [(99, 9, 9), (9, 99, 9)], "green": [(9, 99, 9)], "pale_blue": [(9, 9, 99)] * 2}
    seen: list[str] = []
    encode = encoder.encode_text
    encoder.encode_text = lambda texts: (seen.extend(texts), encode(texts))[1]  # type: ignore[method-assign, func-returns-value]
    scores = zero_shot.evaluate(encoder, class_folder(write_class_folder(tmp_path, classes)), batch_size=2)
    assert seen == ["a photo of a dark red", "a photo of a green", "a photo of a pale blue"]
    assert scores.details["right"] == [True, False, True, True, True]
    assert (scores.metrics["accuracy"].count, scores.metrics["accuracy"].value) == (4, 80)
    assert zero_shot.compare(scores, scores)["accuracy"].p == 1


def test_equal_prompts_earn_nothing(encoder: Encoder, tmp_path: Path) -> None:
    folder = write_class_folder(tmp_path, {"light_red": [(99, 9, 9)], "dark_red": [(99, 9, 9)]})
    assert zero_shot.evaluate(encoder, class_folder(folder)).metrics["accuracy"].count == 0
