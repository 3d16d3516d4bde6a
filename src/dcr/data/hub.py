"""Hugging Face datasets: saved ones by row number, all others as a stream of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import fsspec
from PIL import Image

from dcr.data.decode import Unreadable, decode
from dcr.data.samples import IndexedSource, Sample, ShardedSource
from dcr.errors import DcrError


class SavedDataset(IndexedSource):
    """The rows of a `save_to_disk` folder; the key is the row number.

    Raises:
        DcrError: If the folder cannot be opened or has no image column.
    """

    def __init__(self, name: str, folder: Path) -> None:
        try:
            found = datasets.load_from_disk(str(folder))
        except Exception as error:  # whatever the library meets in a damaged folder
            raise DcrError(f"'{name}' is not a complete save_to_disk folder ({_reason(error)}).") from error
        self.name = name
        self._rows, self._column = _undecoded(name, _one_split(name, found))
        self.size = len(self._rows)

    def sample(self, index: int) -> Sample:
        """Returns row `index`."""
        return Sample(f"row-{index:07d}", partial(self._load, index))

    def _load(self, index: int) -> Image.Image:
        return _image(self._rows[index][self._column])


class DatasetStream(ShardedSource):
    """The rows of a dataset that `datasets` streams; the key is the image's path in it, or the row's number.

    Args:
        name: The source as the user wrote it.
        builder: A Hub id, a local folder, or the name of one of the library's own file readers.
        files: Paths or URLs for the file reader.
        remote: Whether the files are read over the network.

    Raises:
        DcrError: If the dataset cannot be reached or has no image column.
    """

    buffer_size = 1_000

    def __init__(self, name: str, builder: str, files: list[str] | None = None, *, remote: bool) -> None:
        try:
            found = datasets.load_dataset(builder, data_files=files, streaming=True)
        except Exception as error:  # the library's, the Hub's and the network's errors have no common type
            raise DcrError(
                f"The dataset '{name}' could not be opened ({_reason(error)}); check its name and the "
                "network, or give a local folder of images or .tar files."
            ) from error
        self.name = name
        self._rows, self._column = _undecoded(name, _one_split(name, found))
        self.shard_count = self._rows.num_shards
        self.remote = remote

    def shard(self, index: int) -> Iterator[Sample]:
        """Yields the rows of one file.

        Raises:
            DcrError: If the file cannot be read to its end.
        """
        rows = self._rows.shard(num_shards=self.shard_count, index=index)
        try:
            # Plain iteration would share the files out among torch's workers.
            for number, row in enumerate(rows.iter(batch_size=1)):
                value = row[self._column][0]
                path = value.get("path") if isinstance(value, Mapping) else None
                yield Sample(path or f"{index:05d}-{number:07d}", partial(_image, value))
        except Exception as error:
            raise DcrError(f"Reading the dataset '{self.name}' failed ({_reason(error)}).") from error


def _one_split(name: str, found: Any) -> Any:
    if not isinstance(found, Mapping):
        return found
    if "train" in found:
        return found["train"]
    if len(found) > 1:
        raise DcrError(
            f"The dataset '{name}' has no split 'train', and which of {', '.join(found)} is not clear."
        )
    return next(iter(found.values()))


def _undecoded(name: str, rows: Any) -> tuple[Any, str]:
    features = rows.features or {}
    images = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    binary = [column for column, feature in features.items() if _holds_bytes(feature)]
    if not images + binary:
        raise DcrError(f"The dataset '{name}' has no image column, only: {', '.join(features) or 'nothing'}.")
    column = "image" if "image" in images else (images + binary)[0]
    rows = rows.select_columns([column])
    return (rows.cast_column(column, datasets.Image(decode=False)) if images else rows), column


def _holds_bytes(feature: Any) -> bool:
    return feature == datasets.Value("binary") or (isinstance(feature, Mapping) and "bytes" in feature)


def _image(value: Any) -> Image.Image:
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, Mapping) else (value, None)
    if data is None and path:
        with fsspec.open(path, "rb") as file:
            data = file.read()
    if data is None:
        raise Unreadable("the row has no image")
    return decode(data)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
