"""How good the lab's models are: P and D of its encoders, and what its generator knows.

    python benchmarks/lab_quality.py [--models FOLDER]

The generator is asked the benchmark's own question: of two scenes that differ in one attribute, does each get
the lower denoising error under its own full caption? A pair is right if both do; guessing gets 25 %.
"""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from dcr.benchmarks.statistics import wilson_interval
from dcr.benchmarks.suite import evaluate_lab
from dcr.encoders import load_encoder
from dcr.lab.captions import full_caption
from dcr.lab.drawing import render, scene_arrays
from dcr.lab.pairs import PATTERN_ATTRIBUTES, sample_pair
from dcr.lab.scenes import Scene

PAIRS = 100
DRAWS = 16


class Teller:
    """A Stable Diffusion folder with its text encoder: denoising errors of scenes under captions."""

    def __init__(self, folder: Path) -> None:
        self.vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
        self.text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        self.scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")

    @torch.no_grad()
    def errors(self, scenes: list[Scene], captions: list[str], seed: int) -> torch.Tensor:
        """Mean squared error of the predicted noise, [N], averaged over the same draws for every caption."""
        pixels = (
            torch.from_numpy(np.stack([render(scene) for scene in scenes])).permute(0, 3, 1, 2) / 127.5 - 1
        )
        latents = self.vae.encode(pixels).latent_dist.mean * self.vae.config.scaling_factor
        tokens = self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
        prompts = self.text_encoder(tokens["input_ids"]).last_hidden_state
        rng = torch.Generator().manual_seed(seed)
        total = torch.zeros(len(scenes))
        for draw in range(DRAWS):
            time = torch.full((len(scenes),), int((draw + 0.5) / DRAWS * 1000))
            noise = torch.randn(latents.shape, generator=rng)
            noisy = self.scheduler.add_noise(latents, noise, time)
            predicted = self.unet(noisy, time, prompts).sample
            total += (predicted - noise).square().mean(dim=(1, 2, 3))
        return total / DRAWS


def percent(right: int, n: int) -> str:
    low, high = wilson_interval(right, n)
    return f"{100 * right / n:5.1f} % [{100 * low:.1f}, {100 * high:.1f}] ({right}/{n})"


def report_generator(folder: Path) -> None:
    teller = Teller(folder)
    pixels, _ = scene_arrays(500, 987_654)
    with torch.no_grad():
        truth = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
        decoded = teller.vae.decode(teller.vae.encode(truth).latent_dist.mean).sample.clamp(-1, 1)
    psnr = 10 * torch.log10(4 / (decoded - truth).square().mean())
    print(f"autoencoder: PSNR {psnr:.1f} dB on 500 new scenes")
    firsts, seconds, patterns = [], [], []
    for number, (pattern, attributes) in enumerate(PATTERN_ATTRIBUTES.items()):
        for index in range(PAIRS):
            pair = sample_pair(
                attributes[index % len(attributes)], np.random.default_rng([987_654, number, index])
            )
            firsts.append(pair[0])
            seconds.append(pair[1])
            patterns.append(pattern)
    right = torch.ones(len(firsts), dtype=torch.bool)
    own_total, other_total, empty_total = 0.0, 0.0, 0.0
    for scenes, others in ((firsts, seconds), (seconds, firsts)):
        own = teller.errors(scenes, [full_caption(scene) for scene in scenes], 0)
        other = teller.errors(scenes, [full_caption(scene) for scene in others], 0)
        empty = teller.errors(scenes, [""] * len(scenes), 0)
        right &= own < other
        own_total += own.mean().item() / 2
        other_total += other.mean().item() / 2
        empty_total += empty.mean().item() / 2
    print(
        f"denoising error: {own_total:.4f} under the own caption, {other_total:.4f} with one value wrong, "
        f"{empty_total:.4f} under the empty prompt"
    )
    for pattern in PATTERN_ATTRIBUTES:
        hits = [bool(hit) for hit, of in zip(right, patterns, strict=True) if of == pattern]
        print(f"  {pattern:36} {percent(sum(hits), len(hits))}")
    print(f"  {'average':36} {percent(int(right.sum()), len(right))}")


def report_encoder(folder: Path) -> None:
    scores = evaluate_lab(load_encoder(folder), benchmarks=("mmvp-vlm", "clustering", "zero-shot", "probe"))
    for name, of in scores.items():
        print(f"{folder.name} {name}, {of.n} {of.item}")
        for metric, value in of.metrics.items():
            interval = (
                "" if value.low is None or value.high is None else f" [{value.low:.3f}, {value.high:.3f}]"
            )
            print(f"  {metric:36} {value.value:.3f}{interval}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    shipped = Path(str(resources.files("dcr.lab") / "weights"))
    parser.add_argument(
        "--models", type=Path, default=shipped, help="folder with clip, siglip, stable-diffusion"
    )
    models = parser.parse_args().models
    for family in ("clip", "siglip"):
        if (models / family).exists():
            report_encoder(models / family)
    if (models / "stable-diffusion").exists():
        report_generator(models / "stable-diffusion")


if __name__ == "__main__":
    main()
