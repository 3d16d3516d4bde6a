from __future__ import annotations

from pathlib import Path

import pytest

from dcr.benchmarks import built_in_images
from dcr.benchmarks.built_in_images import benchmark_scenes, lab_pairs, labelled_images
from dcr.benchmarks.mmvp_vlm_folder import read_pairs


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(built_in_images, "SCENE_COUNT", 60)
    monkeypatch.setattr(built_in_images, "PAIRS_PER_PATTERN", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_digits() -> None:
    digits = labelled_images("digits")
    assert len(digits.images) == len(digits.labels) == 1797
    assert digits.images[0].mode == "RGB" and digits.images[0].getextrema()[0] == (0, 239)


def test_scenes() -> None:
    scenes = labelled_images("scenes")
    assert len(scenes.images) == len(scenes.labels) == 60
    assert set(scenes.labels) == set(range(len(scenes.classes)))
    assert scenes.data == labelled_images("scenes").data


def test_train_and_test_scenes_differ() -> None:
    train, test = (set(benchmark_scenes(split)[1]) for split in ("train", "test"))
    assert not train & test


def test_a_folder_called_scenes_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "scenes" / name).mkdir(parents=True)
        benchmark_scenes("test")[0][0].save(tmp_path / "scenes" / name / "x.png")
    assert labelled_images("./scenes").classes == ["a", "b"]


def test_lab_pairs_are_written_once(tmp_path: Path) -> None:
    folder = lab_pairs()
    assert folder.is_relative_to(tmp_path)
    assert len(read_pairs(folder)) == 18
    (folder / "mark").touch()
    assert (lab_pairs() / "mark").exists()
