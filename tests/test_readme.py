from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str, section: str) -> list[str]:
    text = README.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)\n```", text, flags=re.DOTALL)


def test_start_is_two_lines() -> None:
    install_and_run, install_and_test = blocks("bash", "Start")
    assert install_and_run == "pip install . && dcr enhance"
    assert install_and_test.endswith("pytest")
    assert "\n" not in install_and_test


def test_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks("python", "From Python")
    assert len(example.splitlines()) < 20
    short = 'seed=1, batch_size=2, stage1={"steps": 1}, stage2={"steps": 1}'
    assert "seed=1" in example
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace("seed=1", short), "README.md", "exec"), {})
    assert "McNemar" in capsys.readouterr().out
    assert (tmp_path / "runs" / "python" / "encoder" / "model.safetensors").exists()
