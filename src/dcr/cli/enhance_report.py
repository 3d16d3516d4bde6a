"""What ``dcr enhance`` says at its end: where the encoder lies, and whether it is better."""

from __future__ import annotations

import json

from rich.console import Console
from rich.markup import escape

from dcr.benchmarks.results import Scores
from dcr.benchmarks.suite import evaluate_lab
from dcr.benchmarks.tables import before_after_table
from dcr.config import RunConfig
from dcr.encoders import load_encoder
from dcr.files import write_json
from dcr.presets import model_folder
from dcr.training.run_folder import RunFolder

ROLES = ("before", "after")


def report(run: RunFolder, config: RunConfig) -> None:
    """Evaluates both encoders where the images are the lab's scenes, which bring their own benchmarks.

    Args:
        run: The finished run; gets ``results.json``.
        config: The run's config.
    """
    if config.data == "scenes":
        if not run.results.exists():
            folders = (model_folder(config.encoder), str(run.encoder))
            scores = {
                role: evaluate_lab(load_encoder(folder)) for role, folder in zip(ROLES, folders, strict=True)
            }
            plain = {
                role: {name: score.model_dump(mode="json") for name, score in by_name.items()}
                for role, by_name in scores.items()
            }
            write_json(run.results, plain)
        stored = json.loads(run.results.read_text())
        before, after = (
            {name: Scores.model_validate(score) for name, score in stored[role].items()} for role in ROLES
        )
        Console().print(before_after_table(before, after, title=escape(f"{config.encoder}, {config.method}")))
    print(f"The enhanced encoder lies in {run.encoder}")
    if config.data != "scenes":
        print(f"Measure it: dcr evaluate {run.encoder} --benchmark mmvp-vlm --data DIR")
