"""Images as files in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from dcr.data.decode import decode
from dcr.data.samples import IndexedSource, Sample


class ImageFolder(IndexedSource):
    """Image files below one folder; the key is the path within it."""

    def __init__(self, name: str, folder: Path, files: Sequence[Path]) -> None:
        self.name = name
        self.size = len(files)
        self._folder = folder
        self._files = [file.relative_to(folder).as_posix() for file in files]

    def sample(self, index: int) -> Sample:
        """Returns the file `index` of the sorted list."""
        return Sample(self._files[index], partial(self._load, index))

    def _load(self, index: int) -> Image.Image:
        return decode((self._folder / self._files[index]).read_bytes())


def visible_files(folder: Path) -> list[Path]:
    """Lists all files below a folder in sorted order, following links, without hidden files and folders."""
    found = []
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in files if not name.startswith(".")]
    return sorted(found)
