"""Captioned images in memory: scenes of the lab, or photos from webdataset tars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import CLIPTokenizer

from dcr.data.sources import expand_braces
from dcr.errors import DcrError

CAPTIONS_PER_SCENE = 4


@dataclass(frozen=True)
class CaptionedImages:
    """Images with what an encoder and what a generator is told about them.

    Attributes:
        images: [N, 3, M, M] uint8.
        captions: K captions per image that the encoder learns from.
        full_captions: Captions per image that the generator learns from.
    """

    images: Tensor
    captions: list[list[str]]
    full_captions: list[list[str]]

    def draw(self, count: int, size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draws images with replacement, each at a random crop.

        Args:
            count: Number of images B.
            size: Side of the crop (px), at most M.
            rng: CPU generator.

        Returns:
            The indices, [B] int64, and the pixels, [B, 3, size, size] float32 in [0, 1].
        """
        index = torch.randint(len(self.images), (count,), generator=rng)
        pixels = self.images[index]
        margin = pixels.shape[-1] - size
        if margin:
            corners = torch.randint(margin + 1, (count, 2), generator=rng).tolist()
            pixels = torch.stack(
                [p[:, y : y + size, x : x + size] for p, (y, x) in zip(pixels, corners, strict=True)]
            )
        return index, pixels.float() / 255


def tokenize(tokenizer: CLIPTokenizer, captions: list[list[str]]) -> Tensor:
    """Tokenises K captions per image; images with fewer repeat theirs.

    Returns:
        Token ids, [N, K, L] int64, padded to the tokenizer's length L.
    """
    most = max(map(len, captions))
    flat = [texts[k % len(texts)] for texts in captions for k in range(most)]
    ids: Tensor = tokenizer(flat, padding="max_length", truncation=True, return_tensors="pt")["input_ids"]
    return ids.view(len(captions), most, -1)


def draw_captions(ids: Tensor, index: Tensor, rng: torch.Generator) -> Tensor:
    """Draws one caption for each of the images ``index``: [N, K, L] and [B] to [B, L]."""
    return ids[index, torch.randint(ids.shape[1], index.shape, generator=rng)]


def captioned_scenes(count: int, seed: int, size: int) -> CaptionedImages:
    """Renders scenes with sparse captions for the encoder and full ones for the generator."""
    from dcr.lab.captions import caption, full_caption
    from dcr.lab.drawing import scene_arrays

    images, scenes = scene_arrays(count, seed, size)
    rng = np.random.default_rng(seed)
    return CaptionedImages(
        torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
        [[caption(scene, rng) for _ in range(CAPTIONS_PER_SCENE)] for scene in scenes],
        [[full_caption(scene)] for scene in scenes],
    )


def captioned_photos(source: str, size: int) -> CaptionedImages:
    """Reads photos with captions from webdataset tars, resized and centre-cropped.

    Args:
        source: Folder of tars, glob or brace pattern: KEY.jpg with KEY.json (``captions``) or KEY.txt.
        size: Side of the images (px).

    Raises:
        DcrError: If there are no tars, or a sample has no caption.
    """
    from torchvision.transforms import v2

    geometry = v2.Compose([v2.Resize(size, antialias=True), v2.CenterCrop(size), v2.PILToTensor()])
    images, captions = [], []
    for sample in tqdm(_samples(source), desc="photos"):
        texts = sample["json"]["captions"] if sample.get("json") else [sample.get("txt")]
        if not texts or not all(texts):
            raise DcrError(
                f"Sample '{sample['__key__']}' of {source} has no caption (KEY.txt, or captions in KEY.json)."
            )
        images.append(geometry(sample["jpg"].convert("RGB")))
        captions.append([str(text) for text in texts])
    return CaptionedImages(torch.stack(images), captions, captions)


def _samples(source: str) -> Iterable[dict[str, Any]]:
    from datasets import load_dataset

    is_folder = Path(source).is_dir()
    tars = sorted(map(str, Path(source).glob("*.tar"))) if is_folder else expand_braces(source)
    if not tars:
        raise DcrError(f"{source} holds no tar files: give webdataset tars with captions.")
    stream: Iterable[dict[str, Any]] = load_dataset(
        "webdataset", data_files=tars, split="train", streaming=True
    )
    return stream
