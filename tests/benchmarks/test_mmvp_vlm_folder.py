from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dcr.benchmarks.mmvp_vlm_folder import pattern_of, read_pairs
from dcr.benchmarks.patterns import PATTERNS
from dcr.errors import DcrError
from tests.benchmarks.folders import TYPES, write_pair_folder, write_questions

SAID = [("red", "green")] * 18


@pytest.mark.parametrize("images", ["MLLM_VLM Images", "MLLM_VLM_Images", "MMVP_VLM_Images"])
@pytest.mark.parametrize("types", [TYPES, PATTERNS])
def test_every_published_layout_is_read(tmp_path: Path, images: str, types: tuple[str, ...]) -> None:
    pairs = read_pairs(write_pair_folder(tmp_path, SAID, images=images, types=types))
    assert [pair.pattern for pair in pairs] == [name for name in PATTERNS for _ in range(2)]
    assert pairs[1].ids == (3, 4) and pairs[1].statements == ("red", "green")
    assert [path.stem for path in pairs[-1].images] == ["35", "36"]


def test_nested_folder_other_suffixes_and_underscores(tmp_path: Path) -> None:
    write_pair_folder(tmp_path, SAID, images="MLLM_VLM Images/MLLM_VLM Images")
    images = tmp_path / "MLLM_VLM Images" / "MLLM_VLM Images"
    (images / "Structural Character").rename(images / "Structural_Character")
    (images / "Text" / "29.png").rename(images / "Text" / "29.jpg")
    paths = [path for pair in read_pairs(tmp_path) for path in pair.images]
    assert all(path.is_file() for path in paths)
    assert paths[28].name == "29.jpg" and paths[24].parent.name == "Structural_Character"


def test_words_name_patterns() -> None:
    assert [pattern_of(name) for name in (*PATTERNS, *TYPES)] == [*PATTERNS, *PATTERNS]
    assert pattern_of("Viewpoint") == pattern_of("camera perspective") == PATTERNS[8]
    assert pattern_of("Texture") is None
    assert pattern_of("State of the text") is None


def test_wrong_order_raises(tmp_path: Path) -> None:
    types = [TYPES[1], TYPES[0], *TYPES[2:]]
    with pytest.raises(
        DcrError, match=r"\(1, 2\) is of type 'Presence'.*belongs to 'Orientation and Direction'"
    ):
        read_pairs(write_pair_folder(tmp_path, SAID, types=types))


def rows() -> list[list[object]]:
    return [[2 * i + s, TYPES[i // 2], "red"] for i in range(18) for s in (1, 2)]


def changed(**changes: tuple[int, object]) -> list[list[object]]:
    table = rows()
    for column, (row, value) in changes.items():
        table[row][("id", "type", "statement").index(column)] = value
    return table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rows()[:-1], "35 questions, but 9 patterns with equally many pairs need a multiple of 18"),
        ([], "0 questions"),
        (changed(id=(3, "5")), r"pair \(3, 5\) must be an odd id followed by an even one"),
        (changed(id=(3, "x")), "line 5: expected id, type and statement"),
        (changed(statement=(0, " ")), "line 2: expected id, type and statement"),
        (changed(type=(5, "Smell")), "unknown type 'Smell'; the types are: Orientation and Direction,"),
        (
            changed(id=(35, 360)),
            r"Image .*Camera_Perspective/360.jpg is missing; .* has Camera_Perspective/,",
        ),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, table: list[list[object]], message: str) -> None:
    write_pair_folder(tmp_path, SAID)
    write_questions(tmp_path, table)
    with pytest.raises(DcrError, match=message):
        read_pairs(tmp_path)


def test_missing_header_is_named(tmp_path: Path) -> None:
    write_pair_folder(tmp_path, SAID)
    table = tmp_path / "Questions.csv"
    table.write_text("\n".join(table.read_text().splitlines()[1:]))
    with pytest.raises(
        DcrError, match="has no header: its first line should be 'Question ID,Type,Statement'"
    ):
        read_pairs(tmp_path)


def test_a_table_in_another_encoding_is_named(tmp_path: Path) -> None:
    write_pair_folder(tmp_path, SAID)
    (tmp_path / "Questions.csv").write_bytes(b"id,type,statement\n1,Orientation,caf\xe9\n")
    with pytest.raises(DcrError, match=r"Questions.csv is not a CSV file in UTF-8"):
        read_pairs(tmp_path)


def test_bad_layouts_say_what_is_there_and_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DcrError, match=r"There is no folder .*nowhere: MMVP-VLM needs Questions.csv"):
        read_pairs(tmp_path / "nowhere")
    write_pair_folder(tmp_path, SAID)
    (tmp_path / "Questions.csv").rename(tmp_path / "questions.txt")
    with pytest.raises(DcrError, match=r"it needs Questions.csv .*; it has MLLM_VLM Images/, questions.txt"):
        read_pairs(tmp_path)
    shutil.rmtree(tmp_path / "MLLM_VLM Images")
    with pytest.raises(
        DcrError, match=r"'MLLM_VLM Images', 'MLLM_VLM_Images', 'MMVP_VLM_Images'; it has questions.txt"
    ):
        read_pairs(tmp_path)
