from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dcr.config import changed_keys, default_config, parse_config, read_yaml, write_yaml
from dcr.errors import DcrError


def test_full_size_preset_has_the_published_numbers() -> None:
    """methods.md 4.5."""
    config = default_config(generator="some/stable-diffusion")
    assert (config.batch_size, config.accumulation, config.temperature) == (16, 2, 0.1)
    assert (config.stage1.steps, config.stage1.learning_rate) == (100_000, 1e-4)
    assert (config.stage2.steps, config.stage2.learning_rate, config.stage2.objective) == (4600, 1e-5, "dcr")
    assert config.lora.model_dump() == {"rank": 16, "alpha": 16, "dropout": 0.1, "bias": "lora_only"}


def test_lab_variant_changes_only_what_it_names() -> None:
    lab, full = default_config(), default_config(generator="some/stable-diffusion")
    assert lab.stage2.steps < full.stage2.steps
    assert lab.stage2.objective == full.stage2.objective
    assert lab.lora == full.lora


def test_yaml_round_trip() -> None:
    config = default_config(seed=7, stage2={"steps": 3})
    assert parse_config(yaml.safe_load(write_yaml(config)), "round trip") == config


def test_given_values_win_key_by_key() -> None:
    config = default_config(stage1={"steps": 5})
    assert config.stage1.steps == 5
    assert config.stage1.objective == default_config().stage1.objective


def test_changed_keys_are_dotted_and_ignore_what_changes_nothing() -> None:
    old = default_config(output=Path("a"), workers=0)
    new = default_config(output=Path("b"), workers=2, seed=1, lora={"rank": 8})
    assert changed_keys(old, new) == ["seed", "lora.rank"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_sise": 4}, "Unknown config key 'batch_sise' in .*; did you mean 'batch_size'"),
        ({"stage1": {"step": 4}}, "Unknown config key 'stage1.step' in .*; did you mean 'stage1.steps'"),
        ({"zzzzzz": 4}, "Unknown config key 'zzzzzz' in .*; known keys are method, encoder"),
        ({"batch_size": 1}, "'batch_size' in .* no negatives"),
        ({"stage2": {"objective": "mse"}}, "'stage2.objective' in .*'dcr' or 'reconstruction'"),
        ({"method": "dcrr"}, "Unknown method 'dcrr'; did you mean 'dcr'"),
    ],
)
def test_bad_values_are_one_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(DcrError, match=message):
        default_config(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "Cannot read"), ("a: [", "not valid YAML"), ("- a", "must hold keys and values")],
)
def test_bad_files_are_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DcrError, match=message) as error:
        read_yaml(path)
    assert "run.yaml" in str(error.value)
