"""Local webdataset archives, read in place: only headers are scanned, an image's bytes when it is needed."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

from dcr.data.decode import EXTENSIONS, Unreadable, decode
from dcr.data.samples import Sample, ShardedSource
from dcr.errors import DcrError


class TarFiles(ShardedSource):
    """Plain tar files of consecutive ``KEY.jpg``, ``KEY.txt``, ... ; the key is ``<tar>/KEY``.

    Of several images in one sample the first counts. As in webdataset a file's extension is all behind the
    first dot, so ``KEY.mask.png`` is not the sample's image.
    """

    buffer_size = 10_000

    def __init__(self, name: str, tars: Sequence[Path]) -> None:
        self.name = name
        self.shard_count = len(tars)
        self._tars = tars

    def shard(self, index: int) -> Iterator[Sample]:
        """Yields the samples of one tar.

        Raises:
            DcrError: If the tar is damaged, cut off, or has a member outside its own folder.
        """
        tar = self._tars[index]
        for key, files in groupby(_files(tar), lambda file: file.key):
            image = next((file for file in files if file.extension in EXTENSIONS), None)
            yield Sample(f"{tar.name}/{key}", partial(_load, tar, image))


class _File(NamedTuple):
    key: str
    extension: str
    offset: int
    size: int


def _load(tar: Path, image: _File | None) -> Image.Image:
    if image is None:
        raise Unreadable("the sample has no image")
    with tar.open("rb") as file:
        file.seek(image.offset)
        return decode(file.read(image.size))


def _files(path: Path) -> Iterator[_File]:
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts:
                    raise DcrError(
                        f"The tar '{path}' has a member outside its own folder, '{member.name}'; repack it."
                    )
                stem, dot, ending = name.name.partition(".")
                if member.isfile() and stem and dot:
                    key = str(name.with_name(stem))
                    yield _File(key, f".{ending.lower()}", member.offset_data, member.size)
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(
                tarfile.BLOCKSIZE
            ):  # tarfile takes any damage for the end
                raise tarfile.ReadError(f"no end mark at byte {tar.offset}")
    except (tarfile.TarError, OSError) as error:
        raise DcrError(f"The tar '{path}' is damaged or cut off ({error}); copy or pack it again.") from error
