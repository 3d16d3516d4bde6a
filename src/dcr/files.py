"""Writing so that an interrupted or failed write never leaves half a file."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from dcr.errors import DcrError

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yields a temporary sibling folder that takes the place of ``folder`` when the block succeeds.

    Args:
        folder: Where the content belongs; an existing folder is replaced.

    Raises:
        DcrError: If the disk is full or the folder cannot be written.
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except (OSError, SafetensorError) as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file atomically, indented, with the keys in their given order."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(value, indent=2) + "\n")
        temporary.replace(path)
    except OSError as error:
        if temporary.is_file():
            temporary.unlink()
        raise write_error(path, error) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file atomically.

    Raises:
        DcrError: If the disk is full or the file cannot be written.
    """
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise write_error(path, error) from error


def write_error(path: Path, error: Exception) -> DcrError:
    """Builds the error for a failed write, naming a full disk as such (safetensors says it in words only)."""
    if getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC}" in str(error):
        return DcrError(f"No space left on the disk of {path}: free some, then add --resume to go on.")
    return DcrError(f"Cannot write {path}: {getattr(error, 'strerror', None) or error}.")
