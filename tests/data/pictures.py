"""Small files to read: every picture has a colour of its own, so that it is known again."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

GARBAGE = b"this is no picture"


def colour(index: int) -> tuple[int, int, int]:
    return (index * 5 % 256, index * 11 % 256, index * 17 % 256)


def picture(index: int, side: int = 12) -> Image.Image:
    return Image.new("RGB", (side, side), colour(index))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write_folder(folder: Path, count: int, broken: Iterable[int] = ()) -> Path:
    for index in range(count):
        file = folder / f"class-{index % 3}" / f"{index:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(GARBAGE if index in broken else encoded(picture(index)))
    (folder / "metadata.jsonl").write_text("{}\n")
    return folder


def write_tar(path: Path, members: dict[str, bytes], *, kind: int = tarfile.GNU_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_tars(folder: Path, counts: Iterable[int]) -> Path:
    """Tars of `counts` samples each: KEY.png, KEY.txt, KEY.json, numbered through."""
    first = 0
    for shard, size in enumerate(counts):
        members: dict[str, bytes] = {}
        for index in range(first, first + size):
            members[f"{index:03d}.png"] = encoded(picture(index))
            members[f"{index:03d}.txt"] = b"a caption"
            members[f"{index:03d}.json"] = b"{}"
        write_tar(folder / f"train-{shard:05d}.tar", members)
        first += size
    return folder


def gradient(side: int = 64) -> Image.Image:
    """Dark left, bright right, red rising downwards: no symmetry at all."""
    across = np.tile(np.linspace(20, 230, side), (side, 1))
    return Image.fromarray(np.stack([across.T, across, across], axis=2).astype(np.uint8))


def rows(count: int, column: str = "image") -> Any:
    """A `datasets.Dataset` with a column of pictures beside one of numbers."""
    import datasets

    datasets.disable_progress_bars()
    values = [{"bytes": encoded(picture(index)), "path": f"{index}.png"} for index in range(count)]
    features = datasets.Features({"label": datasets.Value("int64"), column: datasets.Image()})
    return datasets.Dataset.from_dict({"label": list(range(count)), column: values}, features=features)
