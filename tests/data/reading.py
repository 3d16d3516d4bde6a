"""Short ways to read a source."""

from __future__ import annotations

import numpy as np
import pytest

from dcr.data.samples import Sample, Source
from dcr.data.sources import open_source
from dcr.errors import DcrError


def epoch(source: Source, number: int = 0, part: int = 0, parts: int = 1, seed: int = 0) -> list[Sample]:
    return list(source.samples(seed=seed, epoch=number, part=part, parts=parts))


def opened(words: object) -> list[Sample]:
    return epoch(open_source(str(words), image_size=16))


def colours(samples: list[Sample]) -> list[tuple[int, ...]]:
    return sorted(tuple(np.asarray(sample.load())[0, 0].tolist()) for sample in samples)


def refusal(words: object) -> str:
    with pytest.raises(DcrError) as error:
        for sample in opened(words):
            sample.load()
    return str(error.value)
