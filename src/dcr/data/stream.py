"""What one worker does: the endless line of its images, seen, and cut into batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from dcr.data.decode import Unreadable
from dcr.data.samples import Sample, Source
from dcr.data.views import ViewBatch, Views
from dcr.errors import DcrError
from dcr.seeds import derive_seed

_TOLERATED_SHARE = 0.05
_ALWAYS_TOLERATED = 3  # else bad luck at the start of a run could end it


class _Viewed(NamedTuple):
    key: str
    pixels: Tensor
    positive: Tensor


class _Failed(NamedTuple):
    message: str


@dataclass(frozen=True)
class Parcel:
    """One batch, and what could not be read of its own places in the line."""

    batch: ViewBatch
    failures: list[str]


@dataclass(frozen=True)
class WorkerStream(IterableDataset["Parcel | DcrError"]):
    """The batches that one of the loader's workers makes, without end.

    All workers of a rank go along the same line of samples, and each decodes only its own batches of it: so
    the line does not depend on their number. An error that is meant for the user is the last item: if it were
    raised, torch would wrap it in the worker's stack trace.
    """

    source: Source
    views: Views
    batch_size: int
    seed: int
    skip: int
    rank: int
    world_size: int

    def __iter__(self) -> Iterator[Parcel | DcrError]:
        """Yields every n-th batch, n the number of workers, as the loader takes one from each in turn."""
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        try:
            yield from self._parcels(self.skip + first, step)
        except DcrError as error:
            yield error

    def _parcels(self, first: int, step: int) -> Iterator[Parcel]:
        line = self._line()
        views = self._viewed(line)
        ahead: list[_Viewed | _Failed] = []
        passed = first * self.batch_size
        while True:
            deque(islice(line, max(0, passed - len(ahead))), maxlen=0)
            ahead = ahead[passed:]
            # A batch always stands for batch_size places in the line, so that passing needs no decoding.
            # Where an image fails the line is read on, and one that stood in is seen again at its own place.
            while missing := self.batch_size - sum(isinstance(view, _Viewed) for view in ahead):
                ahead += islice(views, missing)
            yield self._parcel(ahead)
            passed = step * self.batch_size

    def _parcel(self, ahead: Iterable[_Viewed | _Failed]) -> Parcel:
        keys, pixels, positive = zip(*(view for view in ahead if isinstance(view, _Viewed)), strict=True)
        failures = [view.message for view in islice(ahead, self.batch_size) if isinstance(view, _Failed)]
        batch = ViewBatch(pixels=torch.stack(pixels), positive=torch.stack(positive), keys=list(keys))
        return Parcel(batch, failures)

    def _line(self) -> Iterator[tuple[int, Sample]]:
        for epoch in count():
            size = 0
            for sample in self.source.samples(
                seed=self.seed, epoch=epoch, part=self.rank, parts=self.world_size
            ):
                size += 1
                yield epoch, sample
            if size < self.batch_size:
                share = f" for rank {self.rank} of {self.world_size}" if self.world_size > 1 else ""
                raise DcrError(
                    f"'{self.source.name}' has {size} images{share}, fewer than a batch of {self.batch_size};"
                    " give more images or a smaller batch."
                )

    def _viewed(self, line: Iterable[tuple[int, Sample]]) -> Iterator[_Viewed | _Failed]:
        failures: list[str] = []
        for read, (epoch, sample) in enumerate(line, start=1):
            try:
                image = sample.load()
            except (Unreadable, OSError) as error:
                failures.append(f"'{sample.key}' ({error})")
                yield _Failed(failures[-1])
            else:
                yield _Viewed(
                    sample.key, *self.views(image, derive_seed(self.seed, "views", epoch, sample.key))
                )
            if len(failures) > _ALWAYS_TOLERATED + _TOLERATED_SHARE * read:
                raise DcrError(
                    f"{len(failures)} of the first {read} images read from '{self.source.name}' are "
                    f"unreadable, well over {_TOLERATED_SHARE:.0%}; the first: {failures[0]}. "
                    "Repair or remove them."
                )
