"""Tiny folders, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import tiny_stable_diffusion


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stable_diffusion(tmp_path_factory.mktemp("generators") / "sd2")


@pytest.fixture(scope="session")
def velocity_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("generators") / "velocity"
    return tiny_stable_diffusion(path, prediction_type="v_prediction")
