"""Small data folders for the stub encoder, which sees colours only."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from dcr.benchmarks.patterns import PATTERNS

TYPES = (
    *("Orientation", "Presence", "State", "Quantity", "Spatial", "Color"),
    *("Structural Character", "Text", "Camera_Perspective"),
)
"""The types in Questions.csv of the original."""

Colour = tuple[int, int, int]
RED, GREEN = (200, 0, 0), (0, 200, 0)


def picture(path: Path, colour: Colour) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 5), colour).save(path)
    return path


def write_pair_folder(
    folder: Path,
    said: Sequence[tuple[str, str]],
    *,
    types: Sequence[str] = TYPES,
    images: str = "MLLM_VLM Images",
    colours: tuple[Colour, Colour] = (RED, GREEN),
) -> Path:
    """Writes pairs of a red and a green image, like MMVP-VLM; ``("red", "green")`` is a right pair."""
    rows = []
    for index, statements in enumerate(said):
        kind = types[index // (len(said) // len(PATTERNS))]
        for question, (statement, colour) in enumerate(zip(statements, colours, strict=True), 2 * index + 1):
            picture(folder / images / kind / f"{question}.png", colour)
            rows.append((question, kind, statement))
    write_questions(folder, rows)
    return folder


def write_questions(folder: Path, rows: Sequence[Sequence[object]]) -> None:
    with (folder / "Questions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("Question ID", "Type", "Statement"), *rows])


def write_class_folder(folder: Path, images: dict[str, Sequence[Colour]]) -> Path:
    for name, colours in images.items():
        for index, colour in enumerate(colours):
            picture(folder / name / f"{index:03}.png", colour)
    return folder


def write_captioned_folder(folder: Path, rows: Sequence[tuple[Colour, dict[str, object]]]) -> Path:
    lines = []
    for index, (colour, captions) in enumerate(rows):
        picture(folder / f"{index}.png", colour)
        lines.append(json.dumps({"file_name": f"{index}.png", **captions}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder
