"""Time and memory of one training step: the plain full grid against streamed rows and shifted attention.

    python benchmarks/rows.py --batch-size 8 --image-size 224 --steps 2

Three ways to compute the same gradient, each in a process of its own, on one set of random weights shaped
like Stable Diffusion 2.1 (four levels, linear projections, 77 positions of width 1024; a fifth of its width):

* ``full grid``: as the research code does it. All ``B * B + B`` predictions with plain cross-attention, in
  one graph with the encoder, then one backward pass.
* ``streamed``: rows of ``B + 1`` predictions, each with its own backward pass, plain cross-attention.
* ``streamed, shifted``: what ``dcr`` does.

VAE and text encoder are left out: the same for all (the research code also embeds the empty prompt anew in
every step). Losses and gradients must agree, or the script fails.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
from transformers.utils import logging

from dcr.conditioning import Projector
from dcr.generators import Noised, StableDiffusion
from dcr.objectives import DCR
from dcr.training.rows import streamed_backward

METHODS = ("full grid", "streamed", "streamed, shifted")
FEATURE_WIDTH, CONDITION_WIDTH, POSITIONS = 128, 1024, 77
TOLERANCE = 1e-3

Found = tuple[dict[str, float], dict[str, Tensor]]


@dataclass(frozen=True)
class Step:
    """Everything that one step needs.

    Attributes:
        student: Encoder and projector, ``[2B, 3, S, S]`` to ``[2B, 1024]``.
        teacher: Frozen generator.
        pixels: Images, then their augmented views.
        noised: Noised latents of the images.
        rows: Anchors at a time, where rows are streamed.
    """

    student: nn.Sequential
    teacher: StableDiffusion
    pixels: Tensor
    noised: Noised
    rows: int


class Pooled(nn.Module):
    """A small random CLIP vision tower: pixels to its projected feature."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        config = CLIPVisionConfig(
            hidden_size=192,
            intermediate_size=768,
            num_hidden_layers=6,
            num_attention_heads=6,
            patch_size=14,
            image_size=image_size,
            projection_dim=FEATURE_WIDTH,
        )
        self.model = CLIPVisionModelWithProjection(config)

    def forward(self, pixels: Tensor) -> Tensor:
        embeds: Tensor = self.model(pixels).image_embeds
        return embeds


def build_teacher(*, shifted: bool) -> StableDiffusion:
    """A fifth of the channels of Stable Diffusion 2.1, all else alike; random weights."""
    unet = UNet2DConditionModel(
        block_out_channels=(64, 128, 256, 256),
        attention_head_dim=(1, 2, 4, 4),
        cross_attention_dim=CONDITION_WIDTH,
        use_linear_projection=True,
    )
    vae = AutoencoderKL(block_out_channels=(32, 32, 32, 32))
    scheduler = DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="v_prediction"
    )
    return StableDiffusion(
        vae=vae,
        unet=unet,
        scheduler=scheduler,
        empty_prompt=torch.randn(POSITIONS, CONDITION_WIDTH),
        cross_attention="auto" if shifted else "plain",
    )


def build_step(batch_size: int, image_size: int, rows: int, *, shifted: bool) -> Step:
    """Draws weights and batch from fixed seeds, so that every process has the same."""
    torch.manual_seed(0)
    teacher = build_teacher(shifted=shifted)
    student = nn.Sequential(Pooled(image_size), Projector(FEATURE_WIDTH, CONDITION_WIDTH))
    rng = torch.Generator().manual_seed(1)
    side = image_size // teacher.latent_scale
    noised = teacher.noise(torch.randn(batch_size, 4, side, side, generator=rng), rng)
    return Step(student, teacher, torch.randn(2 * batch_size, 3, image_size, image_size), noised, rows)


def full_grid_backward(step: Step, conditions: Tensor) -> Tensor:
    """Every prediction first, in one graph; then every loss; then one backward pass."""
    noised, batch_size = step.noised, len(step.noised.noisy)
    own, positive = conditions.chunk(2)
    positives = step.teacher.predict(noised.noisy, noised.timesteps, positive)
    grid = []
    for anchor in range(batch_size):
        noisy = noised.noisy[anchor].expand(batch_size, -1, -1, -1)
        grid.append(step.teacher.predict(noisy, noised.timesteps[anchor].expand(batch_size), own))
    rows = []
    for anchor, predictions in enumerate(grid):
        negatives = [predictions[other] for other in range(batch_size) if other != anchor]
        rows.append(torch.stack([predictions[anchor], positives[anchor], *negatives]))
    losses = DCR()(torch.stack(rows), noised.target)
    torch.autograd.backward(losses.mean())
    return losses.detach()


def run_step(method: str, step: Step) -> dict[str, Tensor]:
    """One forward and backward through encoder, projector and generator."""
    step.student.zero_grad()
    conditions: Tensor = step.student(step.pixels)
    conditions.retain_grad()
    if method == "full grid":
        losses = full_grid_backward(step, conditions)
    else:
        losses = streamed_backward(DCR(), step.teacher.predict, step.noised, conditions, rows=step.rows)
    gradients = [
        parameter.grad.flatten() for parameter in step.student.parameters() if parameter.grad is not None
    ]
    assert conditions.grad is not None
    return {"losses": losses, "conditions": conditions.grad, "student": torch.cat(gradients)}


def peak_mib() -> float:
    """Peak resident memory of this process so far, MiB (the kernel counts in KiB, that of macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def work(method: str, arguments: argparse.Namespace) -> None:
    """Measures one method and writes what it found; the whole life of a child process."""
    logging.set_verbosity_error()
    shifted = method.endswith("shifted")
    step = build_step(arguments.batch_size, arguments.image_size, arguments.rows, shifted=shifted)
    loaded, seconds, results = peak_mib(), [], {}
    for _ in range(arguments.steps):
        start = time.perf_counter()
        results = run_step(method, step)
        seconds.append(time.perf_counter() - start)
    save_file(results, arguments.output / "results.safetensors")
    measured = {
        "seconds": statistics.median(seconds),
        "loaded_mib": loaded,
        "peak_mib": peak_mib(),
        "unet_parameters": sum(parameter.numel() for parameter in step.teacher.unet.parameters()),
        "threads": torch.get_num_threads(),
    }
    (arguments.output / "measured.json").write_text(json.dumps(measured))


def measure(method: str, folder: Path) -> Found:
    """Runs this script anew for one method."""
    folder.mkdir()
    command = [sys.executable, __file__, *sys.argv[1:], "--method", method, "--output", str(folder)]
    subprocess.run(command, check=True)
    return json.loads((folder / "measured.json").read_text()), load_file(folder / "results.safetensors")


def difference(result: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest absolute value."""
    return ((result - expected).abs().max() / expected.abs().max()).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batch-size", type=int, default=8, help="images (default 8)")
    parser.add_argument(
        "--image-size", type=int, default=224, help="px; latents have an eighth (default 224)"
    )
    parser.add_argument("--steps", type=int, default=2, help="timed steps; their median is shown (default 2)")
    parser.add_argument("--rows", type=int, default=1, help="anchors at a time where streamed (default 1)")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.method:
        work(arguments.method, arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {method: measure(method, Path(folder) / method) for method in METHODS}
    report(found, arguments)


def report(
    found: dict[str, tuple[dict[str, float], dict[str, Tensor]]], arguments: argparse.Namespace
) -> None:
    """Checks that all methods agree and prints a Markdown table."""
    measured, expected = found["full grid"]
    millions = measured["unet_parameters"] / 1e6
    print(
        f"batch {arguments.batch_size}, {arguments.image_size} px, R = {arguments.rows}, "
        f"{measured['threads']:.0f} threads, float32, UNet {millions:.1f} M parameters\n"
    )
    print("| | s / step | ratio | peak MiB | above loaded | ratio | loss diff. | gradient diff. |")
    print("|---|---|---|---|---|---|---|---|")
    for method, (numbers, results) in found.items():
        grown, full = (each["peak_mib"] - each["loaded_mib"] for each in (numbers, measured))
        loss = difference(results["losses"], expected["losses"])
        gradient = max(difference(results[name], expected[name]) for name in ("conditions", "student"))
        print(
            f"| {method} | {numbers['seconds']:.2f} | {measured['seconds'] / numbers['seconds']:.2f}x "
            f"| {numbers['peak_mib']:.0f} | {grown:.0f} | {full / grown:.1f}x | {loss:.1e} | {gradient:.1e} |"
        )
        assert max(loss, gradient) < TOLERANCE, f"{method} does not agree with the full grid"


if __name__ == "__main__":
    main()
