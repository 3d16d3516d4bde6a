"""Finding the folder of a pretrained model, and reading it without the libraries' chatter."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import snapshot_download
from transformers.utils import logging

from dcr.errors import DcrError


def is_hub_id(source: str | Path) -> bool:
    """Whether a source means a Hub repository: it has the form of an id, and nothing local has its name."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(source)) is not None and not Path(source).exists()


def locate(source: str | Path, *, what: str, files: Sequence[str], ignored: Sequence[str] = ()) -> Path:
    """Returns the local folder of a model, with the wanted files of a Hub repository downloaded.

    Args:
        source: A local folder or a Hub id; a folder wins where both could be meant.
        what: What the folder should hold, for the error message.
        files: Patterns of the files to fetch.
        ignored: Patterns of files not to fetch after all.

    Raises:
        DcrError: If there is neither.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(source):
        raise DcrError(f"There is no folder {source}: give the folder of {what}, or a Hub id.")
    try:
        return Path(snapshot_download(str(source), allow_patterns=list(files), ignore_patterns=list(ignored)))
    except (OSError, ValueError) as error:
        raise DcrError(
            f"There is no folder {source}, and it cannot be fetched from the Hub either "
            f"({one_line(error)}); give a local folder."
        ) from error


@contextmanager
def quiet(*, progress: bool = False) -> Iterator[None]:
    """Silences transformers' and peft's warnings, and their progress bars unless ``progress``."""
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not progress:
        logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()


def one_line(error: Exception) -> str:
    """Shortens a library's error to what fits into a sentence."""
    return textwrap.shorten(str(error) or type(error).__name__, 200)
