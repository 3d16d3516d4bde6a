"""The training loop of one stage; it knows no method's name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from dcr.data.loader import ViewBatch
from dcr.errors import DcrError
from dcr.generators import StableDiffusion
from dcr.objectives import Objective
from dcr.seeds import derive_seed, generator
from dcr.training.checkpoints import load_checkpoint, save_checkpoint
from dcr.training.condition_model import ConditionModel
from dcr.training.rows import streamed_backward
from dcr.training.run_folder import RunFolder
from dcr.training.stopping import Stopped, StopRequest

WEIGHT_DECAY = 0.01
MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class StageLoop:
    """Trains what of a :class:`ConditionModel` is not frozen.

    Every update is a function of (seed, stage, step) and the weights alone: data order, augmentation, noise
    and dropout need no saved state, and a resumed stage ends with the same weights as an uninterrupted one.

    Attributes:
        name: The stage's name, for files and random streams.
        model: What trains.
        objective: The loss.
        teacher: The frozen generator.
        batches: ``batches(skip)`` gives the endless stream of batches from number ``skip`` on.
        steps: Optimizer updates in all.
        learning_rate: Constant rate of AdamW.
        accumulation: Micro-batches per update.
        rows: Anchors per generator call.
        seed: The run's seed.
        checkpoint_every: Updates between checkpoints.
        run: Where metrics and checkpoints go.
        accelerator: Devices, precision, processes and trackers.
        stop: Set by Ctrl-C and SIGTERM.
    """

    name: str
    model: ConditionModel
    objective: Objective
    teacher: StableDiffusion
    batches: Callable[[int], Iterator[ViewBatch]]
    steps: int
    learning_rate: float
    accumulation: int
    rows: int
    seed: int
    checkpoint_every: int
    run: RunFolder
    accelerator: Accelerator
    stop: StopRequest

    def train(self) -> None:
        """Runs the stage from its newest checkpoint, or from the start, to its end.

        Raises:
            DcrError: If a loss is not finite; the last checkpoint stays.
            Stopped: If a signal asked for it; a checkpoint is written first.
        """
        trained = self.model.trained()
        optimizer = torch.optim.AdamW(trained.values(), lr=self.learning_rate, weight_decay=WEIGHT_DECAY)
        wrapped, optimizer = self.accelerator.prepare(self.model, optimizer)
        start = 0
        if newest := self.run.latest_checkpoint(self.name):
            start = int(load_checkpoint(newest, trained, optimizer)["step"])
        if self.accelerator.is_main_process:
            self.run.rewind_metrics(self.name, start)
        if start == self.steps:
            return
        batches = self.batches(start * self.accumulation)
        progress = tqdm(
            range(start, self.steps),
            desc=f"{self.name} {type(self.objective).__name__}",
            initial=start,
            total=self.steps,
            disable=not self.accelerator.is_local_main_process,
        )
        for step in progress:
            began = time.perf_counter()
            losses = self._accumulate(wrapped, batches, step)
            norm = self.accelerator.clip_grad_norm_(trained.values(), MAX_GRADIENT_NORM)
            optimizer.step()
            optimizer.zero_grad()
            self._report(progress, step + 1, losses, float(norm), time.perf_counter() - began)
            self._save(trained, optimizer, step + 1)

    def _accumulate(self, wrapped: torch.nn.Module, batches: Iterator[ViewBatch], step: int) -> Tensor:
        """Adds up the gradient of one update; returns the losses of all its images, [accumulation * B]."""
        rank = self.accelerator.process_index
        torch.manual_seed(derive_seed(self.seed, self.name, step, rank, "dropout"))
        losses = []
        for micro in range(self.accumulation):
            batch = next(batches)
            rng = generator(self.seed, self.name, step, micro, rank)
            device = self.accelerator.device
            pixels = batch["pixels"].to(device)
            noised = self.teacher.noise(self.teacher.encode(pixels, rng), rng)
            last = micro == self.accumulation - 1
            with nullcontext() if last else self.accelerator.no_sync(wrapped):
                views = [pixels, batch["positive"].to(device)] if self.objective.needs_positive else [pixels]
                with self.accelerator.autocast():
                    conditions = wrapped(torch.cat(views))
                loss = streamed_backward(
                    self.objective,
                    self.teacher.predict,
                    noised,
                    conditions,
                    rows=self.rows,
                    scale=1 / self.accumulation,
                )
            if not loss.isfinite().all():
                raise DcrError(self._not_finite(step, loss, batch["keys"]))
            losses.append(loss)
        gathered: Tensor = self.accelerator.gather(torch.cat(losses))
        return gathered

    def _not_finite(self, step: int, losses: Tensor, keys: list[str]) -> str:
        broken = [key for key, loss in zip(keys, losses, strict=True) if not loss.isfinite()]
        newest = self.run.latest_checkpoint(self.name)
        return (
            f"The loss is not finite at {self.name} step {step + 1}, images {', '.join(broken)}: lower the "
            f"learning rate or leave these images out; last good checkpoint: {newest or 'none yet'}."
        )

    def _report(self, progress: tqdm[int], step: int, losses: Tensor, norm: float, seconds: float) -> None:
        if not self.accelerator.is_main_process:
            return
        batch_size = len(losses) // (self.accumulation * self.accelerator.num_processes)
        width = len(self.objective.conditions(0, batch_size))
        rate = len(losses) * width / seconds
        record = {"loss": losses.mean().item(), "gradient_norm": norm, "samples_per_second": rate}
        progress.set_postfix_str(f"loss {record['loss']:.4f}, {rate:.0f} samples/s")
        self.run.log({"stage": self.name, "step": step, **record})
        self.accelerator.log({f"{self.name}/{key}": value for key, value in record.items()}, step=step)

    def _save(
        self, trained: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer, step: int
    ) -> None:
        stopping = self.stop.signal_number is not None
        if not (step % self.checkpoint_every == 0 or step == self.steps or stopping):
            return
        if self.accelerator.is_main_process:
            save_checkpoint(self.run.checkpoint(self.name, step), trained, optimizer, {"step": step})
            self.run.prune_checkpoints(self.name)
        self.accelerator.wait_for_everyone()
        if self.stop.signal_number is not None and step < self.steps:
            raise Stopped(
                self.stop.signal_number,
                f"Stopped at {self.name} step {step} of {self.steps}; everything is saved. "
                f"Go on with: dcr enhance --output {self.run.root} --resume",
            )
