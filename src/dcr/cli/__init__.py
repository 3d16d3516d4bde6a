"""The ``dcr`` command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from dcr import __version__
from dcr.errors import DcrError, unknown

_COMMANDS = {
    "enhance": "enhance an encoder",
    "evaluate": "measure an encoder on benchmarks",
    "lab": "make the lab's models (lab pretrain) or its benchmark (lab pairs)",
}
_USAGE = "\n".join(
    [
        "usage: dcr COMMAND [OPTIONS]      (dcr COMMAND --help tells the options)",
        "",
        "Make CLIP-like vision encoders see better.",
        "",
        *(f"  {name:10}{text}" for name, text in _COMMANDS.items()),
    ]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command; bad input ends with one sentence and status 2, a signal with 128 + its number."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE)
        return
    if arguments[0] == "--version":
        print(f"dcr {__version__}")
        return
    try:
        if arguments[0] not in _COMMANDS:
            raise unknown("command", arguments[0], _COMMANDS)
        run: Callable[[Sequence[str]], None] = import_module(f"dcr.cli.{arguments[0]}").run
        run(arguments[1:])
    except DcrError as error:
        print(f"dcr: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt as stop:
        print(f"dcr: {stop or 'stopped'}", file=sys.stderr)
        raise SystemExit(getattr(stop, "exit_status", 130)) from None
