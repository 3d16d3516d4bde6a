"""The one schema of a run: for YAML, the command line and Python."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dcr.errors import DcrError
from dcr.presets import lab_variant, preset

Positive = Annotated[int, Field(gt=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Frozen):
    """One stage of a method."""

    objective: Literal["dcr", "reconstruction"]
    """The loss."""
    steps: Annotated[int, Field(ge=0)]
    """Optimizer updates."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Constant rate of AdamW."""


class Lora(_Frozen):
    """The low-rank adapter of the vision tower."""

    rank: Positive = 16
    """Rank of the update."""
    alpha: Positive = 16
    """The update is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout on the adapter's input."""
    bias: Literal["lora_only", "none"] = "lora_only"
    """Whether the biases of the adapted layers are trained too."""


class RunConfig(_Frozen):
    """Everything that decides the outcome of a run."""

    method: str = "dcr"
    """The method's preset."""
    encoder: str = "lab-clip"
    """The encoder to enhance: a CLIP or SigLIP folder or Hub id, lab-clip or lab-siglip."""
    generator: str = "lab-sd"
    """The generator that teaches: a Stable Diffusion 1.x/2.x folder or Hub id, or lab-sd."""
    data: str = "scenes"
    """Images: a folder, webdataset tars (folder, glob, brace pattern), a Hugging Face dataset, or scenes."""
    output: Path | None = None
    """The run folder; by default a new one under runs/."""
    seed: int = 0
    """Fixes data order, augmentation, noise and initial weights."""
    batch_size: Positive = 16
    """Images per micro-batch and process; the others of the batch are an image's negatives."""
    accumulation: Positive = 1
    """Micro-batches per optimizer update."""
    rows: Positive | None = None
    """Anchors predicted at once; by default as many as fit. Changes speed and memory only."""
    temperature: Annotated[float, Field(gt=0)] = 0.1
    """Temperature of the contrastive loss."""
    stage1: Stage
    """Trains the projector."""
    stage2: Stage
    """Trains the encoder."""
    lora: Lora = Lora()
    """The adapter that stage 2 trains."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Data worker processes."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """Of encoder and generator; auto is bf16 where the GPU has it. Loss and schedule are always float32."""
    checkpoint_every: Positive = 500
    """Optimizer updates between checkpoints."""

    @field_validator("batch_size")
    @classmethod
    def _has_negatives(cls, value: int) -> int:
        if value < 2:
            raise ValueError("a batch of one image has no negatives; use at least 2")
        return value


def default_config(*, method: str = "dcr", generator: str = "lab-sd", **values: Any) -> RunConfig:
    """Builds a config from a method's preset, with its lab variant for the lab's generator.

    Args:
        method: The method's preset.
        generator: See :class:`RunConfig`.
        **values: Any other key of :class:`RunConfig`; nested ones as mappings: ``stage1={"steps": 100}``.

    Raises:
        DcrError: If the method or a key is unknown, or a value is out of range.
    """
    layers = [preset("methods", method)]
    if generator == "lab-sd":
        layers.append(lab_variant("methods", method))
    resolved: dict[str, Any] = {"method": method, "generator": generator}
    for layer in [*layers, values]:
        resolved = _merge(resolved, layer)
    return parse_config(resolved, "the given values")


def parse_config(values: Mapping[str, Any], source: str) -> RunConfig:
    """Checks plain values against the schema.

    Args:
        values: Nested plain values.
        source: Where they come from, for the error message.

    Raises:
        DcrError: If a key is unknown (with the nearest known one) or a value is out of range.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise explain(error, source) from error


def explain(error: ValidationError, source: str) -> DcrError:
    """Turns the first complaint of the schema into one sentence with the key and the nearest known one."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] != "extra_forbidden":
        reason = first["msg"].removeprefix("Value error, ")
        return DcrError(f"Config key '{key}' in {source}: {reason}, got {first['input']!r}.")
    near = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known keys are {', '.join(RunConfig.model_fields)}."
    return DcrError(f"Unknown config key '{key}' in {source}; {hint}")


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML mapping.

    Raises:
        DcrError: If the file is missing, is not YAML, or is not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise DcrError(f"Cannot read the config file {path}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise DcrError(
            f"The config file {path} is not valid YAML: {' '.join(str(error).split())}."
        ) from error
    if not isinstance(values, dict):
        raise DcrError(f"The config file {path} must hold keys and values, such as 'batch_size: 16'.")
    return values


def write_yaml(config: RunConfig) -> str:
    """Formats a config as YAML for ``--config``, without the output folder, so that it can be reused."""
    return yaml.safe_dump(config.model_dump(mode="json", exclude={"output"}), sort_keys=False)


def changed_keys(old: RunConfig, new: RunConfig) -> list[str]:
    """Lists the dotted keys that decide the outcome (not output and workers) in which two configs differ."""
    free = {"output", "workers"}
    a, b = (dict(_flatten(config.model_dump(mode="json", exclude=free))) for config in (old, new))
    return [key for key in a if a[key] != b[key]]


def known_keys() -> list[str]:
    """Lists every dotted key of the schema."""
    return [key for key, _ in _flatten(default_config().model_dump())] + list(RunConfig.model_fields)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return merged
