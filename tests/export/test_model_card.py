from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from dcr import __version__
from dcr.export import model_card

SETTINGS = {"stages": [{"name": "align", "steps": 10, "lr": 1e-4}], "generator": {"prompt": "", "seed": None}}
RESULTS = [
    {"benchmark": "MMVP-VLM | pairs", "before": "19.3", "after": "33.3"},
    {"benchmark": "clustering", "before": 0.73, "after": 0.76},
]


def card(**changes: Any) -> str:
    values: dict[str, Any] = {
        "name": "me/clip-dcr",
        "model_type": "clip",
        "source": "openai/clip-vit-large-patch14",
        "method": "dcr",
        "settings": SETTINGS,
        "results": RESULTS,
    }
    return model_card(**values | changes)


def test_front_matter_is_what_the_hub_reads() -> None:
    data: Any = ModelCard(card()).data
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "zero-shot-image-classification"
    assert data.base_model == "openai/clip-vit-large-patch14"
    assert {"clip", "dcr"} <= set(data.tags)


def test_local_source_is_not_published(tmp_path: Path) -> None:
    text = card(source=str(tmp_path))
    data: Any = ModelCard(text).data
    assert "base_model" not in data.to_dict()
    assert str(tmp_path) not in text


def test_settings_round_trip() -> None:
    block = card().split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(block) == SETTINGS


def test_table_has_a_row_per_result() -> None:
    lines = [line for line in card().splitlines() if line.startswith("|")]
    assert lines == [
        "| benchmark | before | after |",
        "| --- | --- | --- |",
        "| MMVP-VLM \\| pairs | 19.3 | 33.3 |",
        "| clustering | 0.73 | 0.76 |",
    ]
    assert "No benchmark has been run" in card(results=[])


def test_says_how_it_was_made_and_how_to_cite() -> None:
    text = card(model_type="siglip", method="naive")
    assert "SigLIP" in text
    assert f"dcr {__version__}, method `naive`" in text
    assert 'AutoModel.from_pretrained("me/clip-dcr")' in text
    assert "title     = {Diffusion Contrastive Reconstruction}" in text
    assert "author" not in text


def test_python_example_compiles() -> None:
    compile(card().split("```python\n")[1].split("```")[0], "card", "exec")


def test_rows_with_other_columns_are_an_error() -> None:
    with pytest.raises(KeyError):
        card(results=[*RESULTS, {"benchmark": "x"}])
