"""Checkpoints: a folder of safetensors and JSON, complete or not there at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from dcr.errors import DcrError
from dcr.files import atomic_folder, write_json, write_tensors

MODEL_FILE = "model.safetensors"
OPTIMIZER_FILE = "optimizer.safetensors"
STATE_FILE = "state.json"


def save_checkpoint(
    folder: Path,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    state: Mapping[str, Any],
) -> None:
    """Writes trained parameters, optimizer and counters atomically.

    Random states are not stored: every random stream is a function of the seed and the step
    (:mod:`dcr.seeds`), and so is the position in the data.

    Args:
        folder: The checkpoint's folder; an older one of the same name is replaced.
        parameters: The trained parameters by name, any shape and dtype.
        optimizer: The optimizer of exactly these parameters.
        state: Counters and whatever else is needed to go on; must be JSON.

    Raises:
        DcrError: If the disk is full or the folder cannot be written.
    """
    saved = optimizer.state_dict()
    moments = {
        f"{index}.{name}": torch.as_tensor(value)
        for index, values in saved["state"].items()
        for name, value in values.items()
    }
    with atomic_folder(folder) as partial:
        write_tensors(partial / MODEL_FILE, parameters)
        write_tensors(partial / OPTIMIZER_FILE, moments)
        write_json(partial / STATE_FILE, {**state, "param_groups": saved["param_groups"]})


def load_checkpoint(
    folder: Path, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Reads a checkpoint back, in place.

    Args:
        folder: A folder written by :func:`save_checkpoint`.
        parameters: The parameters to fill, under the names they were saved with.
        optimizer: The optimizer to fill.

    Returns:
        The ``state`` that was saved.

    Raises:
        DcrError: If a file is missing or broken, or the parameters are not those of the checkpoint.
    """
    load_parameters(folder, parameters)
    try:
        state = json.loads((folder / STATE_FILE).read_text())
        moments = load_file(folder / OPTIMIZER_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        raise DcrError(
            f"The checkpoint {folder} is damaged ({error}): delete it to resume from an earlier one."
        ) from error
    optimizer_state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        index, name = key.split(".", 1)
        optimizer_state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": optimizer_state, "param_groups": state.pop("param_groups")})
    return dict(state)


def load_parameters(folder: Path, parameters: Mapping[str, nn.Parameter]) -> None:
    """Fills parameters in place from a checkpoint's model file.

    Raises:
        DcrError: If the file is missing or broken, or a name or shape differs.
    """
    try:
        tensors = load_file(folder / MODEL_FILE)
    except (OSError, SafetensorError) as error:
        raise DcrError(
            f"The checkpoint {folder} is damaged ({error}): delete it to resume from an earlier one."
        ) from error
    for name in sorted(set(tensors) ^ set(parameters)):
        raise DcrError(f"The checkpoint {folder} does not fit this run: '{name}' is in only one of them.")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != tensors[name].shape:
                raise DcrError(
                    f"The checkpoint {folder} does not fit this run: '{name}' has shape "
                    f"{tuple(tensors[name].shape)} there and {tuple(parameter.shape)} here."
                )
            parameter.copy_(tensors[name])
