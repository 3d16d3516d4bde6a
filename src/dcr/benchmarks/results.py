"""What a benchmark measured, and the JSON file that keeps it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dcr import __version__
from dcr.benchmarks.statistics import percent, wilson_interval
from dcr.errors import DcrError
from dcr.files import write_json

if TYPE_CHECKING:
    from torch import nn

SCHEMA_VERSION: Final = 1

BenchmarkName = Literal["mmvp-vlm", "clustering", "retrieval", "zero-shot", "probe"]


class Metric(BaseModel):
    """One measured number.

    Attributes:
        value: The number.
        unit: ``"%"`` for a value in [0, 100]; empty for one that has its own scale.
        low: Lower end of its 95 % interval; absent where there is none.
        high: Upper end.
        count: Successes, where the metric is a share.
        n: Trials, where the metric is a share.
        std: Sample standard deviation over k-means seeds, where there are several.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    unit: Literal["%", ""] = ""
    low: float | None = None
    high: float | None = None
    count: int | None = None
    n: int | None = None
    std: float | None = None

    @classmethod
    def share(cls, count: int, n: int) -> Self:
        """Makes the metric of ``count`` successes in ``n`` trials, with its Wilson interval."""
        low, high = wilson_interval(count, n)
        return cls(value=percent(count, n), unit="%", low=100 * low, high=100 * high, count=count, n=n)


class Scores(BaseModel):
    """What one benchmark measured of one encoder.

    Attributes:
        benchmark: Name of the benchmark.
        n: Number of items.
        item: What an item is, e.g. ``"pairs"``.
        data: Fingerprint of the items: two scores can be compared only if it is equal.
        settings: Everything else that two comparable scores must share, e.g. the prompt.
        metrics: The numbers by name, in the order of the table.
        details: Outcomes per item, from which :func:`dcr.benchmarks.suite.compare` tests two encoders.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: BenchmarkName
    n: int
    item: str
    data: str
    settings: dict[str, Any]
    metrics: dict[str, Metric]
    details: dict[str, Any]


class Result(BaseModel):
    """Scores with where they come from: the content of one result file.

    Attributes:
        schema_version: Version of this format.
        dcr_version: Version of dcr that measured.
        encoder: Folder or Hub id of the encoder.
        weights: Fingerprint of its weights, :func:`weights_fingerprint`.
        dataset: Name of the data.
        scores: What was measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    dcr_version: str = __version__
    encoder: str
    weights: str
    dataset: str
    scores: Scores


def fingerprint(parts: Iterable[str | bytes]) -> str:
    """Returns the sha256 (hex) of a sequence of texts or bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
    return digest.hexdigest()


def weights_fingerprint(model: nn.Module) -> str:
    """Returns the sha256 (hex) of a model's weights: their names, shapes and float32 values.

    It is taken of the weights in memory, so it is the same however a checkpoint is sharded or named, and an
    encoder that was never saved has one too.

    Args:
        model: The transformers model of an encoder.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def result_path(output: Path, encoder: str, dataset: str, benchmark: str) -> Path:
    """Returns ``<output>/<encoder>/<dataset>/<benchmark>.json``.

    The encoder's part is made of the last two components of its path or Hub id, enough to tell
    ``runs/a/encoder`` from ``runs/b/encoder``: ``a-encoder``, ``b-encoder``.
    """
    folder = Path(encoder).expanduser()
    components = (folder.resolve() if folder.is_dir() else folder).parts[-2:]
    return Path(output) / _slug("-".join(components)) / _slug(dataset) / f"{benchmark}.json"


def load_result(path: Path) -> Result:
    """Reads a result file.

    Raises:
        DcrError: If it is missing, is not a result, or was written in another format.
    """
    try:
        content = json.loads(Path(path).read_text())
    except OSError as error:
        raise DcrError(f"Cannot read the result {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise DcrError(f"{path} is not JSON ({error}): give a file that 'dcr evaluate' wrote.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version is None:
        raise DcrError(f"{path} is not a result of 'dcr evaluate': it has no schema_version.")
    if version != SCHEMA_VERSION:
        raise DcrError(
            f"{path} has result format {version}, and dcr {__version__} reads format {SCHEMA_VERSION}: "
            "evaluate that encoder again."
        )
    try:
        return Result.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DcrError(f"{path} is not a valid result: {place}: {first['msg']}.") from error


def check_overwrite(path: Path, weights: str) -> None:
    """Refuses to replace a result of other weights.

    Args:
        path: Where a result is about to be written.
        weights: Fingerprint of the weights that it is of.

    Raises:
        DcrError: If there is a result of other weights, or something that is no result.
    """
    if path.exists() and load_result(path).weights != weights:
        raise DcrError(
            f"{path} holds the result of other weights under the same name: "
            "give another --output, or --overwrite to replace it."
        )


def save_result(path: Path, result: Result) -> None:
    """Writes a result file atomically.

    Raises:
        DcrError: If the folder cannot be written or the disk is full.
    """
    write_json(path, result.model_dump(mode="json", exclude_none=True))


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "unnamed"
