from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dcr.benchmarks.results import load_result
from dcr.cli.evaluate import run
from dcr.errors import DcrError
from tests.benchmarks.folders import write_captioned_folder, write_class_folder, write_pair_folder
from tests.tiny_encoders import tiny_clip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two encoders and a small folder for each layout; not to be written into."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("first", "second")):
        tiny_clip(folder / name, seed=seed)
    write_pair_folder(folder / "pairs", [("a red dot", "a green dot")] * 18)
    write_class_folder(
        folder / "classes", {"red": [(v, 0, 9) for v in range(90, 150, 5)], "sky": [(9, 9, 240)] * 9}
    )
    rows: list = [((20 * i, 90, 9), {"captions": [f"number {i}", f"picture {i}"]}) for i in range(8)]
    write_captioned_folder(folder / "captions" / "test", rows)
    return folder


def evaluate(*words: str | Path) -> None:
    run([str(word) for word in words])


def test_several_benchmarks_in_one_call(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(
        *(data / "first", "--output", tmp_path),
        *("--benchmark", "mmvp-vlm", "--data", data / "pairs", "--name", "mmvp"),
        *("--benchmark", "retrieval", "--data", data / "captions" / "test", "--name", "captions"),
        *("--benchmark", "clustering", "--data", data / "classes", "--name", "colours"),
    )
    paths = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    encoder = f"{data.name}-first"
    assert paths == [
        f"{encoder}/captions/retrieval.json",
        f"{encoder}/colours/clustering.json",
        f"{encoder}/mmvp/mmvp-vlm.json",
    ]
    result = load_result(tmp_path / paths[2])
    assert result.encoder == str(data / "first") and result.dataset == "mmvp" and result.scores.n == 18
    printed = capsys.readouterr().out
    assert "Written to" in printed and "18 pairs" in printed and "Orientation and Direction" in printed


def test_against_another_encoder(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmarks = ["--benchmark", "clustering", "--benchmark", "zero-shot", "--data", data / "classes"]
    evaluate(data / "first", *benchmarks, "--output", tmp_path)
    first = tmp_path / f"{data.name}-first"
    capsys.readouterr()
    evaluate(data / "second", *benchmarks, "--output", tmp_path, "--against", first)
    both = capsys.readouterr().out
    assert both.count("before:") == 1 and "NMI" in both and "accuracy" in both
    file = first / "classes" / "zero-shot.json"
    evaluate(data / "second", *benchmarks[2:], "--output", tmp_path, "--against", file)
    one = capsys.readouterr().out
    assert one.count("before:") == 1 and "NMI" not in one and "accuracy" in one


def test_results_of_other_weights_are_kept_unless_told(data: Path, tmp_path: Path) -> None:
    encoder = tiny_clip(tmp_path / "run" / "encoder", seed=0)
    words = [
        encoder,
        "--benchmark",
        "zero-shot",
        "--data",
        data / "classes",
        "--output",
        tmp_path / "results",
    ]
    evaluate(*words)
    evaluate(*words)
    path = tmp_path / "results" / "run-encoder" / "classes" / "zero-shot.json"
    before = load_result(path).weights
    tiny_clip(encoder, seed=1)
    with pytest.raises(DcrError, match="other weights under the same name"):
        evaluate(*words)
    assert load_result(path).weights == before
    evaluate(*words, "--overwrite")
    assert load_result(path).weights != before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Say what to measure: --benchmark with one of mmvp-vlm, clustering"),
        (["--benchmark", "probe"], "1 times --benchmark need --data once"),
        (["--benchmark", "probe", "--data", "scenes", "--data", "scenes"], "not 2 times"),
        (
            ["--benchmark", "probe", "--data", "scenes", "--name", "a", "--name", "b"],
            "--name is given 2 times",
        ),
        (
            ["--benchmark", "probe", "--benchmark", "probe", "--data", "scenes"],
            "would write .*probe.json: tell",
        ),
        (["--benchmark", "probe", "--data", "scenes", "--batch-size", "0"], "--batch-size is 0"),
        (["--benchmark", "clustering", "--data", "/nowhere"], "There is no folder /nowhere"),
        (
            ["--benchmark", "probe", "--data", "scenes", "--against", "/nowhere.json"],
            "Cannot read the result",
        ),
    ],
)
def test_mistakes_are_named_before_the_encoder_is_loaded(words: list[str], message: str) -> None:
    with pytest.raises(DcrError, match=message):
        evaluate("no/encoder-is-here", *words)


def test_against_must_fit(data: Path, tmp_path: Path) -> None:
    words = [data / "first", "--benchmark", "zero-shot", "--output", tmp_path]
    evaluate(*words, "--data", data / "classes")
    result = tmp_path / f"{data.name}-first" / "classes" / "zero-shot.json"
    clustering = [
        data / "first",
        "--benchmark",
        "clustering",
        "--data",
        data / "classes",
        "--output",
        tmp_path,
    ]
    with pytest.raises(DcrError, match="has no result of the benchmarks that are run"):
        evaluate(*clustering, "--against", result)
    other = write_class_folder(tmp_path / "other", {"red": [(200, 0, 0)], "sky": [(0, 0, 200)]})
    with pytest.raises(DcrError, match="was measured on other data"):
        evaluate(*words, "--data", other, "--against", result)


def test_the_command_starts_light() -> None:
    heavy = "{'torch', 'transformers', 'sklearn', 'scipy', 'rich.table'}"
    code = f"import sys, dcr.cli.evaluate; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
