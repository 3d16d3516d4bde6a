from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from dcr.seeds import derive_seed, generator


def test_seed_of_a_stream_is_pinned() -> None:
    """A change of this number silently changes every run."""
    assert derive_seed(0, "stage1", 3) == 5168010164460752879


@given(st.lists(st.one_of(st.integers(), st.text(alphabet="abc", min_size=1)), min_size=1, max_size=4))
def test_seed_fits_torch_and_depends_on_every_part(parts: list[int | str]) -> None:
    seed = derive_seed(*parts)
    assert 0 <= seed < 2**63
    assert seed != derive_seed(*parts, "more")


def test_generator_repeats() -> None:
    first, second = (torch.randn(3, generator=generator(1, "noise", 2)) for _ in range(2))
    assert torch.equal(first, second)
