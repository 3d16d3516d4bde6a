"""The short training loop that makes the lab's models."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from dcr.errors import DcrError
from dcr.seeds import derive_seed, generator
from dcr.training.checkpoints import STATE_FILE, load_checkpoint, save_checkpoint

WARMUP_STEPS = 100
CHECKPOINT_EVERY = 250


def fit(
    modules: Sequence[nn.Module],
    loss_of_step: Callable[[torch.Generator], Tensor],
    *,
    label: str,
    steps: int,
    learning_rate: float,
    checkpoint: Path,
    seed: int,
) -> None:
    """Trains modules in place with AdamW, a linear warm-up and a cosine decay to zero.

    Each step is a function of (seed, label, step) alone, so a run that was killed goes on from its checkpoint
    to the same weights.

    Args:
        modules: What is trained; left in eval mode.
        loss_of_step: Draws a batch with the given CPU generator and returns the scalar loss.
        label: The progress line's name and the name of the random stream.
        steps: Optimizer steps.
        learning_rate: Peak rate.
        checkpoint: Folder for the running checkpoint; removed by the caller when the result is saved.
        seed: The run's seed.

    Raises:
        DcrError: If the loss is not finite.
    """
    model = nn.ModuleList(modules).train()
    parameters = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(parameters.values(), lr=learning_rate, weight_decay=0.05, betas=(0.9, 0.98))
    start = 0
    if (checkpoint / STATE_FILE).is_file():
        start = int(load_checkpoint(checkpoint, parameters, optimizer)["step"])
    with tqdm(range(start, steps), desc=label, initial=start, total=steps) as progress:
        for step in progress:
            rate = (
                learning_rate
                * min(1.0, (step + 1) / WARMUP_STEPS)
                * 0.5
                * (1 + math.cos(math.pi * step / steps))
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            torch.manual_seed(derive_seed(seed, label, step, "layers"))
            loss = loss_of_step(generator(seed, label, step))
            if not torch.isfinite(loss):
                raise DcrError(f"The loss of {label} is not finite at step {step}: lower its learning rate.")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimizer.step()
            if step % 20 == 0:
                progress.set_postfix(loss=f"{loss.item():.4f}")
            if (step + 1) % CHECKPOINT_EVERY == 0 and step + 1 < steps:
                save_checkpoint(checkpoint, parameters, optimizer, {"step": step + 1})
    model.eval()


def finish(checkpoint: Path) -> None:
    """Removes a running checkpoint once its result is saved."""
    shutil.rmtree(checkpoint, ignore_errors=True)
