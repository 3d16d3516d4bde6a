from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from dcr.data.decode import EXTENSIONS, Unreadable, decode
from tests.data.pictures import GARBAGE, encoded, gradient, picture

RED = (255, 0, 0)
ORIENTATION = 0x0112
# EXIF 2.32, tag 274: which sides of the scene row 0 and column 0 of the file show.
LAID_DOWN = {
    1: lambda x: x,  # top, left
    2: lambda x: x[:, ::-1],  # top, right
    3: lambda x: x[::-1, ::-1],  # bottom, right
    4: lambda x: x[::-1],  # bottom, left
    5: lambda x: x.swapaxes(0, 1),  # left, top
    6: lambda x: x[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda x: x[::-1].swapaxes(0, 1),  # left, bottom
}


def pixels(data: bytes) -> np.ndarray:
    image = decode(data)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr"])
def test_every_opaque_mode_gives_its_colour(mode: str) -> None:
    kind = {"CMYK": "TIFF", "YCbCr": "TIFF"}.get(mode, "PNG")
    white, black = (
        Image.new("RGB", (4, 3), "white").convert(mode),
        Image.new("RGB", (4, 3), "black").convert(mode),
    )
    assert (pixels(encoded(white, kind)) == 255).all()
    assert (pixels(encoded(black, kind)) == 0).all()
    assert pixels(encoded(white, kind)).shape == (3, 4, 3)


def test_a_cmyk_jpeg_keeps_its_colour() -> None:
    red = Image.new("RGB", (8, 8), RED).convert("CMYK")
    np.testing.assert_allclose(
        pixels(encoded(red, "JPEG", quality=100)), np.broadcast_to(RED, (8, 8, 3)), atol=3
    )


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_white(mode: str) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 102))
    values = pixels(encoded(image.convert(mode)))[0]
    assert values.tolist() == [[255] * 3, [153] * 3, [0] * 3]


def test_a_transparent_palette_entry_is_laid_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image, transparency=0))[0].tolist() == [[255] * 3, [0, 0, 255]]


def test_a_transparent_colour_of_an_rgb_png_is_laid_on_white() -> None:
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), (0, 0, 255))
    assert pixels(encoded(image, transparency=RED))[0].tolist() == [[255] * 3, [0, 0, 255]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_grey_of_16_bits_is_scaled_not_clipped(kind: str) -> None:
    values = np.array([[0, 257, 128 * 257, 32768, 65535]], dtype=np.uint16)
    data = encoded(Image.fromarray(values), kind)
    assert pixels(data)[0, :, 0].tolist() == [0, 1, 128, 128, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_turns_the_picture_upright(orientation: int, kind: str) -> None:
    upright = np.asarray(gradient(32))[:24]
    lying = LAID_DOWN[orientation](upright)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    got = pixels(encoded(Image.fromarray(lying), kind, exif=exif, **options))
    np.testing.assert_allclose(got.astype(int), upright.astype(int), atol=12)


@pytest.mark.parametrize(
    "kind", ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP", "ICO"]
)
def test_common_formats(kind: str) -> None:
    np.testing.assert_allclose(pixels(encoded(picture(9, 16), kind)), np.asarray(picture(9, 16)), atol=4)


def test_the_first_frame_of_an_animation() -> None:
    data = encoded(picture(1), "GIF", save_all=True, append_images=[picture(40)])
    np.testing.assert_array_equal(pixels(data), np.asarray(picture(1)))


def test_extensions_are_those_of_readable_pictures() -> None:
    assert {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"} <= EXTENSIONS
    assert not {".eps", ".mpg", ".h5", ".pdf", ".txt", ".json", ".tar"} & EXTENSIONS


@pytest.mark.parametrize("data", [b"", GARBAGE, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^not an image of a known format$"):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_a_truncated_picture_is_unreadable(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(Unreadable):
        decode(data[: len(data) // 2])


def test_a_float_picture_has_no_white() -> None:
    with pytest.raises(Unreadable, match="float"):
        decode(encoded(Image.new("F", (4, 4), 0.5), "TIFF"))


def test_a_decompression_bomb_is_unreadable_and_not_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for side in (11, 20):  # above the limit Pillow warns, above twice the limit it raises
        with warnings.catch_warnings(), pytest.raises(Unreadable, match="decompression bomb"):
            warnings.simplefilter("error")
            decode(encoded(Image.new("L", (side, side))))


def test_damage_anywhere_never_raises_anything_else() -> None:
    rng = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        whole = encoded(gradient(16), kind)
        for _ in range(60):
            damaged = bytearray(whole)
            for place in rng.integers(0, len(whole), 4):
                damaged[place] = rng.integers(256)
            try:
                assert decode(bytes(damaged)).mode == "RGB"
            except Unreadable as error:
                assert str(error)


def test_decoding_does_not_need_the_bytes_afterwards() -> None:
    file = io.BytesIO(encoded(picture(3)))
    image = decode(file.getvalue())
    file.close()
    assert image.getpixel((0, 0)) == picture(3).getpixel((0, 0))
