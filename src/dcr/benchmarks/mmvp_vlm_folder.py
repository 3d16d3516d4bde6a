"""The folder of MMVP-VLM: Questions.csv and one image folder per visual pattern (methods.md 5)."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from dcr.benchmarks.image_folder import listing
from dcr.benchmarks.patterns import PATTERNS
from dcr.errors import DcrError

IMAGE_FOLDERS = ("MLLM_VLM Images", "MLLM_VLM_Images", "MMVP_VLM_Images")
QUESTIONS = "Questions.csv"

_WORDS = (
    {"orientation", "direction"},
    {"presence", "feature", "features"},
    {"state", "condition"},
    {"quantity", "count"},
    {"positional", "position", "relational", "spatial"},
    {"color", "colour", "appearance"},
    {"structural", "structure"},
    {"text", "texts"},
    {"viewpoint", "perspective", "camera"},
)
"""For each of PATTERNS the words that tell it from the others, as published names and folders use them."""


@dataclass(frozen=True)
class Pair:
    """Two images that differ in one visual pattern, and a statement that is true of each.

    Attributes:
        pattern: One of ``PATTERNS``.
        ids: Question ids, odd and even.
        statements: The statement of the first and of the second image.
        images: The files.
    """

    pattern: str
    ids: tuple[int, int]
    statements: tuple[str, str]
    images: tuple[Path, Path]


@dataclass(frozen=True)
class _Question:
    id: int
    type: str
    statement: str


def read_pairs(folder: Path) -> list[Pair]:
    """Reads and checks the pairs of MMVP-VLM, or of any benchmark in its layout.

    Consecutive rows make a pair. The pattern comes from the type column, and must be the one that the
    position says: the nine patterns in their published order, equally many pairs of each.

    Args:
        folder: Has Questions.csv with a header and the columns id, type, statement, and a folder of images,
            in which image ``<id>`` is ``<type>/<id>.jpg`` (.jpeg and .png do as well).

    Raises:
        DcrError: If anything is missing or not as said.
    """
    images = _image_root(folder)
    table = folder / QUESTIONS
    questions = _read_questions(table)
    if not questions or len(questions) % (2 * len(PATTERNS)):
        raise DcrError(
            f"{table} has {len(questions)} questions, but {len(PATTERNS)} patterns with equally many pairs "
            f"need a multiple of {2 * len(PATTERNS)}."
        )
    per_pattern = len(questions) // (2 * len(PATTERNS))
    pairs = zip(questions[::2], questions[1::2], strict=True)
    return [_pair(table, images, *pair, PATTERNS[index // per_pattern]) for index, pair in enumerate(pairs)]


def pattern_of(name: str) -> str | None:
    """Recognises a visual pattern by its distinctive words.

    Args:
        name: A published name or the name of an image folder, e.g. ``"Camera_Perspective"``.

    Returns:
        One of ``PATTERNS``, or nothing if no pattern or several are meant.
    """
    words = set(re.findall(r"[a-z]+", name.lower()))
    meant = [pattern for pattern, distinctive in zip(PATTERNS, _WORDS, strict=True) if words & distinctive]
    return meant[0] if len(meant) == 1 else None


def _pair(table: Path, images: Path, first: _Question, second: _Question, expected: str) -> Pair:
    place = f"{table}: pair ({first.id}, {second.id})"
    if first.id % 2 == 0 or second.id % 2 == 1:
        raise DcrError(
            f"{place} must be an odd id followed by an even one: the id says which image is meant."
        )
    for question in (first, second):
        pattern = pattern_of(question.type)
        if pattern is None:
            raise DcrError(
                f"{place} is of the unknown type '{question.type}'; the types are: {', '.join(PATTERNS)}."
            )
        if pattern != expected:
            raise DcrError(
                f"{place} is of type '{question.type}', but by its position it belongs to '{expected}': the "
                "patterns must come in their published order, each with the same number of pairs."
            )
    return Pair(
        pattern=expected,
        ids=(first.id, second.id),
        statements=(first.statement, second.statement),
        images=(_image(images, first), _image(images, second)),
    )


def _read_questions(table: Path) -> list[_Question]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DcrError(f"{table} is not a CSV file in UTF-8: {error}.") from error
    if rows and rows[0][1][0].strip().isdigit():
        raise DcrError(f"{table} has no header: its first line should be 'Question ID,Type,Statement'.")
    questions = []
    for line, row in rows[1:]:
        if len(row) != 3 or not row[0].strip().isdigit() or not row[2].strip():
            raise DcrError(f"{table}, line {line}: expected id, type and statement, found {row}.")
        questions.append(_Question(int(row[0]), row[1].strip(), row[2]))
    return questions


def _image_root(folder: Path) -> Path:
    expected = f"{QUESTIONS} and one of the folders {', '.join(repr(name) for name in IMAGE_FOLDERS)}"
    if not folder.is_dir():
        raise DcrError(f"There is no folder {folder}: MMVP-VLM needs {expected}.")
    roots = [folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir()]
    if not roots or not (folder / QUESTIONS).is_file():
        raise DcrError(f"{folder} is not MMVP-VLM: it needs {expected}; it has {listing(folder)}.")
    nested = roots[0] / roots[0].name
    return nested if nested.is_dir() else roots[0]


def _image(images: Path, question: _Question) -> Path:
    folders = dict.fromkeys((question.type, question.type.replace(" ", "_"), question.type.replace("_", " ")))
    for folder in folders:
        for suffix in (".jpg", ".jpeg", ".png"):
            path = images / folder / f"{question.id}{suffix}"
            if path.is_file():
                return path
    raise DcrError(
        f"Image {images / question.type / str(question.id)}.jpg is missing; {images} has {listing(images)}."
    )
