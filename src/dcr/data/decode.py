"""Bytes in, an upright RGB picture out, or the reason why there is none."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Image.init()
# Pillow knows these formats by name only, or hands the file to an outside program.
_NOT_DECODED = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_FORMATS = sorted(set(Image.OPEN) - _NOT_DECODED)
EXTENSIONS = frozenset(ext for ext, name in Image.registered_extensions().items() if name in _FORMATS)
"""Lower-case endings of the image files that can be read, each with its dot."""


class Unreadable(Exception):
    """One image that cannot be used; the message says why, and a source survives a few of them."""


def decode(data: bytes) -> Image.Image:
    """Decodes an image file of any format, size and mode that Pillow reads.

    Args:
        data: The whole file.

    Returns:
        The picture in mode RGB, turned upright by its EXIF orientation; an animation's first frame.

    Raises:
        Unreadable: If the file is no image, truncated, damaged, or larger than `Image.MAX_IMAGE_PIXELS`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                ImageOps.exif_transpose(image, in_place=True)
                return _to_rgb(image)
        except UnidentifiedImageError:
            raise Unreadable("not an image of a known format") from None
        except Unreadable:
            raise
        except Exception as error:  # a damaged file can make Pillow raise nearly anything
            raise Unreadable(str(error) or type(error).__name__) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise Unreadable("its float pixels have no defined white")
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would clip at 255
        grey = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
