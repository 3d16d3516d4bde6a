"""The two views of an image that training compares: a crop, and an augmented copy of that same crop."""

from __future__ import annotations

from typing import TypedDict

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2


class ViewBatch(TypedDict):
    """One batch of B images.

    Attributes:
        pixels: float32 [B, 3, S, S] in [0, 1], the crop that encoder and generator share.
        positive: float32 [B, 3, S, S] in [0, 1], its augmented copy.
        keys: B names of the images within their source.
    """

    pixels: Tensor
    positive: Tensor
    keys: list[str]


class Views:
    """Makes ``pixels``, the crop that encoder and generator share, and ``positive``, its augmented copy.

    Sizes and strengths are those of DCR's official code (`CLIP_bank.py`), but as in the paper the positive is
    augmented in pixel space, before any normalisation, and never flipped.

    Args:
        image_size: Side S of both views, px.
        crop_scale: Area of the crop, as a share of the image's.
        crop_ratio: Width over height of the crop, before it is resized to a square with antialiased bicubic.
        jitter: Largest change of brightness, contrast and saturation (factors 1 +- x), and of hue (turns).
        positive_scale: Area of the positive's own crop, as a share of the first crop's.
        positive_ratio: Width over height of that crop, before it is resized with antialiased bilinear.
    """

    def __init__(
        self,
        image_size: int,
        *,
        crop_scale: tuple[float, float] = (0.9, 1.0),
        crop_ratio: tuple[float, float] = (3 / 4, 4 / 3),
        jitter: tuple[float, float, float, float] = (0.1, 0.1, 0.1, 0.05),
        positive_scale: tuple[float, float] = (0.9, 1.0),
        positive_ratio: tuple[float, float] = (0.9, 1.1),
    ) -> None:
        self._crop = v2.RandomResizedCrop(image_size, crop_scale, crop_ratio, InterpolationMode.BICUBIC)
        self._jitter = v2.ColorJitter(*jitter)
        self._crop_again = v2.RandomResizedCrop(image_size, positive_scale, positive_ratio)

    def __call__(self, image: Image.Image, seed: int) -> tuple[Tensor, Tensor]:
        """Returns the two views.

        Args:
            image: Mode RGB, any size.
            seed: In [0, 2**63); equal seeds give equal views, and the global generator is left as it was.

        Returns:
            ``pixels`` and ``positive``, float32 [3, S, S] in [0, 1], in steps of 1/255.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would also queue seeds for CUDA
            # Of 8-bit pictures a tensor is cropped faster than a Pillow image, and jittered more slowly.
            crop: Tensor = self._crop(v2.functional.pil_to_tensor(image))
            jittered: Image.Image = self._jitter(v2.functional.to_pil_image(crop))
            positive: Tensor = self._crop_again(v2.functional.pil_to_tensor(jittered))
        return crop / 255, positive / 255
