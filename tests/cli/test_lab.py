from __future__ import annotations

from pathlib import Path

import pytest

from dcr.cli import main

TINY = [
    *("--images", "30", "--vocabulary", "560"),
    *("--clip.width", "32", "--clip.layers", "1", "--clip.text-layers", "1"),
    *("--clip.steps", "1", "--clip.batch-size", "4"),
    *("--siglip.width", "32", "--siglip.layers", "1", "--siglip.text-layers", "1"),
    *("--siglip.steps", "1", "--siglip.batch-size", "4"),
    *("--vae.channels", "8", "8", "--vae.steps", "1", "--vae.batch-size", "2"),
    *("--denoiser.channels", "32", "32", "--denoiser.text-width", "32", "--denoiser.text-layers", "1"),
    *("--denoiser.steps", "1", "--denoiser.batch-size", "2"),
]


def test_models_from_nothing_to_an_enhanced_encoder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole story on the command line: pretrain, enhance, evaluate."""
    models, run = tmp_path / "models", tmp_path / "run"
    main(["lab", "pretrain", "--output", str(models), *TINY])
    assert {path.name for path in models.iterdir()} >= {"clip", "siglip", "stable-diffusion", "recipe.yaml"}
    enhance = ["enhance", "--encoder", str(models / "clip"), "--generator", str(models / "stable-diffusion")]
    steps = ["--stage1.steps", "1", "--stage2.steps", "1", "--batch-size", "2", "--accumulation", "1"]
    images = models.parent / "images"
    main(["lab", "pairs", "--output", str(tmp_path / "pairs"), "--pairs-per-pattern", "1"])
    (tmp_path / "pairs" / "MLLM_VLM Images").rename(images)
    main([*enhance, "--data", str(images), *steps, "--output", str(run), "--workers", "0"])
    assert f"lies in {run / 'encoder'}" in " ".join(capsys.readouterr().out.split())
    evaluate = ["evaluate", str(run / "encoder"), "--benchmark", "clustering", "--data", "digits"]
    main([*evaluate, "--output", str(tmp_path / "results")])
    assert list((tmp_path / "results").rglob("clustering.json"))


def test_pairs_refuse_a_folder_with_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious.txt").write_text("")
    with pytest.raises(SystemExit) as stop:
        main(["lab", "pairs", "--output", str(tmp_path)])
    assert stop.value.code == 2
    assert "not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lab", "pretain"], "did you mean 'pretrain'"),
        (["lab", "pretrain", "--recipe", "photo"], "did you mean 'photos'"),
    ],
)
def test_unknown_names_are_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
