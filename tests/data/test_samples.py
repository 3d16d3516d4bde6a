from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcr.data.samples import IndexedSource, Sample, ShardedSource, Source
from tests.data.pictures import picture
from tests.data.reading import epoch


class Numbers(IndexedSource):
    def __init__(self, size: int) -> None:
        self.size = size

    def sample(self, index: int) -> Sample:
        return Sample(str(index), picture(index).copy)


class Shards(ShardedSource):
    def __init__(self, sizes: list[int], buffer_size: int) -> None:
        self.shard_count, self.buffer_size, self.sizes = len(sizes), buffer_size, sizes

    def shard(self, index: int) -> list[Sample]:
        return [Sample(f"{index}/{number}", picture(number).copy) for number in range(self.sizes[index])]


sizes = st.lists(st.integers(0, 30), min_size=1, max_size=9)


@given(sizes, st.integers(1, 9), st.integers(0, 3), st.integers(1, 40))
def test_parts_share_every_epoch_of_shards_without_loss(
    counts: list[int], parts: int, number: int, buffer_size: int
) -> None:
    shares = [epoch(Shards(counts, buffer_size), number, part, parts) for part in range(parts)]
    keys = Counter(sample.key for share in shares for sample in share)
    assert keys == Counter(f"{shard}/{index}" for shard, size in enumerate(counts) for index in range(size))


@given(st.integers(0, 50), st.integers(1, 9), st.integers(0, 3))
def test_parts_share_every_epoch_of_numbers_evenly(size: int, parts: int, number: int) -> None:
    shares = [epoch(Numbers(size), number, part, parts) for part in range(parts)]
    assert sorted(int(sample.key) for share in shares for sample in share) == list(range(size))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_equal_shards_are_shared_evenly_whatever_their_number() -> None:
    for shards in range(1, 9):
        for parts in range(1, 9):
            counts = [len(epoch(Shards([12] * shards, 5), 0, part, parts)) for part in range(parts)]
            assert max(counts) - min(counts) <= shards  # slices of 12 differ by one at most


@pytest.mark.parametrize("source", [Numbers(60), Shards([20, 20, 20], 15), Shards([60], 30)])
def test_the_order_is_a_function_of_seed_and_epoch(source: Source) -> None:
    def keys(number: int, seed: int) -> list[str]:
        return [sample.key for sample in epoch(source, number, seed=seed)]

    assert keys(0, 0) == keys(0, 0)
    assert len({tuple(keys(number, seed)) for number in range(3) for seed in range(3)}) == 9
    assert all(sorted(keys(number, 0)) == sorted(keys(0, 0)) for number in range(3))


def test_the_shuffle_buffer_mixes_shards_and_starts_early() -> None:
    shards = Shards([100] * 4, buffer_size=200)
    read = []
    whole = shards.shard
    shards.shard = lambda index: (read.append(sample) or sample for sample in whole(index))  # type: ignore
    stream = shards.samples(seed=0, epoch=0, part=0, parts=1)
    keys = [next(stream).key]
    assert len(read) < 60
    keys += [sample.key for sample in stream]
    late = keys[150:300]
    assert len({key.split("/")[0] for key in late}) >= 3
    assert np.corrcoef(range(150), [int(key.split("/")[1]) for key in late])[0, 1] < 0.9
