from __future__ import annotations

from pathlib import Path

import pytest

from dcr.errors import DcrError
from dcr.lab.pretraining.recipe import PretrainRecipe
from dcr.presets import LAB_MODELS, model_folder, preset


@pytest.mark.parametrize("name", LAB_MODELS)
def test_lab_models_ship_with_the_package(name: str) -> None:
    assert Path(model_folder(name), "model_index.json" if name == "lab-sd" else "config.json").exists()


def test_folders_and_hub_ids_pass_through(tmp_path: Path) -> None:
    assert model_folder(str(tmp_path)) == str(tmp_path)
    assert model_folder("openai/clip-vit-large-patch14") == "openai/clip-vit-large-patch14"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lab-clipp", "did you mean 'lab-clip'"),
        ("./missing/folder", "does not exist"),
        ("/a/b", "does not exist"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(DcrError, match=message):
        model_folder(name)


@pytest.mark.parametrize("name", ["lab", "photos"])
def test_recipes_fit_the_schema(name: str) -> None:
    PretrainRecipe.model_validate(preset("pretraining", name))
