from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from dcr.cli import main
from dcr.cli.enhance import parse
from dcr.config import default_config
from dcr.errors import DcrError

QUICK = ["--stage1.steps", "2", "--stage2.steps", "2", "--batch-size", "4", "--workers", "0"]


def sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Runs a command that must fail with status 2 and returns what it says."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_flags_win_over_config_over_preset(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("seed: 3\nstage1: {steps: 5}\nbatch_size: 4\n")
    config, resume = parse(["--config", str(path), "--batch-size", "8", "--stage2.steps", "7"])
    assert (config.seed, config.stage1.steps, config.batch_size, config.stage2.steps) == (3, 5, 8, 7)
    assert config.stage1.objective == default_config().stage1.objective
    assert not resume


def test_generator_decides_the_scale() -> None:
    config, _ = parse(["--generator", "some/stable-diffusion", "--rows", "2"])
    assert (config.stage2.steps, config.rows) == (4600, 2)


def test_config_of_a_run_is_reusable(tmp_path: Path) -> None:
    config, _ = parse(["--seed", "4"])
    from dcr.config import write_yaml

    (tmp_path / "config.yaml").write_text(write_yaml(config))
    assert parse(["--config", str(tmp_path / "config.yaml")])[0] == config


def test_lab_run_ends_with_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "run"
    main(["enhance", "--output", str(output), *QUICK])
    printed = capsys.readouterr().out
    for word in ("Orientation", "average", "2700", "NMI", "ACC", "ARI", str(output)):
        assert word in printed
    results = json.loads((output / "results.json").read_text())
    assert set(results) == {"before", "after"}
    assert len(results["after"]["mmvp-vlm"]["details"]["right"]) == 2700
    assert yaml.safe_load((output / "config.yaml").read_text())["stage1"]["steps"] == 2
    again = output / "encoder" / "model.safetensors"
    written = again.stat().st_mtime_ns
    main(["enhance", "--output", str(output), "--resume"])
    assert again.stat().st_mtime_ns == written
    assert "average" in capsys.readouterr().out


def test_sigterm_saves_and_resume_finishes(tmp_path: Path) -> None:
    output = tmp_path / "run"
    command = [sys.executable, "-m", "dcr", "enhance", "--output", str(output), "--stage1.steps", "400"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (output / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
    assert "everything is saved" in said
    assert "Traceback" not in said
    assert list((output / "checkpoints").glob("stage1-*/state.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "1"], "no negatives"),
        (["--method", "dcrr"], "did you mean 'dcr'"),
        (["--encoder", "lab-clap"], "did you mean 'lab-clip'"),
        (["--generator", "./missing"], "./missing does not exist"),
        (["--data", "./missing"], "./missing"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--resume"], "--resume needs --output"),
        (["--stage1.stepz", "3"], "--stage1.steps"),
        (["--batch-size", "many"], "batch-size"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in sentence(["enhance", *arguments], capsys)


def test_changed_config_on_resume_names_the_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(default_config().model_dump(mode="json", exclude={"output"}))
    )
    said = sentence(
        ["enhance", "--output", str(tmp_path), "--resume", "--seed", "9", "--batch-size", "4"], capsys
    )
    assert "(seed, batch_size)" in said


def test_resume_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DcrError, match="holds no run"):
        parse(["--resume", "--output", str(tmp_path)])
