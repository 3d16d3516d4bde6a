"""The folder of a run: who owns it, and where everything in it lies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dcr.config import RunConfig, changed_keys, parse_config, read_yaml, write_yaml
from dcr.errors import DcrError
from dcr.files import write_error
from dcr.training.checkpoints import STATE_FILE

KEPT_CHECKPOINTS = 2


class RunFolder:
    """A run's files: config, metrics, checkpoints, projector, adapter, encoder and results."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.yaml"
        self.metrics = root / "metrics.jsonl"
        self.projector = root / "projector.safetensors"
        self.adapter = root / "adapter"
        self.encoder = root / "encoder"
        self.results = root / "results.json"

    @classmethod
    def claim(cls, config: RunConfig, *, resume: bool) -> RunFolder:
        """Opens the folder of a new or an interrupted run.

        Args:
            config: The run's config; without ``output``, a new folder under ``runs/`` is taken.
            resume: Whether to go on with the run that the folder holds. A run that failed before its first
                update may be started anew.

        Raises:
            DcrError: If the folder holds another run, or ``resume`` comes with a changed config.
        """
        run = cls(config.output or _free_folder(Path("runs"), config))
        if resume and run.config.exists():
            old = parse_config(read_yaml(run.config), str(run.config))
            if changed := changed_keys(old, config):
                raise DcrError(
                    f"Cannot resume {run.root} with a changed config ({', '.join(changed)}): "
                    "resume without these, or give another --output."
                )
            return run
        if run.metrics.exists():
            raise DcrError(
                f"{run.root} holds a run already: add --resume to go on, or give another --output."
            )
        if run.root.exists() and any(run.root.iterdir()) and not run.config.exists():
            raise DcrError(f"{run.root} holds files that are not a run's: give another --output.")
        if resume and config.output:
            raise DcrError(f"{run.root} holds no run to resume: leave out --resume to start one.")
        try:
            run.root.mkdir(parents=True, exist_ok=True)
            run.config.write_text(write_yaml(config))
        except OSError as error:
            raise write_error(run.root, error) from error
        return run

    def checkpoint(self, stage: str, step: int) -> Path:
        """Names the checkpoint after ``step`` updates of a stage."""
        return self.root / "checkpoints" / f"{stage}-{step:08d}"

    def latest_checkpoint(self, stage: str) -> Path | None:
        """Finds the newest complete checkpoint of a stage."""
        found = self._checkpoints(stage)
        return found[-1] if found else None

    def prune_checkpoints(self, stage: str) -> None:
        """Keeps the newest checkpoints of a stage only."""
        for folder in self._checkpoints(stage)[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(folder)

    def log(self, record: Mapping[str, Any]) -> None:
        """Appends one line to the metrics."""
        try:
            with self.metrics.open("a") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise write_error(self.metrics, error) from error

    def rewind_metrics(self, stage: str, step: int) -> None:
        """Drops the metrics of updates after ``step`` of a stage, which are about to be repeated."""
        if not self.metrics.exists():
            return
        lines = self.metrics.read_text().splitlines(keepends=True)
        complete = [line for line in lines if line.endswith("\n")]
        records = [json.loads(line) for line in complete]
        kept = [
            line
            for line, record in zip(complete, records, strict=True)
            if record["stage"] != stage or record["step"] <= step
        ]
        partial = self.metrics.with_name(".metrics.partial")
        partial.write_text("".join(kept))
        partial.replace(self.metrics)

    def _checkpoints(self, stage: str) -> list[Path]:
        return sorted(path.parent for path in self.root.glob(f"checkpoints/{stage}-*/{STATE_FILE}"))


def _free_folder(parent: Path, config: RunConfig) -> Path:
    name = f"{config.method}-{Path(config.encoder).name}"
    candidates = (parent / (name if number == 1 else f"{name}-{number}") for number in range(1, 1_000_000))
    return next(folder for folder in candidates if not folder.exists())
