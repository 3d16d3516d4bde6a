from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from dcr.data.decode import Unreadable
from dcr.data.sources import open_source
from tests.data.pictures import GARBAGE, colour, encoded, picture, rows, write_folder, write_tars
from tests.data.reading import colours, epoch, opened, refusal


def test_a_saved_dataset(tmp_path: Path) -> None:
    rows(6).save_to_disk(str(tmp_path / "one"), num_shards=2)
    splits = {"train": rows(4), "test": rows(5)}
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "splits"))
    assert colours(opened(tmp_path / "one")) == sorted(map(colour, range(6)))
    assert len(opened(tmp_path / "splits")) == 4


def test_a_parquet_folder_gives_its_training_split(tmp_path: Path) -> None:
    for shard in range(2):
        rows(6, "photo").shard(2, shard).to_parquet(str(tmp_path / f"train-{shard:05d}-of-00002.parquet"))
    rows(2, "photo").to_parquet(str(tmp_path / "test-00000-of-00001.parquet"))
    assert colours(opened(tmp_path)) == sorted(map(colour, range(6)))
    assert len(opened(tmp_path / "test-*.parquet")) == 2
    source = open_source(str(tmp_path), image_size=16)
    halves = [epoch(source, 1, part, 2) for part in range(2)]
    assert sorted(sample.key for half in halves for sample in half) == [f"{index}.png" for index in range(6)]


def test_parquet_with_plain_bytes_or_paths(tmp_path: Path) -> None:
    data = [encoded(picture(index)) for index in range(3)]
    datasets.Dataset.from_dict({"txt": ["a"] * 3, "jpg": data}).to_parquet(str(tmp_path / "bytes.parquet"))
    files = sorted(write_folder(tmp_path / "files", 3).rglob("*.png"))
    images = datasets.Dataset.from_dict({"x": [str(file) for file in files]}).cast_column(
        "x", datasets.Image()
    )
    images.save_to_disk(str(tmp_path / "saved"))
    for source in (tmp_path / "bytes.parquet", tmp_path / "saved"):
        assert colours(opened(source)) == sorted(map(colour, range(3)))


def test_a_row_without_an_image_is_unreadable(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict({"image": [None]}, features=features).save_to_disk(str(tmp_path))
    with pytest.raises(Unreadable, match="no image"):
        opened(tmp_path)[0].load()


def test_urls_go_through_datasets(tmp_path: Path) -> None:
    write_tars(tmp_path, [3, 4])
    source = open_source(f"file://{tmp_path}/train-{{00000..00001}}.tar", image_size=16)
    assert source.remote
    assert colours(epoch(source)) == sorted(map(colour, range(7)))


def test_a_dataset_without_images_names_its_columns(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a"], "n": [1]}).save_to_disk(str(tmp_path / "saved"))
    assert "no image column, only: text, n" in refusal(tmp_path / "saved")


def test_splits_that_are_not_clear_are_named(tmp_path: Path) -> None:
    datasets.DatasetDict({"a": rows(1), "b": rows(1)}).save_to_disk(str(tmp_path / "saved"))
    assert "a, b" in refusal(tmp_path / "saved")
    datasets.DatasetDict({"a": rows(2)}).save_to_disk(str(tmp_path / "single"))
    assert len(opened(tmp_path / "single")) == 2


def test_a_damaged_saved_dataset(tmp_path: Path) -> None:
    rows(2).save_to_disk(str(tmp_path))
    for file in tmp_path.glob("*.arrow"):
        file.unlink()
    assert f"'{tmp_path}' is not a complete save_to_disk folder" in refusal(tmp_path)


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(GARBAGE)
    assert str(tmp_path) in refusal(tmp_path)


def test_a_hub_id_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    message = refusal("nobody/nothing")
    assert "'nobody/nothing' could not be opened" in message and "give a local folder" in message
