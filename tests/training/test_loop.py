"""One update against a plain transcription: the whole grid, one graph, one backward pass."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional

from dcr.conditioning import Projector
from dcr.data.loader import view_batches
from dcr.encoders import load_encoder
from dcr.generators import StableDiffusion
from dcr.seeds import derive_seed, generator
from dcr.training.enhance import enhance
from dcr.training.loop import MAX_GRADIENT_NORM, WEIGHT_DECAY
from tests.training.conftest import tiny_config


def test_first_update_of_stage_one_equals_the_plain_full_grid(parts: dict[str, str], tmp_path: Path) -> None:
    changes = {"stage1": {"steps": 1, "learning_rate": 1e-3}, "stage2": {"steps": 0, "learning_rate": 1e-3}}
    run = enhance(tiny_config(parts, tmp_path / "run", **changes, accumulation=1))
    from safetensors.torch import load_file

    encoder = load_encoder(parts["encoder"])
    teacher = StableDiffusion.from_pretrained(parts["generator"], cross_attention="plain")
    torch.manual_seed(derive_seed(0, "projector"))
    projector = Projector(encoder.width, teacher.condition_width)
    optimizer = torch.optim.AdamW(projector.parameters(), lr=1e-3, weight_decay=WEIGHT_DECAY)
    seed = derive_seed(0, "stage1", "data")
    batch = next(view_batches(parts["data"], image_size=32, batch_size=3, seed=seed, workers=0))
    rng = generator(0, "stage1", 0, 0, 0)
    noised = teacher.noise(teacher.encode(batch["pixels"], rng), rng)
    own, positive = (projector(encoder(batch[view])) for view in ("pixels", "positive"))
    losses = []
    for i in range(3):
        noisy, time = noised.noisy[i : i + 1], noised.timesteps[i : i + 1]
        anchor = teacher.predict(noisy, time, own[i : i + 1])
        others = [teacher.predict(noisy, time, positive[i : i + 1]), noised.target[i : i + 1]]
        others += [teacher.predict(noisy, time, own[j : j + 1]) for j in range(3) if j != i]
        logits = torch.cat(
            [functional.cosine_similarity(anchor.flatten(1), o.flatten(1)) / 0.1 for o in others]
        )
        losses.append(torch.logsumexp(logits, 0) - logits[:2].mean())
    torch.stack(losses).mean().backward()
    torch.nn.utils.clip_grad_norm_(projector.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    saved = load_file(run.projector)
    for name, parameter in projector.state_dict().items():
        torch.testing.assert_close(saved[name], parameter, atol=2e-5, rtol=0)
