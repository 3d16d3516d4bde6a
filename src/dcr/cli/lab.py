"""``dcr lab``: how the lab's models and its benchmark are made."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from dcr.errors import unknown
from dcr.presets import preset


@dataclass(frozen=True)
class Pairs:
    """Write the lab's pair benchmark in the folder layout of MMVP-VLM."""

    output: Path
    """A new folder."""
    pairs_per_pattern: int = 15
    """Pairs of each of the nine patterns."""
    seed: int = 0
    """Another seed gives other pairs."""


def run(arguments: Sequence[str]) -> None:
    """Runs ``dcr lab pretrain`` or ``dcr lab pairs``."""
    actions = {"pretrain": _pretrain, "pairs": _pairs}
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: dcr lab {pretrain,pairs} [OPTIONS]")
        return
    if arguments[0] not in actions:
        raise unknown("lab action", arguments[0], actions)
    actions[arguments[0]](arguments[1:])


def _pretrain(arguments: Sequence[str]) -> None:
    from dcr.lab.pretraining.pipeline import pretrain
    from dcr.lab.pretraining.recipe import PretrainRecipe

    scan = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    scan.add_argument("--recipe", default="lab")
    found, rest = scan.parse_known_args(arguments)
    values: dict[str, Any] = preset("pretraining", found.recipe)
    recipe = tyro.cli(
        PretrainRecipe,
        prog="dcr lab pretrain [--recipe lab|photos]",
        args=rest,
        default=PretrainRecipe.model_validate(values),
        config=(tyro.conf.AvoidSubcommands,),
    )
    pretrain(recipe)
    print(f"The models lie in {recipe.output}.")


def _pairs(arguments: Sequence[str]) -> None:
    from dcr.lab.pairs import write_pairs

    parsed = tyro.cli(Pairs, prog="dcr lab pairs", args=list(arguments))
    write_pairs(parsed.output, pairs_per_pattern=parsed.pairs_per_pattern, seed=parsed.seed)
    print(f"{9 * parsed.pairs_per_pattern} pairs lie in {parsed.output}.")
