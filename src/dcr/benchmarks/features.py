"""From images and texts to features: the one place where benchmarks run an encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from dcr.errors import DcrError

if TYPE_CHECKING:
    from dcr.encoders import Encoder

BATCH_SIZE = 64


def image_features(
    encoder: Encoder, images: Iterable[Image.Image], *, batch_size: int = BATCH_SIZE, label: str = "images"
) -> Tensor:
    """Encodes images with the encoder's own evaluation geometry, in float32 and eval mode.

    Args:
        encoder: The encoder; its device is used, its mode is restored.
        images: N images of any size and mode; may be lazy.
        batch_size: Images per forward pass.
        label: What the progress bar says.

    Returns:
        [N, d] float32 on the CPU, not normalised to unit length.
    """
    device = next(encoder.parameters()).device
    features = []
    with _measuring(encoder), tqdm(total=_length(images), desc=label, disable=None, leave=False) as progress:
        remaining = iter(images)
        while batch := list(islice(remaining, batch_size)):
            pixels = torch.stack([encoder.preprocess(image) for image in batch])
            features.append(encoder(pixels.to(device)).float().cpu())
            progress.update(len(batch))
    return torch.cat(features)


def text_features(encoder: Encoder, texts: Sequence[str], *, batch_size: int = BATCH_SIZE) -> Tensor:
    """Encodes texts, in float32 and eval mode.

    Args:
        encoder: The encoder, with its text tower.
        texts: N texts.
        batch_size: Texts per forward pass.

    Returns:
        [N, d] float32 on the CPU, not normalised to unit length.

    Raises:
        DcrError: If the encoder has no text tower.
    """
    try:
        with _measuring(encoder):
            batches = [
                encoder.encode_text(texts[start : start + batch_size]).float().cpu()
                for start in range(0, len(texts), batch_size)
            ]
    except NotImplementedError as error:
        raise DcrError(
            f"{encoder.source} has no text tower, and this benchmark needs one: "
            "take clustering or probe, which do not."
        ) from error
    return torch.cat(batches)


def unit_length(features: Tensor) -> Tensor:
    """Scales features [..., d] to unit length, so that a dot product is a cosine."""
    return normalize(features, dim=-1)


def require_finite(features: Tensor, encoder: Encoder) -> None:
    """Refuses features with NaN or infinity, which no classifier or k-means takes.

    Raises:
        DcrError: If there are any.
    """
    broken = int((~features.isfinite().all(dim=-1)).sum())
    if broken:
        raise DcrError(
            f"{encoder.source} gives NaN or infinity for {broken} of {len(features)} images: "
            "its weights are broken, take an earlier checkpoint."
        )


def rank_of(scores: Tensor, target: Tensor) -> Tensor:
    """Ranks one candidate per query; ties and NaN count against it, so a collapsed encoder earns nothing.

    Args:
        scores: [Q, M] float, similarity of each query to each candidate.
        target: [Q] int64, the candidate to be ranked.

    Returns:
        [Q] int64, 1 for the best.
    """
    own = scores.gather(1, target[:, None])
    ahead = ~(scores < own)
    return ahead.scatter(1, target[:, None], False).sum(1) + 1


@contextmanager
def _measuring(encoder: Encoder) -> Iterator[None]:
    """Eval mode, no gradients, plain float32: a GPU would use TF32 in convolutions, and bits decide pairs."""
    device_type = next(encoder.parameters()).device.type
    was_training = encoder.training
    encoder.eval()
    try:
        with (
            torch.no_grad(),
            torch.autocast(device_type, enabled=False),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        ):
            yield
    finally:
        encoder.train(was_training)


def _length(images: Iterable[Image.Image]) -> int | None:
    return len(images) if isinstance(images, Sequence) else None
