from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from dcr.data.decode import Unreadable
from tests.data.pictures import GARBAGE, colour, encoded, picture, write_tar, write_tars
from tests.data.reading import colours, opened, refusal


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_a_tar_sample_is_what_webdataset_takes_for_one(tmp_path: Path, kind: int) -> None:
    long = "x" * 60 + "/" + "y" * 60
    members = {
        "README": b"text",
        "./a.txt": b"text",
        "./a.jpg": encoded(picture(1)),
        "./a.mask.png": encoded(picture(50)),
        "b.WEBP": encoded(picture(2)),
        "b.png": encoded(picture(51)),
        "dir.v1/c.png": encoded(picture(3)),
        "._d.png": GARBAGE,
        f"{long}.png": encoded(picture(4)),
        "e.json": b"{not json",
        "e.txt": b"\xff\xfe",
        "e.gif": encoded(picture(5), "GIF"),
    }
    samples = opened(write_tar(tmp_path / "t.tar", members, kind=kind))
    assert {sample.key for sample in samples} == {f"t.tar/{key}" for key in ("a", "b", "dir.v1/c", long, "e")}
    assert colours(samples) == sorted(map(colour, [1, 2, 3, 4, 5]))


def test_links_and_folders_in_a_tar_are_no_samples(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name, kind in (
            ("d.png", tarfile.DIRTYPE),
            ("l.png", tarfile.SYMTYPE),
            ("h.png", tarfile.LNKTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert opened(tmp_path / "t.tar") == []


def test_a_tar_sample_without_an_image_is_unreadable(tmp_path: Path) -> None:
    (sample,) = opened(write_tar(tmp_path / "t.tar", {"a.txt": b"text"}))
    with pytest.raises(Unreadable, match="no image"):
        sample.load()


@pytest.mark.parametrize("rest", [0, 100, 512, 1000, 1024])
def test_a_tar_that_is_cut_off_is_named(tmp_path: Path, rest: int) -> None:
    write_tars(tmp_path, [3])
    tar = tmp_path / "train-00000.tar"
    with tarfile.open(tar) as whole:
        end = whole.getmembers()[-2].offset_data + 2  # 2 bytes of "{}" end the last but one sample's json
    data = tar.read_bytes()
    tar.write_bytes(data[: rest if rest < 600 else end + rest])
    assert str(tar) in refusal(tmp_path) and "cut off" in refusal(tmp_path)


def test_a_tar_cut_between_two_members_is_noticed(tmp_path: Path) -> None:
    write_tars(tmp_path, [3])
    tar = tmp_path / "train-00000.tar"
    with tarfile.open(tar) as whole:
        end = whole.getmembers()[3].offset
    tar.write_bytes(tar.read_bytes()[:end])
    assert f"no end mark at byte {end}" in refusal(tmp_path)


def test_a_tar_damaged_in_the_middle_is_noticed(tmp_path: Path) -> None:
    write_tars(tmp_path, [3])
    tar = tmp_path / "train-00000.tar"
    with tarfile.open(tar) as whole:
        header = whole.getmembers()[3].offset
    data = bytearray(tar.read_bytes())
    data[header : header + 20] = b"\x01" * 20
    tar.write_bytes(data)
    assert str(tar) in refusal(tmp_path)


def test_a_compressed_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.png"))
    assert str(tmp_path / "t.tar") in refusal(tmp_path)


@pytest.mark.parametrize("name", ["../a.png", "/tmp/a.png", "a/../../b.png"])
def test_a_tar_member_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    write_tar(tmp_path / "t.tar", {"0.png": encoded(picture(0)), name: encoded(picture(1))})
    assert f"'{tmp_path / 't.tar'}' has a member outside its own folder, '{name}'" in refusal(tmp_path)
