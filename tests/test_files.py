from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from dcr.errors import DcrError
from dcr.files import atomic_folder, write_error, write_json, write_tensors


def test_folder_appears_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "a" / "model"
    with atomic_folder(target) as partial:
        (partial / "weights").write_text("x")
        assert not target.exists()
    assert (target / "weights").read_text() == "x"
    assert [path.name for path in target.parent.iterdir()] == ["model"]


def test_failure_keeps_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with atomic_folder(target) as partial:
        (partial / "weights").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(target) as partial:
        (partial / "weights").write_text("new")
        raise RuntimeError
    assert (target / "weights").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DcrError, match="No space left on the disk"), atomic_folder(tmp_path / "model"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_json_is_written_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"b": 1, "a": [2]})
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"b": 1, "a": [2]}
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_json_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DcrError, match=r"file/a\.json"):
        write_json(tmp_path / "file" / "a.json", {})


def test_full_disk_is_named_by_safetensors_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(DcrError, match="No space left on the disk"):
        write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(2)})
    assert not list(tmp_path.iterdir())


def test_tensors_come_back(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a.safetensors", {"a": torch.arange(6).view(2, 3).T})
    assert torch.equal(load_file(tmp_path / "a.safetensors")["a"], torch.arange(6).view(2, 3).T)


def test_other_write_errors_keep_their_reason() -> None:
    assert "Permission denied" in str(
        write_error(Path("x"), PermissionError(errno.EACCES, "Permission denied"))
    )
