"""One seed for everything: every random stream is named, and its seed is derived from the run's."""

from __future__ import annotations

import hashlib

import torch


def derive_seed(*parts: int | str) -> int:
    """Derives the seed of a named random stream.

    Randomness that is a pure function of (seed, stream, position) needs no saved state: a run that resumes at
    step n draws exactly what an uninterrupted one draws there.

    Args:
        *parts: The run's seed and the stream's name, e.g. ``(seed, "stage2", step)``.

    Returns:
        An integer in [0, 2**63), the same on every platform.
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """Returns a CPU random generator seeded with :func:`derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(*parts))
