from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from dcr.data.samples import IndexedSource
from dcr.data.sources import expand_braces, open_source
from tests.data.pictures import GARBAGE, colour, encoded, picture, rows, write_folder, write_tars
from tests.data.reading import colours, epoch, opened, refusal


def test_an_image_folder_is_searched_to_the_bottom(tmp_path: Path) -> None:
    write_folder(tmp_path, 7)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "PHOTO.JPEG").write_bytes(encoded(picture(7), "BMP"))
    (tmp_path / ".hidden.png").write_bytes(GARBAGE)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x.png").write_bytes(GARBAGE)
    samples = opened(tmp_path)
    assert colours(samples) == sorted(map(colour, range(8)))
    assert "class-0/000.png" in {sample.key for sample in samples}


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    write_folder(tmp_path / "real", 4)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "link").symlink_to(tmp_path / "real")
    assert len(opened(tmp_path / "images")) == 4


@pytest.mark.parametrize(
    "words", ["", "/*.tar", "/train-{00000..00001}.tar", "/train-0000{0,1}.tar", "/*-?????.tar"]
)
def test_tars_by_folder_glob_and_braces(tmp_path: Path, words: str) -> None:
    write_tars(tmp_path, [5, 6])
    samples = opened(f"{tmp_path}{words}")
    assert colours(samples) == sorted(map(colour, range(11)))
    assert "train-00000.tar/003" in {sample.key for sample in samples}


def test_tars_are_found_below_and_count_before_images(tmp_path: Path) -> None:
    write_tars(tmp_path / "deep", [2])
    write_folder(tmp_path, 5)
    assert len(opened(tmp_path)) == 2


def test_one_tar_and_a_pattern_relative_to_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tars(tmp_path, [5, 6])
    assert len(opened(tmp_path / "train-00001.tar")) == 6
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(opened("~/train-*.tar")) == 11
    monkeypatch.chdir(tmp_path)
    assert len(opened("train-00000.tar")) == 5
    assert len(opened("*.tar")) == 11


def test_scenes_are_a_fixed_pool() -> None:
    pytest.importorskip("dcr.lab.scenes")
    source = open_source("scenes", image_size=30)
    first = next(source.samples(seed=0, epoch=0, part=0, parts=1))
    assert first.load().size == (32, 32)
    assert isinstance(source, IndexedSource) and source.size == 20_000
    pool = [np.asarray(source.sample(index).load()).tobytes() for index in range(30)]
    assert len(set(pool)) == 30
    assert np.asarray(open_source("scenes", image_size=32).sample(3).load()).tobytes() == pool[3]  # type: ignore


def test_braces_expand_as_in_a_shell() -> None:
    assert expand_braces("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expand_braces("{a,b}/{1..2}") == ["a/1", "a/2", "b/1", "b/2"]
    assert expand_braces("{a,{1..2}}") == ["a", "1", "2"]
    assert expand_braces("plain") == ["plain"]


@pytest.mark.parametrize("words", ["/missing/folder", "./missing", "missing", "a/b/c", ""])
def test_a_missing_path_is_named(words: str) -> None:
    assert f"'{words}' is neither an existing folder or file" in refusal(words)


def test_a_slip_of_the_pen_is_set_right() -> None:
    assert "did you mean 'scenes'?" in refusal("scene")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert f"'{tmp_path}' has no image" in refusal(tmp_path)
    (tmp_path / "notes.txt").write_text("text")
    assert f"'{tmp_path}' has no image" in refusal(tmp_path)


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded(picture(0)))
    assert "not all .tar" in refusal(tmp_path / "x.png")


def test_patterns_without_a_match(tmp_path: Path) -> None:
    write_tars(tmp_path, [1, 1])
    assert f"no file that matches '{tmp_path}/x-*.tar'" in refusal(f"{tmp_path}/x-*.tar")
    message = refusal(f"{tmp_path}/train-{{00000..00003}}.tar")
    assert f"no file that matches '{tmp_path}/train-00002.tar'" in message
    assert "smaller number first" in refusal(f"{tmp_path}/train-{{3..1}}.tar")


def test_a_url_that_is_no_tar() -> None:
    assert "only webdataset archives" in refusal("https://example.org/image.png")


def test_sources_can_be_sent_to_worker_processes(tmp_path: Path) -> None:
    """Where processes are spawned, as on macOS, the loader pickles the source."""
    write_folder(tmp_path / "folder", 3)
    write_tars(tmp_path / "tars", [3])
    rows(3).save_to_disk(str(tmp_path / "saved"))
    rows(3).to_parquet(str(tmp_path / "rows.parquet"))
    for words in ("folder", "tars", "saved", "rows.parquet"):
        source = open_source(str(tmp_path / words), image_size=16)
        assert colours(epoch(pickle.loads(pickle.dumps(source)))) == colours(epoch(source))


def test_real_data() -> None:
    flickr, cifar = Path("/work/shared/data/flickr8k"), Path("/work/shared/data/cifar10")
    if not (flickr.is_dir() and cifar.is_dir()):
        pytest.skip("the photos of /work/shared/data are not on this machine")
    samples = opened(flickr)
    assert len({sample.key for sample in samples}) == 6000
    assert samples[0].load().size == (112, 112)
    assert len(opened(cifar)) == 2000
