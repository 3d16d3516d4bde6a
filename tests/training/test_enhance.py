from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPModel, CLIPProcessor, SiglipModel

from dcr.errors import DcrError
from dcr.training.enhance import enhance
from dcr.training.loop import StageLoop
from dcr.training.run_folder import RunFolder
from dcr.training.stopping import Stopped
from tests.tiny import tiny_stable_diffusion
from tests.tiny_encoders import tiny_clip, tiny_siglip
from tests.training.conftest import tiny_config


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.encoder / "model.safetensors")


def metrics(run: RunFolder) -> list[tuple[str, int, float]]:
    records = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [(record["stage"], record["step"], record["loss"]) for record in records]


@pytest.fixture(scope="module")
def finished(parts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return enhance(tiny_config(parts, tmp_path_factory.mktemp("runs") / "run"))


def test_run_folder_is_complete(finished: RunFolder) -> None:
    names = {path.name for path in finished.root.iterdir()}
    assert names >= {"config.yaml", "metrics.jsonl", "tensorboard", "checkpoints", "encoder", "adapter"}
    assert "projector.safetensors" in names
    assert {path.name for path in finished.adapter.iterdir()} >= {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert [entry[:2] for entry in metrics(finished)] == [
        (s, n) for s in ("stage1", "stage2") for n in (1, 2, 3)
    ]
    assert list((finished.root / "tensorboard").rglob("events.*"))


def test_only_the_vision_tower_changes(finished: RunFolder, parts: dict[str, str]) -> None:
    before = CLIPModel.from_pretrained(parts["encoder"], dtype=torch.float32).state_dict()
    after = CLIPModel.from_pretrained(finished.encoder).state_dict()
    CLIPProcessor.from_pretrained(finished.encoder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(("vision_model.", "visual_projection.")) for name in changed)


def test_same_seed_same_bits_other_seed_other_bits(
    finished: RunFolder, parts: dict[str, str], tmp_path: Path
) -> None:
    again = weights(enhance(tiny_config(parts, tmp_path / "again")))
    other = weights(enhance(tiny_config(parts, tmp_path / "other", seed=1)))
    assert all(torch.equal(tensor, again[name]) for name, tensor in weights(finished).items())
    assert any(not torch.equal(tensor, other[name]) for name, tensor in weights(finished).items())


@pytest.mark.parametrize("rows", [1, 3])
def test_rows_change_nothing_but_rounding(
    finished: RunFolder, parts: dict[str, str], tmp_path: Path, rows: int
) -> None:
    streamed = enhance(tiny_config(parts, tmp_path / "run", rows=rows))
    for expected, found in zip(metrics(finished), metrics(streamed), strict=True):
        assert found[2] == pytest.approx(expected[2], abs=1e-4)


@pytest.mark.parametrize(("stage", "step"), [("stage1", 1), ("stage1", 3), ("stage2", 2)])
def test_interrupted_and_resumed_equals_uninterrupted(
    finished: RunFolder,
    parts: dict[str, str],
    tmp_path: Path,
    stage: str,
    step: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C after any update, also one without a checkpoint of its own."""
    config = tiny_config(parts, tmp_path / "run")
    report = StageLoop._report

    def interrupting(self: StageLoop, progress: object, at: int, *rest: object) -> None:
        report(self, progress, at, *rest)  # type: ignore[arg-type]
        if (self.name, at) == (stage, step):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(StageLoop, "_report", interrupting)
        with pytest.raises(Stopped, match=r"saved.*--resume"):
            enhance(config)
    resumed = enhance(config, resume=True)
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(finished).items())
    assert metrics(resumed) == metrics(finished)


def test_killed_between_checkpoints_equals_uninterrupted(
    finished: RunFolder, parts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(parts, tmp_path / "run")
    report = StageLoop._report

    def dying(self: StageLoop, progress: object, at: int, *rest: object) -> None:
        report(self, progress, at, *rest)  # type: ignore[arg-type]
        if (self.name, at) == ("stage2", 3):
            raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(StageLoop, "_report", dying)
        with pytest.raises(MemoryError):
            enhance(config)
    resumed = enhance(config, resume=True)
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(finished).items())
    assert metrics(resumed) == metrics(finished)


def test_folder_of_another_run_is_refused(finished: RunFolder, parts: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(DcrError, match="holds a run already"):
        enhance(tiny_config(parts, finished.root))
    with pytest.raises(DcrError, match=r"changed config \(seed, stage2.steps\)"):
        changes = {"seed": 5, "stage2": {"steps": 9, "learning_rate": 1e-3}}
        enhance(tiny_config(parts, finished.root, **changes), resume=True)
    (tmp_path / "precious.txt").write_text("")
    with pytest.raises(DcrError, match="not a run's"):
        enhance(tiny_config(parts, tmp_path))
    with pytest.raises(DcrError, match="no run to resume"):
        enhance(tiny_config(parts, tmp_path / "new"), resume=True)


def test_loss_that_is_not_finite_stops_and_names_the_batch(
    parts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dcr.objectives import DCR

    honest, calls = DCR.__call__, []

    def broken(self: DCR, predictions: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        losses = honest(self, predictions, target)
        return losses * float("nan") if len(calls) > 4 else losses

    monkeypatch.setattr(DCR, "__call__", broken)
    config = tiny_config(parts, tmp_path / "run")
    with pytest.raises(DcrError, match=r"not finite at stage1 step 3, images .*png.*stage1-00000002"):
        enhance(config)
    assert (tmp_path / "run" / "checkpoints" / "stage1-00000002").exists()


def test_generator_of_another_latent_size_is_refused(parts: dict[str, str], tmp_path: Path) -> None:
    encoder = tiny_clip(tmp_path / "clip", image_size=33)
    with pytest.raises(DcrError, match="33 px do not divide by the 2 px"):
        enhance(tiny_config({**parts, "encoder": str(encoder)}, tmp_path / "run"))


def test_siglip_is_enhanced_by_the_same_code(parts: dict[str, str], tmp_path: Path) -> None:
    encoder = tiny_siglip(tmp_path / "siglip")
    run = enhance(tiny_config({**parts, "encoder": str(encoder)}, tmp_path / "run"))
    before = SiglipModel.from_pretrained(encoder, dtype=torch.float32).state_dict()
    after = SiglipModel.from_pretrained(run.encoder).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("vision_model.") for name in changed)


def test_velocity_generator_teaches_too(parts: dict[str, str], tmp_path: Path) -> None:
    generator = tiny_stable_diffusion(
        tmp_path / "sd", prediction_type="v_prediction", linear_projection=False
    )
    run = enhance(tiny_config({**parts, "generator": str(generator)}, tmp_path / "run"))
    assert len(metrics(run)) == 6
