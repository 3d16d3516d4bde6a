from __future__ import annotations

import os
import signal

import pytest

from dcr.training.stopping import Stopped, StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_is_noted_and_the_old_handler_is_back(number: int) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert stop.signal_number is None
        os.kill(os.getpid(), number)
        assert stop.signal_number == number
        assert signal.getsignal(number) == before
    assert signal.getsignal(number) == before


def test_second_ctrl_c_acts_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_exit_status_is_that_of_the_signal() -> None:
    assert Stopped(signal.SIGTERM, "saved").exit_status == 143
