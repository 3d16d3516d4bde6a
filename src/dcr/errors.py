"""The one exception whose message is meant for the user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DcrError(Exception):
    """Bad input or a bad environment: one clear sentence that names the culprit and the way out.

    The command line prints the message and exits with status 2; no stack trace is shown.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> DcrError:
    """Builds the error for a name that is not among the known ones.

    Args:
        kind: What the name stands for, e.g. ``"benchmark"``.
        name: The name that was given.
        known: Every name that would have been right.

    Returns:
        The error, with the nearest known name where one is near.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return DcrError(f"Unknown {kind} '{name}'{hint} Known: {', '.join(known)}.")
