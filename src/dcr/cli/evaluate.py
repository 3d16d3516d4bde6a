"""``dcr evaluate``: measures an encoder with one or more benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import tyro

from dcr.benchmarks.results import (
    BenchmarkName,
    Result,
    Scores,
    check_overwrite,
    load_result,
    result_path,
    save_result,
    weights_fingerprint,
)
from dcr.errors import DcrError
from dcr.presets import model_folder


@dataclass(frozen=True)
class Evaluate:
    """Measure an encoder with one or more benchmarks; every number comes with its count and 95 % interval."""

    encoder: Annotated[str, tyro.conf.Positional]
    """Folder or Hub id of the encoder, or lab-clip or lab-siglip."""

    benchmark: tyro.conf.UseAppendAction[tuple[BenchmarkName, ...]] = ()
    """What to measure; repeat it for several benchmarks."""

    data: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Folder of the data, or the built-in 'scenes' (made on the spot) or 'digits': one for each benchmark in
    the same order, or one for all."""

    name: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Name of the data in the results, one for each --data; the folder's name if not given."""

    output: Path = Path("results")
    """Folder of the results: <output>/<encoder>/<name>/<benchmark>.json."""

    batch_size: int = 64
    """Images per forward pass."""

    seed: int = 0
    """First of the five seeds of k-means."""

    against: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """Results of another encoder to compare with, by paired tests: files, or its folder in --output."""

    overwrite: bool = False
    """Replace results of other weights under the same name."""


def run(arguments: Sequence[str]) -> None:
    """Runs ``dcr evaluate`` with what follows it on the command line."""
    evaluate(tyro.cli(Evaluate, prog="dcr evaluate", args=list(arguments)))


def evaluate(arguments: Evaluate) -> None:
    """Writes one JSON file per benchmark and prints tables.

    Everything that can be checked is checked before the encoder is run.

    Args:
        arguments: What was given on the command line.

    Raises:
        DcrError: If an argument, the data or the encoder is not usable.
    """
    jobs = _jobs(arguments)
    opponents = {path: _opponents(path, jobs) for path in arguments.against}

    import torch

    from dcr.benchmarks.suite import open_benchmark
    from dcr.encoders import load_encoder

    evaluations = [
        open_benchmark(job.benchmark, job.data, batch_size=arguments.batch_size, seed=arguments.seed)
        for job in jobs
    ]
    encoder = load_encoder(model_folder(arguments.encoder))
    weights = weights_fingerprint(encoder.model)
    if not arguments.overwrite:
        for job in jobs:
            check_overwrite(job.path, weights)
    encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    results = []
    for job, evaluation in zip(jobs, evaluations, strict=True):
        result = Result(
            encoder=arguments.encoder, weights=weights, dataset=job.dataset, scores=evaluation(encoder)
        )
        save_result(job.path, result)
        _show(result, job.path)
        results.append(result)
    for path, candidates in opponents.items():
        _show_comparison(path, candidates, results)


@dataclass(frozen=True)
class _Job:
    benchmark: BenchmarkName
    data: str
    dataset: str
    path: Path


def _jobs(arguments: Evaluate) -> list[_Job]:
    benchmarks, data, names = arguments.benchmark, arguments.data, arguments.name
    if not benchmarks:
        raise DcrError(f"Say what to measure: --benchmark with one of {', '.join(get_args(BenchmarkName))}.")
    if arguments.batch_size < 1:
        raise DcrError(f"--batch-size is {arguments.batch_size}: it must be 1 or more.")
    if len(data) not in (1, len(benchmarks)):
        raise DcrError(
            f"{len(benchmarks)} times --benchmark need --data once for all or {len(benchmarks)} times, "
            f"not {len(data)} times."
        )
    if names and len(names) != len(data):
        raise DcrError(f"--name is given {len(names)} times and --data {len(data)} times: name each of them.")
    names = names or tuple(Path(path).expanduser().resolve().name for path in data)
    if len(data) < len(benchmarks):
        data, names = data * len(benchmarks), names * len(benchmarks)
    jobs = [
        _Job(benchmark, path, name, result_path(arguments.output, arguments.encoder, name, benchmark))
        for benchmark, path, name in zip(benchmarks, data, names, strict=True)
    ]
    paths = [job.path for job in jobs]
    for path in paths:
        if paths.count(path) > 1:
            raise DcrError(f"Two of the benchmarks would write {path}: tell their data apart with --name.")
    return jobs


def _opponents(path: Path, jobs: list[_Job]) -> list[Result]:
    """Loads the results that ``--against`` names; one of them must be of a benchmark that is run."""
    results = [load_result(file) for file in (sorted(path.glob("*/*.json")) if path.is_dir() else [path])]
    if not {job.benchmark for job in jobs} & {result.scores.benchmark for result in results}:
        raise DcrError(f"--against {path} has no result of the benchmarks that are run.")
    return results


def _show(result: Result, path: Path) -> None:
    from rich.console import Console
    from rich.markup import escape

    from dcr.benchmarks.tables import scores_table

    scores = result.scores
    heading = f"{escape(f'{result.encoder} on {result.dataset}')}: {scores.n} {scores.item}"
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"[bold]{heading}\n")
    console.print(scores_table(scores))
    console.print(f"Written to {escape(str(path))}\n")


def _show_comparison(path: Path, candidates: list[Result], results: list[Result]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from dcr.benchmarks.tables import before_after_table

    pairs = [
        (old, new)
        for new in results
        for old in candidates
        if (old.scores.benchmark, old.scores.data) == (new.scores.benchmark, new.scores.data)
    ]
    if not pairs:
        raise DcrError(f"--against {path} was measured on other data, so there is nothing to compare.")
    console = Console(soft_wrap=True, highlight=False)
    for dataset in dict.fromkeys(new.dataset for _, new in pairs):
        chosen = [(old, new) for old, new in pairs if new.dataset == dataset]
        heading = f"{dataset}\nbefore: {chosen[0][0].encoder}\nafter: {chosen[0][1].encoder}"
        before: dict[str, Scores] = {old.scores.benchmark: old.scores for old, _ in chosen}
        after: dict[str, Scores] = {new.scores.benchmark: new.scores for _, new in chosen}
        console.print(f"[bold]{escape(heading)}\n")
        console.print(before_after_table(before, after), "")
