from __future__ import annotations

from pathlib import Path

import pytest

from dcr.benchmarks.image_folder import ImageFiles, captioned_folder, class_folder
from dcr.errors import DcrError
from tests.benchmarks.folders import RED, picture, write_class_folder


def test_class_folder(tmp_path: Path) -> None:
    write_class_folder(tmp_path, {"sea_horse": [RED, RED], "ant": [RED]})
    picture(tmp_path / "ant" / "deeper" / "b.JPG", RED)
    picture(tmp_path / ".cache" / "c.png", RED)
    (tmp_path / "ant" / "notes.txt").write_text("x")
    (tmp_path / "README").write_text("x")
    images = class_folder(tmp_path)
    assert (images.classes, images.labels) == (["ant", "sea_horse"], [0, 0, 1, 1])
    assert len(images.images) == 4 and images.images[1].size == (6, 5)


def test_fingerprint_follows_the_content_not_the_place(tmp_path: Path) -> None:
    first, second, other = (
        class_folder(write_class_folder(tmp_path / name, {"a": [RED], "b": [RED] * count})).data
        for name, count in (("x", 2), ("y", 2), ("z", 3))
    )
    assert first == second != other


def test_bad_class_folders(tmp_path: Path) -> None:
    with pytest.raises(DcrError, match=r"There is no folder .*/nowhere"):
        class_folder(tmp_path / "nowhere")
    with pytest.raises(DcrError, match="at least two; it has nothing"):
        class_folder(tmp_path)
    write_class_folder(tmp_path, {"a": [RED], "b": [RED]})
    (tmp_path / "c").mkdir()
    with pytest.raises(DcrError, match=r"The class folder .*/c has no images"):
        class_folder(tmp_path)


def test_broken_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff not an image")
    with pytest.raises(DcrError, match=r"broken.jpg cannot be read as an image"):
        ImageFiles([path])[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "metadata.jsonl, line 2 is not JSON"),
        ('["x.png"]', "line 2 has no file_name"),
        ('{"file_name": "x.png"}', "line 2 has no captions: give 'captions'"),
        ('{"file_name": "x.png", "captions": []}', "line 2 has no captions"),
        ('{"file_name": "x.png", "captions": [3]}', "line 2 has no captions"),
        ('{"file_name": "y.png", "text": "t"}', "line 2 names the image .*y.png, which does not exist"),
    ],
)
def test_bad_metadata(tmp_path: Path, line: str, message: str) -> None:
    picture(tmp_path / "x.png", RED)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "x.png", "text": "\\u2028"}\n' + line)
    with pytest.raises(DcrError, match=message):
        captioned_folder(tmp_path)


def test_missing_or_empty_metadata(tmp_path: Path) -> None:
    picture(tmp_path / "x.png", RED)
    with pytest.raises(DcrError, match=r"needs a metadata.jsonl with file_name and captions; it has x.png"):
        captioned_folder(tmp_path)
    (tmp_path / "metadata.jsonl").write_text("\n")
    with pytest.raises(DcrError, match=r"metadata.jsonl is empty"):
        captioned_folder(tmp_path)
