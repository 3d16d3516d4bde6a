from __future__ import annotations

from dcr.errors import unknown


def test_unknown_names_the_nearest() -> None:
    message = str(unknown("method", "dcrr", ["diva", "dcr"]))
    assert message == "Unknown method 'dcrr'; did you mean 'dcr'? Known: dcr, diva."


def test_unknown_without_a_near_name_lists_all() -> None:
    assert str(unknown("method", "zzz", ["dcr"])) == "Unknown method 'zzz'. Known: dcr."
