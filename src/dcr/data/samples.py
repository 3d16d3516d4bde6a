"""What every image source is: a collection that comes in another order each epoch and can be shared out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

from dcr.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class Sample:
    """One image that is not read yet.

    Attributes:
        key: Names the image within its source.
        load: Reads and decodes it to mode RGB; raises `Unreadable` or `OSError` where that fails.
    """

    key: str
    load: Callable[[], Image.Image]


class Source(ABC):
    """A finite collection of images.

    Attributes:
        name: The source as the user wrote it, for messages.
        remote: Whether an image is fetched over the network even when it is only passed over.
    """

    name: str
    remote: bool = False

    @abstractmethod
    def samples(self, *, seed: int, epoch: int, part: int, parts: int) -> Iterator[Sample]:
        """Yields one share of an epoch; nothing is decoded yet.

        Args:
            seed: Seed of the order.
            epoch: Number of the epoch, from 0; each has its own order.
            part: The share, in [0, parts).
            parts: Number of shares. Together they hold every image of the epoch exactly once.

        Raises:
            DcrError: If the source is damaged.
        """


class IndexedSource(Source):
    """Images that can be reached by number: an epoch is a true permutation."""

    size: int

    @abstractmethod
    def sample(self, index: int) -> Sample:
        """Returns image `index` in [0, size)."""

    def samples(self, *, seed: int, epoch: int, part: int, parts: int) -> Iterator[Sample]:
        """Yields every `parts`-th image of the epoch's permutation."""
        order = np.random.default_rng(derive_seed(seed, "order", epoch)).permutation(self.size)
        for index in order[part::parts]:
            yield self.sample(int(index))


class ShardedSource(Source):
    """Images in files that are read from their beginning: shards in random order, then a shuffle buffer."""

    shard_count: int
    buffer_size: int

    @abstractmethod
    def shard(self, index: int) -> Iterable[Sample]:
        """Yields the images of shard `index` in [0, shard_count), always in the same order."""

    def samples(self, *, seed: int, epoch: int, part: int, parts: int) -> Iterator[Sample]:
        """Yields as many whole shards as any other part gets, or slices of them where they do not divide."""
        order = np.random.default_rng(derive_seed(seed, "order", epoch)).permutation(self.shard_count)
        slices = parts // math.gcd(parts, self.shard_count)
        pieces = [(int(shard), offset) for shard in order for offset in range(slices)]
        mine = (
            sample
            for shard, offset in pieces[part::parts]
            for sample in islice(self.shard(shard), offset, None, slices)
        )
        return _shuffled(
            mine, np.random.default_rng(derive_seed(seed, "order", epoch, part)), self.buffer_size
        )


def _shuffled(samples: Iterable[Sample], rng: np.random.Generator, size: int) -> Iterator[Sample]:
    buffer: list[Sample] = []
    for read, sample in enumerate(samples, start=1):
        if len(buffer) < min(size, size // 10 + (read + 1) // 2):  # fills while in use: a quick start
            buffer.append(sample)
        else:
            index = int(rng.integers(len(buffer)))
            yield buffer[index]
            buffer[index] = sample
    for index in rng.permutation(len(buffer)):
        yield buffer[index]
