from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dcr.data.views import Views
from tests.data.pictures import gradient

WHOLE = {
    "crop_scale": (1.0, 1.0),
    "crop_ratio": (1.0, 1.0),
    "positive_scale": (1.0, 1.0),
    "positive_ratio": (1.0, 1.0),
}
NO_JITTER = (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("size", [(40, 30), (7, 90), (1, 1), (300, 200)])
def test_both_views_are_squares_in_the_unit_range(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (size[1], size[0], 3), dtype=np.uint8) * 255
    for seed in range(10):
        for view in Views(24)(Image.fromarray(noise), seed):
            assert view.shape == (3, 24, 24) and view.dtype == torch.float32
            assert view.min() >= 0 and view.max() <= 1


def test_the_whole_picture_unjittered_is_pillows_antialiased_resize() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    pixels, positive = Views(32, jitter=NO_JITTER, **WHOLE)(Image.fromarray(noise), 5)
    resized = Image.fromarray(noise).resize((32, 32), Image.Resampling.BICUBIC)
    want = torch.from_numpy(np.array(resized)).permute(2, 0, 1) / 255
    assert (pixels - want).abs().max() <= 1.01 / 255
    assert torch.equal(positive, pixels)


def test_views_depend_on_the_seed_alone_and_leave_the_global_generator() -> None:
    views = Views(16)
    state = torch.get_rng_state()
    first = views(gradient(), 1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    again, other = views(gradient(), 1), views(gradient(), 2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_no_view_is_flipped() -> None:
    for seed in range(60):
        for view in Views(32)(gradient(), seed):
            assert view[1, :, :4].mean() + 0.3 < view[1, :, -4:].mean()  # left is darker than right
            assert view[0, :4].mean() + 0.3 < view[0, -4:].mean()  # and the top less red than the bottom


def test_the_positive_is_the_same_crop_changed_a_little() -> None:
    distances, crops = [], []
    for seed in range(40):
        pixels, positive = Views(32)(gradient(), seed)
        distances.append(float((pixels - positive).abs().mean()))
        crops.append(float(pixels[1, 0, 0]))
    assert min(distances) > 0
    assert max(distances) < 0.12
    assert len(set(crops)) > 5


def test_the_jitter_is_as_strong_as_it_says() -> None:
    """Grey stays grey under saturation and hue, so brightness and contrast alone move its mean."""
    grey = Image.new("RGB", (20, 20), (128, 128, 128))
    means = [float(Views(16)(grey, seed)[1].mean()) * 255 for seed in range(120)]
    assert 128 * 0.9 - 2 <= min(means) < 128 * 0.92
    assert 128 * 1.08 < max(means) <= 128 * 1.1 + 2
