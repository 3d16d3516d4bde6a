"""``dcr enhance``: the main job, from an encoder to a better one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import tyro
from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from dcr.config import RunConfig, default_config, explain, read_yaml
from dcr.errors import DcrError


class EnhanceArguments(RunConfig):
    """Enhance a CLIP-like encoder with the feedback of a diffusion model.

    Without arguments the lab's encoder is enhanced, in minutes on a laptop. Defaults below are those of the
    method's preset (and of --config, if given).
    """

    config: Path | None = None
    """A YAML file with any of these keys, such as the config.yaml of another run."""
    resume: bool = False
    """Go on with the run in --output."""

    @model_validator(mode="wrap")
    @classmethod
    def _one_sentence(cls, values: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(values)
        except ValidationError as error:
            raise explain(error, "the command line") from error


def parse(arguments: Sequence[str]) -> tuple[RunConfig, bool]:
    """Reads the command line, over ``--config``, over the method's preset.

    Args:
        arguments: What follows ``dcr enhance``.

    Returns:
        The resolved config, and whether to resume.

    Raises:
        DcrError: If a config file, or a key or value in it, is bad.
    """
    default = default_config(**_base_values(arguments))
    parsed = tyro.cli(
        EnhanceArguments,
        prog="dcr enhance",
        args=list(arguments),
        default=EnhanceArguments.model_construct(**dict(default)),
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    return RunConfig.model_validate(parsed.model_dump(exclude={"config", "resume"})), parsed.resume


def run(arguments: Sequence[str]) -> None:
    """Enhances an encoder, and evaluates it before and after where the images are the lab's scenes."""
    config, resume = parse(arguments)
    from dcr.cli.enhance_report import report
    from dcr.training.enhance import enhance

    report(enhance(config, resume=resume), config)


def _base_values(arguments: Sequence[str]) -> dict[str, Any]:
    """Finds what decides the defaults: the run to resume or the config file, the method and the generator."""
    scan = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--config", "--method", "--generator", "--output"):
        scan.add_argument(flag)
    scan.add_argument("--resume", action="store_true")
    found, _ = scan.parse_known_args(arguments)
    values: dict[str, Any] = {}
    if found.resume:
        if not found.output:
            raise DcrError("--resume needs --output, the folder of the run to go on with.")
        stored = Path(found.output) / "config.yaml"
        if not stored.exists():
            raise DcrError(f"{found.output} holds no run to resume: leave out --resume to start one.")
        values = read_yaml(stored)
    if found.config:
        values |= read_yaml(Path(found.config))
    chosen = {"method": found.method, "generator": found.generator}
    return values | {key: value for key, value in chosen.items() if value}
