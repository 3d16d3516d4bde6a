"""Presets are data: methods and pretraining recipes as YAML, model names as folders."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from dcr.errors import DcrError, unknown

LAB_MODELS = {"lab-clip": "clip", "lab-siglip": "siglip", "lab-sd": "stable-diffusion"}


def preset(kind: str, name: str) -> dict[str, Any]:
    """Reads one preset.

    Args:
        kind: ``"methods"`` or ``"pretraining"``.
        name: The preset's name.

    Raises:
        DcrError: If there is no such preset.
    """
    folder = resources.files("dcr.presets") / kind
    known = {Path(entry.name).stem: entry for entry in folder.iterdir() if entry.name.endswith(".yaml")}
    if name not in known:
        raise unknown(kind.rstrip("s"), name, (known_name for known_name in known if "." not in known_name))
    return dict(yaml.safe_load(known[name].read_text()))


def lab_variant(kind: str, name: str) -> dict[str, Any]:
    """Reads what a preset changes at the size of the lab; empty where it changes nothing."""
    path = resources.files("dcr.presets") / kind / f"{name}.lab.yaml"
    return dict(yaml.safe_load(path.read_text())) if path.is_file() else {}


def model_folder(name: str) -> str:
    """Resolves the name of an encoder or generator.

    Args:
        name: A model of the lab (``lab-clip``, ``lab-siglip``, ``lab-sd``), a local folder, or a Hub id.

    Returns:
        The folder, or the Hub id as it is.

    Raises:
        DcrError: If it is none of these.
    """
    if name in LAB_MODELS:
        return str(resources.files("dcr.lab") / "weights" / LAB_MODELS[name])
    if Path(name).is_dir():
        return name
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return name
    if "/" in name:
        raise DcrError(f"The model folder {name} does not exist.")
    raise unknown("model", name, LAB_MODELS)
