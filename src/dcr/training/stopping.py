"""Ctrl-C and SIGTERM end a run after the current step, with its checkpoint written."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A run was asked to stop and has saved its state.

    Attributes:
        exit_status: What the process ends with by convention: 128 plus the number of the signal.
    """

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


class StopRequest:
    """Notes the first SIGINT or SIGTERM inside its ``with`` block; a second one acts at once.

    Attributes:
        signal_number: The signal that arrived; none so far.
    """

    signal_number: int | None = None

    def __enter__(self) -> Self:
        self._previous: dict[int, Any] = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal_number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
