"""Images on the disk: folders of classes, and folders with captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from PIL import Image

from dcr.benchmarks.results import fingerprint
from dcr.errors import DcrError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


class ImageFiles(Sequence[Image.Image]):
    """Image files that are opened when they are asked for.

    Attributes:
        paths: The files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Image.Image: ...

    @overload
    def __getitem__(self, index: slice) -> ImageFiles: ...

    def __getitem__(self, index: int | slice) -> Image.Image | ImageFiles:
        """Opens one image, or takes a part of the files.

        Raises:
            DcrError: If a file is missing or is not an image.
        """
        if isinstance(index, slice):
            return ImageFiles(self.paths[index])
        try:
            with Image.open(self.paths[index]) as image:
                image.load()
                return image
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise DcrError(f"{self.paths[index]} cannot be read as an image: {error}.") from error


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    Attributes:
        images: N images.
        labels: N indices into ``classes``.
        classes: K names; underscores are read as spaces in a prompt.
        data: Fingerprint of images and labels.
    """

    images: Sequence[Image.Image]
    labels: list[int]
    classes: list[str]
    data: str


@dataclass(frozen=True)
class CaptionedImages:
    """Images with one or more captions each.

    Attributes:
        images: N images.
        captions: N lists of captions.
        data: Fingerprint of images and captions.
    """

    images: Sequence[Image.Image]
    captions: list[list[str]]
    data: str


def class_folder(folder: Path) -> LabelledImages:
    """Reads a folder with one subfolder of images per class.

    Args:
        folder: The folder; images may lie deeper inside a class, other files are left alone.

    Raises:
        DcrError: If there are fewer than two classes, or a class without images.
    """
    _require_folder(folder)
    groups = {path.name: _image_paths(path) for path in sorted(folder.iterdir()) if _is_class(path)}
    if len(groups) < 2:
        raise DcrError(
            f"{folder} needs one subfolder of images per class, at least two; it has {listing(folder)}."
        )
    for name, paths in groups.items():
        if not paths:
            raise DcrError(f"The class folder {folder / name} has no images: fill or delete it.")
    paths = [path for group in groups.values() for path in group]
    labels = [label for label, group in enumerate(groups.values()) for _ in group]
    data = fingerprint(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}" for path in paths)
    return LabelledImages(ImageFiles(paths), labels, list(groups), data)


def captioned_folder(folder: Path) -> CaptionedImages:
    """Reads a folder whose metadata.jsonl has an image and its captions on every line.

    Args:
        folder: Every line of its metadata.jsonl has ``file_name`` and one of ``captions`` (a list),
            ``caption`` or ``text``.

    Raises:
        DcrError: If metadata.jsonl, an image or a caption is missing.
    """
    _require_folder(folder)
    metadata = folder / "metadata.jsonl"
    if not metadata.is_file():
        raise DcrError(
            f"{folder} needs a metadata.jsonl with file_name and captions; it has {listing(folder)}."
        )
    with metadata.open(encoding="utf-8") as lines:
        rows = [
            _captioned(folder, line, f"{metadata}, line {number}")
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
    if not rows:
        raise DcrError(f"{metadata} is empty: every line should have file_name and captions.")
    paths, captions = [path for path, _ in rows], [texts for _, texts in rows]
    data = fingerprint(
        part for path, texts in rows for part in (f"{path.name} {path.stat().st_size}", *texts)
    )
    return CaptionedImages(ImageFiles(paths), captions, data)


def listing(folder: Path) -> str:
    """Names what lies in a folder, shortened, for messages."""
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    return ", ".join(names[:6]) + ", ..." * (len(names) > 6) if names else "nothing"


def _captioned(folder: Path, line: str, place: str) -> tuple[Path, list[str]]:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise DcrError(f"{place} is not JSON: {error}.") from error
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
        raise DcrError(f"{place} has no file_name.")
    found = next((row[key] for key in ("captions", "caption", "text") if row.get(key)), None)
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DcrError(f"{place} has no captions: give 'captions' (a list of texts), 'caption' or 'text'.")
    path = folder / row["file_name"]
    if not path.is_file():
        raise DcrError(f"{place} names the image {path}, which does not exist.")
    return path, texts


def _image_paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DcrError(f"There is no folder {folder}: give an existing one with --data.")
