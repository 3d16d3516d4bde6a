from __future__ import annotations

import pytest

from dcr import __version__
from dcr.cli import main


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    printed = capsys.readouterr().out
    assert all(command in printed for command in ("enhance", "evaluate", "lab"))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"dcr {__version__}\n"


def test_unknown_command_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["enhence"])
    assert stop.value.code == 2
    assert "did you mean 'enhance'" in capsys.readouterr().err
