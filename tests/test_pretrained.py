from __future__ import annotations

from pathlib import Path

import pytest

from dcr import pretrained
from dcr.errors import DcrError
from dcr.pretrained import is_hub_id, locate, one_line


@pytest.mark.parametrize(
    ("source", "expected"),
    [("openai/clip", True), ("./openai/clip", False), ("clip", False), ("a/b/c", False), ("/a/b", False)],
)
def test_hub_ids_have_one_slash(source: str, expected: bool) -> None:
    assert is_hub_id(source) is expected


def test_local_folder_wins_over_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openai" / "clip").mkdir(parents=True)
    assert not is_hub_id("openai/clip")
    assert locate("openai/clip", what="an encoder", files=[]) == Path("openai/clip")


def test_unreachable_hub_says_to_give_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no route to host\n" + "x" * 900)

    monkeypatch.setattr(pretrained, "snapshot_download", unreachable)
    with pytest.raises(DcrError, match=r"no route to host .*give a local folder") as error:
        locate("openai/clip", what="an encoder", files=["config.json"])
    assert len(str(error.value)) < 400


def test_errors_without_a_text_are_named_by_their_type() -> None:
    assert one_line(ValueError()) == "ValueError"
