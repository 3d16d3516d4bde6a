from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcr.benchmarks.mmvp_vlm_folder import read_pairs
from dcr.benchmarks.patterns import PATTERNS
from dcr.errors import DcrError
from dcr.lab.pairs import PATTERN_ATTRIBUTES, sample_pair, write_pairs
from dcr.lab.scenes import ATTRIBUTES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pairs") / "benchmark"
    write_pairs(target)
    return target


def test_layout_is_that_of_mmvp_vlm(folder: Path) -> None:
    with (folder / "Questions.csv").open() as file:
        header, *rows = csv.reader(file)
    assert len(header) == 3
    assert [int(row[0]) for row in rows] == list(range(1, 271))
    assert [row[1] for row in rows] == [pattern for pattern in PATTERNS for _ in range(30)]
    for identifier, pattern, _ in rows:
        with Image.open(folder / "MLLM_VLM Images" / pattern / f"{identifier}.jpg") as image:
            assert image.size == (32, 32)


def test_the_scorer_reads_it(folder: Path) -> None:
    pairs = read_pairs(folder)
    assert len(pairs) == 135
    assert all(pair.statements[0] != pair.statements[1] for pair in pairs)


@pytest.mark.parametrize("attribute", [name for names in PATTERN_ATTRIBUTES.values() for name in names])
def test_pair_differs_in_one_attribute(attribute: str) -> None:
    for index in range(30):
        first, second = sample_pair(attribute, np.random.default_rng(index))
        assert [name for name in ATTRIBUTES if getattr(first, name) != getattr(second, name)] == [attribute]


def test_every_attribute_but_the_class_is_asked_about() -> None:
    asked = [name for names in PATTERN_ATTRIBUTES.values() for name in names]
    assert sorted([*asked, "shape"]) == sorted(ATTRIBUTES)


def test_same_seed_same_pairs_other_seed_other_pairs(folder: Path, tmp_path: Path) -> None:
    write_pairs(tmp_path / "again")
    write_pairs(tmp_path / "other", seed=1)
    questions = (folder / "Questions.csv").read_text()
    assert (tmp_path / "again" / "Questions.csv").read_text() == questions
    assert (tmp_path / "other" / "Questions.csv").read_text() != questions


def test_content_is_never_overwritten(folder: Path) -> None:
    with pytest.raises(DcrError, match="not empty"):
        write_pairs(folder)
    with pytest.raises(DcrError, match="1 or more"):
        write_pairs(folder / "new", pairs_per_pattern=0)
