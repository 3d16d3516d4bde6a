"""From the words a user writes to the images they mean."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from dcr.data.decode import EXTENSIONS
from dcr.data.folder import ImageFolder, visible_files
from dcr.data.samples import Source
from dcr.data.tars import TarFiles
from dcr.errors import DcrError


def open_source(source: str, *, image_size: int) -> Source:
    """Opens a collection of images.

    Args:
        source: One of

            * a folder of images, with whatever metadata beside them;
            * webdataset archives: a folder of ``*.tar``, one ``.tar``, a glob, a brace pattern such as
              ``train-{00000..00005}.tar``, or one or a pattern of them as a URL or ``hf://`` path;
            * a Hugging Face dataset: a `save_to_disk` folder, a folder or glob of ``.parquet`` files, or a
              Hub id ``org/name``; of several splits, ``train``;
            * ``scenes``, the lab's world.

            Folders are searched recursively. Where one holds several kinds, .tar files count before images
            and images before ``.parquet`` files.
        image_size: Side of the views that the images are for, px; only scenes are drawn to measure.

    Raises:
        DcrError: If there is no such source, or no image in it.
    """
    path = Path(source).expanduser()
    if source == "scenes":
        from dcr.data.scenes import ScenePool

        return ScenePool(image_size)
    if source and path.is_dir():
        return _open_folder(source, path)
    if path.is_file():
        return _open_files(source, [path])
    if "://" in source:
        return _open_urls(source)
    if any(mark in source for mark in "*?[{"):
        return _open_files(source, _matches(source))
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", source):
        return _stream(source, source, remote=True)
    near = "; did you mean 'scenes'?" if difflib.get_close_matches(source, ["scenes"]) else "."
    raise DcrError(
        f"The image source '{source}' is neither an existing folder or file, nor a Hub id like 'org/name', "
        f"nor 'scenes'{near}"
    )


def _open_folder(source: str, folder: Path) -> Source:
    if any((folder / name).is_file() for name in ("state.json", "dataset_dict.json")):
        from dcr.data.hub import SavedDataset

        return SavedDataset(source, folder)
    files = visible_files(folder)
    if tars := [file for file in files if file.suffix == ".tar"]:
        return TarFiles(source, tars)
    if images := [file for file in files if file.suffix.lower() in EXTENSIONS]:
        return ImageFolder(source, folder, images)
    if any(file.suffix in {".parquet", ".arrow"} for file in files):
        return _stream(source, str(folder.resolve()), remote=False)
    raise DcrError(f"The folder '{source}' has no image, .tar or .parquet file in it; name the one that has.")


def _open_files(source: str, files: list[Path]) -> Source:
    endings = {file.suffix for file in files}
    if endings == {".tar"}:
        return TarFiles(source, files)
    if endings == {".parquet"}:
        return _stream(source, "parquet", [str(file.resolve()) for file in files], remote=False)
    raise DcrError(
        f"The image source '{source}' means files that are not all .tar or all .parquet; name their folder."
    )


def _open_urls(source: str) -> Source:
    urls = expand_braces(source)
    if not all(url.endswith(".tar") for url in urls):
        raise DcrError(
            f"The URL '{source}' does not end in .tar, and only webdataset archives are read from URLs."
        )
    return _stream(source, "webdataset", urls, remote=True)


def _stream(source: str, builder: str, files: list[str] | None = None, *, remote: bool) -> Source:
    from dcr.data.hub import DatasetStream

    return DatasetStream(source, builder, files, remote=remote)


def _matches(source: str) -> list[Path]:
    found: set[Path] = set()
    for pattern in expand_braces(source):
        path = Path(pattern).expanduser()
        within = str(path.relative_to(path.anchor))
        files = [file for file in Path(path.anchor).glob(within) if file.is_file()]
        if not files:
            raise DcrError(f"The image source '{source}' has no file that matches '{pattern}'.")
        found.update(files)
    if not found:
        raise DcrError(f"The image source '{source}' stands for no file; write the smaller number first.")
    return sorted(found)


def expand_braces(pattern: str) -> list[str]:
    """Expands ``{a,b}`` and ``{00..12}`` as a shell does, keeping leading zeros; each result once."""
    brace = re.search(r"\{([^{}]*)\}", pattern)
    if brace is None:
        return [pattern]
    span = re.fullmatch(r"(\d+)\.\.(\d+)", brace[1])
    if span:
        choices = [f"{number:0{len(span[1])}d}" for number in range(int(span[1]), int(span[2]) + 1)]
    else:
        choices = brace[1].split(",")
    before, after = pattern[: brace.start()], pattern[brace.end() :]
    expanded = [whole for choice in choices for whole in expand_braces(f"{before}{choice}{after}")]
    return list(dict.fromkeys(expanded))
