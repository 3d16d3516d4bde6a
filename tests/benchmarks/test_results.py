from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from dcr.benchmarks.results import (
    Metric,
    Result,
    Scores,
    check_overwrite,
    fingerprint,
    load_result,
    result_path,
    save_result,
    weights_fingerprint,
)
from dcr.errors import DcrError


def a_result(weights: str = "w") -> Result:
    scores = Scores(
        benchmark="zero-shot",
        n=4,
        item="images",
        data="d",
        settings={"template": "{}"},
        metrics={"accuracy": Metric.share(1, 4)},
        details={"right": [True, False, False, False], "cosines": [None, 0.1]},
    )
    return Result(encoder="a/b", weights=weights, dataset="x", scores=scores)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "zero-shot.json"
    save_result(path, a_result())
    assert load_result(path) == a_result()
    assert [item.name for item in path.parent.iterdir()] == ["zero-shot.json"]
    content = json.loads(path.read_text())
    assert content["schema_version"] == 1 and content["dcr_version"]
    assert content["scores"]["metrics"]["accuracy"]["value"] == 25


def test_paths_are_readable_and_distinct(tmp_path: Path) -> None:
    encoder = tmp_path / "run a" / "encoder"
    encoder.mkdir(parents=True)
    assert result_path(Path("results"), str(encoder), "x y/z", "probe") == Path(
        "results/run-a-encoder/x-y-z/probe.json"
    )
    hub = result_path(Path("r"), "openai/clip-vit-large-patch14", "mmvp", "mmvp-vlm")
    assert hub == Path("r/openai-clip-vit-large-patch14/mmvp/mmvp-vlm.json")


def test_a_relative_path_is_named_by_where_it_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run" / "encoder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run" / "encoder")
    assert result_path(Path("r"), ".", "x", "probe") == Path("r/run-encoder/x/probe.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "is not JSON"),
        ("[1]", "is not a result of 'dcr evaluate': it has no schema_version"),
        (
            '{"schema_version": 2}',
            r"has result format 2, and dcr .* reads format 1: evaluate that encoder again",
        ),
        ('{"schema_version": 1}', "is not a valid result: encoder: Field required"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DcrError, match=message):
        load_result(path)


def test_missing_and_changed_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DcrError, match=r"Cannot read the result .*x.json: No such file"):
        load_result(tmp_path / "x.json")
    content = a_result().model_dump(mode="json")
    content["scores"]["metrics"]["accuracy"]["mean"] = 3
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(DcrError, match=r"scores\.metrics\.accuracy\.mean: Extra inputs"):
        load_result(tmp_path / "x.json")


def test_results_of_other_weights_stay(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    check_overwrite(path, "w")
    save_result(path, a_result())
    check_overwrite(path, "w")
    with pytest.raises(
        DcrError, match="holds the result of other weights under the same name: give another --output"
    ):
        check_overwrite(path, "v")


def test_weights_fingerprint_sees_every_value_and_nothing_else() -> None:
    torch.manual_seed(0)
    model, other = (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)) for _ in range(2))
    assert weights_fingerprint(model) != weights_fingerprint(other)
    other.load_state_dict(model.state_dict())
    assert weights_fingerprint(model) == weights_fingerprint(other.eval().requires_grad_(False))
    with torch.no_grad():
        next(other.parameters())[0, 0] += 1e-6
    assert weights_fingerprint(model) != weights_fingerprint(other)


def test_half_precision_of_the_same_values_is_the_same() -> None:
    model = nn.Linear(4, 4).half()
    before = weights_fingerprint(model)
    assert weights_fingerprint(model.float()) == before


def test_fingerprint_keeps_parts_apart() -> None:
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint(["ab", b"c"]) == fingerprint([b"ab", "c"])
