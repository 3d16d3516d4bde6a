"""Endless batches of views: the same for the same seed, and resumed exactly by their number alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

import torch
from torch.utils.data import DataLoader

from dcr.data.sources import open_source
from dcr.data.stream import Parcel, WorkerStream
from dcr.data.views import ViewBatch, Views
from dcr.errors import DcrError

__all__ = ["ViewBatch", "view_batches"]


def view_batches(
    source: str,
    *,
    image_size: int,
    batch_size: int,
    seed: int,
    workers: int,
    skip: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[ViewBatch]:
    """Opens a source and yields batches of views without end, epoch after epoch, each in another order.

    Batch n is a function of the source, `image_size`, `batch_size`, `seed`, `rank`, `world_size` and n,
    whatever the number of workers. Each rank has its own share of every epoch. A batch may span two epochs,
    so that no image is lost. An unreadable image is replaced by the next one in line, with a warning at the
    1st, 2nd, 4th, 8th, ... of them.

    Args:
        source: See `dcr.data.sources.open_source`.
        image_size: Side S of the views, px.
        batch_size: Images B per batch of this rank.
        seed: Seed of orders and views; the same on every rank.
        workers: Processes that prepare batches, 0 for this one. A remote source is read by one at most.
        skip: Batches to pass over, without decoding them.
        rank: This rank, in [0, world_size).
        world_size: Number of ranks that share the source.

    Returns:
        The endless iterator.

    Raises:
        DcrError: At once if the source cannot be opened; while iterating if it is damaged, gives a rank
            fewer images than one batch, or has more unreadable images than three and 5 % of those read.
    """
    opened = open_source(source, image_size=image_size)
    stream = WorkerStream(
        source=opened,
        views=Views(image_size),
        batch_size=batch_size,
        seed=seed,
        skip=skip,
        rank=rank,
        world_size=world_size,
    )
    loader = DataLoader(
        stream,
        batch_size=None,
        num_workers=min(workers, 1) if opened.remote else workers,
        generator=torch.Generator(),  # the loader draws one number, which must not come from the global one
    )
    return _unpacked(loader, source)


def _unpacked(loader: Iterable[Parcel | DcrError], source: str) -> Iterator[ViewBatch]:
    failures: list[str] = []
    for parcel in loader:
        if isinstance(parcel, DcrError):
            raise parcel
        for failure in parcel.failures:
            failures.append(failure)
            if len(failures).bit_count() == 1:
                warnings.warn(
                    f"{len(failures)} unreadable image(s) of '{source}' were replaced by others so far; "
                    f"the first: {failures[0]}.",
                    stacklevel=2,
                )
        yield parcel.batch
