from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from PIL import Image

from dcr.data.decode import decode
from dcr.data.loader import ViewBatch, view_batches
from dcr.data.sources import open_source
from dcr.errors import DcrError
from tests.data.pictures import GARBAGE, encoded, picture, rows, write_folder, write_tar, write_tars

COUNT = 22
SETTINGS = {"image_size": 8, "batch_size": 4, "seed": 3, "workers": 0}


def stream(source: object, **changes: Any) -> Iterator[ViewBatch]:
    return view_batches(str(source), **(SETTINGS | changes))


def take(source: object, number: int, **changes: Any) -> list[ViewBatch]:
    return list(islice(stream(source, **changes), number))


def keys(batches: list[ViewBatch]) -> list[str]:
    return [key for batch in batches for key in batch["keys"]]


def same(left: list[ViewBatch], right: list[ViewBatch]) -> bool:
    return keys(left) == keys(right) and all(
        torch.equal(a["pixels"], b["pixels"]) and torch.equal(a["positive"], b["positive"])
        for a, b in zip(left, right, strict=True)
    )


def refusal(source: object, **changes: Any) -> str:
    with warnings.catch_warnings(), pytest.raises(DcrError) as error:
        warnings.simplefilter("ignore")
        take(source, 60, **changes)
    assert "Traceback" not in str(error.value)
    return str(error.value)


@pytest.fixture(scope="module", params=["folder", "tars", "saved", "parquet"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COUNT pictures in every kind of source; not to be written into."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folder":
        return write_folder(folder, COUNT)
    if request.param == "tars":
        return write_tars(folder, [5, 8, 9])
    if request.param == "saved":
        rows(COUNT).save_to_disk(str(folder))
    else:
        for shard in range(3):
            rows(COUNT).shard(3, shard).to_parquet(str(folder / f"train-{shard:05d}-of-00003.parquet"))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COUNT pictures in a folder; not to be written into."""
    return write_folder(tmp_path_factory.mktemp("pictures"), COUNT)


def test_a_batch_is_what_it_says(source: Path) -> None:
    (batch,) = take(source, 1)
    for view in (batch["pixels"], batch["positive"]):
        assert view.shape == (4, 3, 8, 8) and view.dtype == torch.float32
        assert view.min() >= 0 and view.max() <= 1
    assert len(set(batch["keys"])) == 4
    assert not torch.equal(batch["pixels"], batch["positive"])


def test_every_epoch_has_every_image_once_in_another_order(source: Path) -> None:
    line = keys(take(source, 11))  # 44 places: two epochs
    first, second = line[:COUNT], line[COUNT:]
    assert len(set(first)) == COUNT and sorted(first) == sorted(second)
    assert first != second


def test_the_same_seed_gives_the_same_batches(source: Path) -> None:
    assert same(take(source, 7), take(source, 7))
    assert keys(take(source, 3, seed=4)) != keys(take(source, 3))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_resuming_is_exact_and_workers_change_nothing(source: Path, workers: int) -> None:
    whole = take(source, 9)
    assert same(take(source, 4, skip=5, workers=workers), whole[5:])


@pytest.mark.parametrize("workers", [0, 2])
def test_every_batch_can_be_resumed_at(folder: Path, workers: int) -> None:
    whole = take(folder, 8)
    for skip in range(0, 8, 1 if workers == 0 else 3):
        assert same(take(folder, 1, skip=skip, workers=workers), whole[skip : skip + 1])


def test_ranks_share_every_epoch_without_loss(source: Path) -> None:
    """22 images are 11 a rank, or 12 and 10 as halves of shards of 5, 8 and 9."""
    size = len(list(open_source(str(source), image_size=8).samples(seed=3, epoch=0, part=0, parts=2)))
    assert 10 <= size <= 12
    first, second = (keys(take(source, 3, rank=rank, world_size=2)) for rank in range(2))
    assert len(set(first[:size])) == size and len(set(second[: COUNT - size])) == COUNT - size
    assert len(set(first[:size] + second[: COUNT - size])) == COUNT


def test_an_image_is_seen_differently_in_every_epoch(folder: Path) -> None:
    batches = take(folder, 11)
    views: dict[str, list[torch.Tensor]] = {}
    for batch in batches:
        for key, positive in zip(batch["keys"], batch["positive"], strict=True):
            views.setdefault(key, []).append(positive)
    changed = [not torch.equal(first, second) for first, second in views.values()]
    assert sum(changed) > COUNT * 0.8  # plain colours can be jittered alike


def test_views_do_not_depend_on_the_sharing_out(folder: Path) -> None:
    alone = {
        key: view
        for batch in take(folder, 5)
        for key, view in zip(batch["keys"], batch["pixels"], strict=True)
    }
    for batch in take(folder, 2, rank=1, world_size=2):
        for key, view in zip(batch["keys"], batch["pixels"], strict=True):
            assert key not in alone or torch.equal(view, alone[key])


def test_skipped_images_are_not_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def counting(data: bytes) -> Image.Image:
        decoded.append(data)
        return decode(data)

    monkeypatch.setattr("dcr.data.folder.decode", counting)
    take(folder, 1, skip=10_000)
    assert len(decoded) == 4


def test_the_global_generator_is_left_alone(folder: Path) -> None:
    state = torch.get_rng_state()
    take(folder, 2)
    take(folder, 1, workers=1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_images_are_replaced_and_counted(tmp_path: Path, workers: int) -> None:
    write_folder(tmp_path, 100, broken=[17, 60])
    with pytest.warns(UserWarning) as caught:
        batches = take(tmp_path, 50, workers=workers)  # two epochs
    broken = {"class-2/017.png", "class-0/060.png"}
    assert all(len(batch["keys"]) == 4 for batch in batches)
    seen = Counter(keys(batches))
    assert set(seen) == {f"class-{index % 3}/{index:03d}.png" for index in range(100)} - broken
    assert sum(seen.values()) == 200 and max(seen.values()) <= 4
    messages = [str(warning.message) for warning in caught if "unreadable" in str(warning.message)]
    assert [message.split()[0] for message in messages] == ["1", "2", "4"]
    assert str(tmp_path) in messages[0] and any(key in messages[0] for key in broken)


@pytest.mark.filterwarnings("ignore:.*unreadable")
def test_resuming_is_exact_among_unreadable_images(tmp_path: Path) -> None:
    write_folder(tmp_path, 60, broken=[5, 6])
    whole = take(tmp_path, 30)
    for skip in range(0, 30, 2):
        assert same(take(tmp_path, 1, skip=skip), whole[skip : skip + 1])
    assert same(take(tmp_path, 9, skip=10, workers=2), whole[10:19])


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_unreadable_images_are_an_error(tmp_path: Path, workers: int) -> None:
    write_folder(tmp_path, 40, broken=range(0, 40, 5))
    message = refusal(tmp_path, workers=workers)
    assert str(tmp_path) in message and "unreadable" in message and "over 5%" in message
    assert "not an image of a known format" in message


def test_a_folder_with_no_readable_image(tmp_path: Path) -> None:
    write_folder(tmp_path, 6, broken=range(6))
    assert "4 of the first 4 images" in refusal(tmp_path)


def test_tars_with_no_image(tmp_path: Path) -> None:
    write_tar(tmp_path / "t.tar", {f"{index}.txt": b"text" for index in range(9)})
    message = refusal(tmp_path)
    assert "'t.tar/" in message and "the sample has no image" in message


def test_a_vanished_file_counts_as_unreadable(tmp_path: Path) -> None:
    write_folder(tmp_path, 60)
    batches = stream(tmp_path)
    (tmp_path / "class-0" / "000.png").unlink()
    with pytest.warns(UserWarning, match=r"class-0/000\.png"):
        list(islice(batches, 15))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("world_size", [1, 2])
def test_a_source_smaller_than_a_batch(folder: Path, workers: int, world_size: int) -> None:
    message = refusal(folder, batch_size=32, workers=workers, world_size=world_size)
    assert f"{COUNT // world_size} images" in message and "a batch of 32" in message


def test_an_empty_tar(tmp_path: Path) -> None:
    write_tar(tmp_path / "t.tar", {})
    assert "has 0 images" in refusal(tmp_path)


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_of_workers_arrive_clean(tmp_path: Path, workers: int) -> None:
    write_tar(tmp_path / "a.tar", {f"{index}.png": encoded(picture(index)) for index in range(5)})
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[:1500])
    message = refusal(tmp_path, workers=workers)
    assert message.startswith(f"The tar '{tmp_path / 'b.tar'}' is damaged or cut off")


def test_a_source_is_opened_at_once() -> None:
    with pytest.raises(DcrError):
        stream("/missing")


def test_a_remote_source_is_read_by_one_worker(tmp_path: Path) -> None:
    write_tars(tmp_path, [4, 5])
    url = f"file://{tmp_path}/train-{{00000..00001}}.tar"
    assert same(take(url, 3, workers=2), take(url, 3))


def test_a_broken_remote_source_is_a_clean_error(tmp_path: Path) -> None:
    write_tars(tmp_path, [8])
    whole = (tmp_path / "train-00000.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: 18 * 1024 + 520])  # within the seventh picture
    assert "cut.tar" in refusal(f"file://{tmp_path}/cut.tar", batch_size=2)


def test_garbage_among_rows(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"jpg": [GARBAGE] * 9}).to_parquet(str(tmp_path / "x.parquet"))
    assert "unreadable" in refusal(tmp_path)
