"""The benchmarks by name: opened on their data, run on encoders, and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dcr.benchmarks import clustering, mmvp_vlm, probe, retrieval, zero_shot
from dcr.benchmarks.built_in_images import DIGITS, SCENES, lab_pairs, labelled_images
from dcr.benchmarks.features import BATCH_SIZE
from dcr.benchmarks.image_folder import captioned_folder
from dcr.benchmarks.mmvp_vlm_folder import read_pairs
from dcr.benchmarks.results import BenchmarkName, Scores
from dcr.benchmarks.statistics import PairedTest
from dcr.errors import DcrError, unknown

if TYPE_CHECKING:
    from dcr.encoders import Encoder

Evaluation = Callable[["Encoder"], Scores]

_COMPARE: Mapping[str, Callable[[Scores, Scores], dict[str, PairedTest]]] = {
    "mmvp-vlm": mmvp_vlm.compare,
    "clustering": clustering.compare,
    "retrieval": retrieval.compare,
    "zero-shot": zero_shot.compare,
    "probe": probe.compare,
}
_BUILT_IN = {SCENES: ("mmvp-vlm", "clustering", "zero-shot", "probe"), DIGITS: ("clustering", "zero-shot")}


def open_benchmark(name: str, data: str, *, batch_size: int = BATCH_SIZE, seed: int = 0) -> Evaluation:
    """Reads and checks the data of a benchmark, so that mistakes show before any encoder is loaded.

    Args:
        name: One of ``BenchmarkName``.
        data: A folder, or the built-in ``"scenes"`` or ``"digits"``.
        batch_size: Images per forward pass.
        seed: First seed of k-means.

    Returns:
        What measures an encoder.

    Raises:
        DcrError: If the benchmark is unknown, or the data are not what it takes.
    """
    if name not in _COMPARE:
        raise unknown("benchmark", name, _COMPARE)
    if name not in _BUILT_IN.get(data, _COMPARE):
        raise DcrError(f"The benchmark {name} has no built-in data '{data}': give a folder with --data.")
    folder = Path(data).expanduser()
    match name:
        case "mmvp-vlm":
            pairs = read_pairs(lab_pairs() if data == SCENES else folder)
            return partial(mmvp_vlm.evaluate_pairs, pairs=pairs, batch_size=batch_size)
        case "clustering":
            images = labelled_images(data)
            return partial(clustering.evaluate, images=images, batch_size=batch_size, seed=seed)
        case "zero-shot":
            return partial(zero_shot.evaluate, images=labelled_images(data), batch_size=batch_size)
        case "retrieval":
            return partial(retrieval.evaluate, images=captioned_folder(folder), batch_size=batch_size)
    if data != SCENES:
        raise DcrError(f"The probe reads the attributes of the lab's scenes: give --data scenes, not {data}.")
    return partial(probe.evaluate, batch_size=batch_size)


def evaluate_lab(
    encoder: Encoder,
    *,
    benchmarks: Sequence[BenchmarkName] = ("mmvp-vlm", "clustering"),
    batch_size: int = BATCH_SIZE,
) -> dict[str, Scores]:
    """Runs benchmarks on the lab's own data.

    Args:
        encoder: The encoder.
        benchmarks: Which; all but retrieval have lab data.
        batch_size: Images per forward pass.

    Returns:
        Scores by benchmark.
    """
    return {name: open_benchmark(name, SCENES, batch_size=batch_size)(encoder) for name in benchmarks}


def compare(before: Scores, after: Scores) -> dict[str, PairedTest]:
    """Tests two encoders against each other on the same items.

    Args:
        before: Scores of the first encoder.
        after: Scores of the second.

    Returns:
        A paired test for every metric.

    Raises:
        DcrError: If they are of different benchmarks, data or settings.
    """
    for what in ("benchmark", "data", "settings"):
        old, new = getattr(before, what), getattr(after, what)
        if old != new:
            values = "" if what == "data" else f" ({old} and {new})"
            raise DcrError(
                f"Two {before.benchmark} results differ in their {what}{values} and cannot be compared: "
                "evaluate both encoders on the same data in the same way."
            )
    return _COMPARE[before.benchmark](before, after)
