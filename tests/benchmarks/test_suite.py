from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from rich.console import Console
from rich.table import Table

from dcr.benchmarks import built_in_images
from dcr.benchmarks.features import image_features, text_features
from dcr.benchmarks.image_folder import class_folder
from dcr.benchmarks.patterns import PATTERNS
from dcr.benchmarks.results import Scores
from dcr.benchmarks.suite import compare, evaluate_lab, open_benchmark
from dcr.benchmarks.tables import before_after_table, scores_table
from dcr.encoders import Encoder, load_encoder
from dcr.errors import DcrError
from tests.benchmarks.conftest import StubEncoder
from tests.benchmarks.folders import write_class_folder
from tests.tiny_encoders import tiny_clip


def text_of(table: Table) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Scores], dict[str, Scores]]:
    """Two tiny CLIPs on a small lab."""
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(built_in_images, "SCENE_COUNT", 60)
        patch.setattr(built_in_images, "PAIRS_PER_PATTERN", 3)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        encoders = [load_encoder(tiny_clip(folder / str(seed), seed=seed)) for seed in (0, 1)]
        names = ("mmvp-vlm", "clustering", "zero-shot", "probe")
        before, after = (evaluate_lab(encoder, benchmarks=names) for encoder in encoders)
    return before, after


def test_lab_has_every_benchmark_but_retrieval(lab: tuple[dict[str, Scores], dict[str, Scores]]) -> None:
    before, _ = lab
    assert {name: scores.n for name, scores in before.items()} == {
        "mmvp-vlm": 27,
        "clustering": 60,
        "zero-shot": 60,
        "probe": 60,
    }
    assert all(name == scores.benchmark for name, scores in before.items())


def test_before_after_table(lab: tuple[dict[str, Scores], dict[str, Scores]]) -> None:
    before, after = lab
    text = text_of(before_after_table(before, after))
    for word in ("P-ability", "D-ability", "NMI", "ACC", "ARI", "average", *PATTERNS):
        assert word in text
    old, new = before["mmvp-vlm"].metrics["average"], after["mmvp-vlm"].metrics["average"]
    line = next(line for line in text.splitlines() if line.startswith("average"))
    shown = f"average 27 {old.value:.1f} {new.value:.1f} [{new.low:.1f}, {new.high:.1f}]".split()
    assert line.split()[: len(shown)] == shown
    nmi = next(line for line in text.splitlines() if line.startswith("NMI"))
    assert nmi.split()[2:4] == [f"{100 * one['clustering'].metrics['NMI'].value:.1f}" for one in lab]


def test_scores_table_has_counts_intervals_and_ties(lab: tuple[dict[str, Scores], dict[str, Scores]]) -> None:
    scores = lab[0]["mmvp-vlm"]
    scores = scores.model_copy(update={"details": {**scores.details, "ties": 4}})
    text = text_of(scores_table(scores))
    average = scores.metrics["average"]
    assert f"{average.count}/27" in text and f"[{average.low:.1f}, {average.high:.1f}]" in text
    assert "4 statements had two equal cosines" in text
    assert "±" in text_of(scores_table(lab[0]["clustering"]))


def test_only_like_is_compared_with_like(lab: tuple[dict[str, Scores], dict[str, Scores]]) -> None:
    before, after = lab
    with pytest.raises(DcrError, match=r"differ in their benchmark \(zero-shot and clustering\)"):
        compare(before["zero-shot"], after["clustering"])
    with pytest.raises(
        DcrError, match="Two probe results differ in their data and cannot be compared: evaluate"
    ):
        compare(before["probe"], after["probe"].model_copy(update={"data": "x"}))
    with pytest.raises(
        DcrError, match=r"differ in their settings \(\{'template': 'a photo of a \{\}'\} and \{\}\)"
    ):
        compare(before["zero-shot"], after["zero-shot"].model_copy(update={"settings": {}}))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("clusterin", "digits", "Unknown benchmark 'clusterin'; did you mean 'clustering'"),
        ("retrieval", "scenes", "The benchmark retrieval has no built-in data 'scenes'"),
        ("probe", "digits", "The benchmark probe has no built-in data 'digits'"),
        ("probe", "/tmp", "give --data scenes, not /tmp"),
        ("mmvp-vlm", "/nowhere", "There is no folder /nowhere"),
    ],
)
def test_bad_data_show_without_an_encoder(name: str, data: str, message: str) -> None:
    with pytest.raises(DcrError, match=message):
        open_benchmark(name, data)


def test_batch_size_changes_nothing(encoder: Encoder, tmp_path: Path) -> None:
    folder = write_class_folder(tmp_path, {"red": [(v, 0, 0) for v in range(9)], "blue": [(0, 0, 9)]})
    images = list(class_folder(folder).images)
    one, all_ = (image_features(encoder, images, batch_size=size) for size in (1, 64))
    assert one.shape == (10, 3) and one.equal(all_)
    assert image_features(encoder, iter(images), batch_size=3).equal(all_)


def test_an_encoder_without_text_tower_is_named() -> None:
    class Blind(StubEncoder):
        def encode_text(self, texts: object) -> None:  # type: ignore[override]
            raise NotImplementedError

    with pytest.raises(DcrError, match="stub/encoder has no text tower, and this benchmark needs one"):
        text_features(cast(Encoder, Blind()), ["a photo"])
