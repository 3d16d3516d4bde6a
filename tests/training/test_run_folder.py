from __future__ import annotations

from pathlib import Path

import pytest

from dcr.config import default_config, parse_config, read_yaml
from dcr.errors import DcrError
from dcr.training.run_folder import KEPT_CHECKPOINTS, RunFolder


def test_new_runs_never_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    roots = [str(RunFolder.claim(default_config(), resume=False).root) for _ in range(3)]
    assert roots == ["runs/dcr-lab-clip", "runs/dcr-lab-clip-2", "runs/dcr-lab-clip-3"]


def test_config_is_kept_and_loadable(tmp_path: Path) -> None:
    config = default_config(output=tmp_path / "run", seed=3)
    run = RunFolder.claim(config, resume=False)
    stored = parse_config(read_yaml(run.config), "stored")
    assert stored.model_copy(update={"output": config.output}) == config


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DcrError, match="file/run"):
        RunFolder.claim(default_config(output=tmp_path / "file" / "run"), resume=False)


def test_only_complete_checkpoints_count_and_old_ones_go(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (5, 20, 100):
        folder = run.checkpoint("stage1", step)
        folder.mkdir(parents=True)
        (folder / "state.json").write_text("{}")
    run.checkpoint("stage1", 200).mkdir()
    run.checkpoint("stage2", 300).mkdir()
    assert run.latest_checkpoint("stage1") == run.checkpoint("stage1", 100)
    assert run.latest_checkpoint("stage2") is None
    run.prune_checkpoints("stage1")
    assert not run.checkpoint("stage1", 5).exists()
    assert KEPT_CHECKPOINTS == 2
    assert run.checkpoint("stage1", 20).exists()


def test_metrics_are_rewound_to_the_step_that_is_repeated(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for stage, step in (("stage1", 1), ("stage1", 2), ("stage2", 1), ("stage2", 2)):
        run.log({"stage": stage, "step": step})
    with run.metrics.open("a") as file:
        file.write('{"stage": "stage2", "st')
    run.rewind_metrics("stage2", 1)
    assert [line.split('"')[3] for line in run.metrics.read_text().splitlines()] == [
        "stage1",
        "stage1",
        "stage2",
    ]


def test_run_that_never_took_a_step_does_not_block_its_folder(tmp_path: Path) -> None:
    RunFolder.claim(default_config(output=tmp_path / "run"), resume=False)
    run = RunFolder.claim(default_config(output=tmp_path / "run", seed=5), resume=False)
    assert read_yaml(run.config)["seed"] == 5
    run.log({"stage": "stage1", "step": 1})
    with pytest.raises(DcrError, match="holds a run already"):
        RunFolder.claim(default_config(output=tmp_path / "run", seed=5), resume=False)
