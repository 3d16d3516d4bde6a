"""Draws a scene of the lab's world; lengths are in px of a 32 px picture unless said otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dcr.errors import DcrError
from dcr.lab.outlines import CIRCLE, GLYPHS, MIDDLES, OUTLINES, Points
from dcr.lab.scenes import Scene, sample_scenes

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Point = tuple[float, float]

_SUPERSAMPLING = 4
_EXTENT = 32.0
_MARGIN = 1.5
_GAP = 1.0
_BALL_RADIUS = 1.9
_BALL_GAP = 0.4
_BALL_ROOM = 1.0
_SHADOW = 1.75
_GLYPH_MARGIN = 2

_COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (215, 25, 30),
    "green": (25, 140, 45),
    "blue": (30, 60, 215),
    "yellow": (255, 228, 20),
    "purple": (130, 30, 175),
    "orange": (255, 130, 10),
    "white": (250, 250, 250),
    "black": (15, 15, 15),
}
_BACKGROUNDS: Mapping[str, tuple[int, int, int]] = {
    "grey": (140, 140, 140),
    "pink": (250, 165, 195),
    "cyan": (105, 200, 215),
    "brown": (112, 70, 38),
    "beige": (225, 200, 155),
}
_SIZES: Mapping[str, tuple[float, float, float, float]] = {
    "near": (17, 11, 11, 11),
    "far": (9.5, 7.5, 7.5, 7.5),
}
_PLACES: Mapping[str, tuple[Point, ...]] = {
    "one": ((0, 0),),
    "two": ((-0.5, 0), (0.5, 0)),
    "three": ((0, -0.5), (-0.5, 0.5), (0.5, 0.5)),
    "four": ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)),
}
_DIRECTIONS: Mapping[str, Point] = {
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "above": (0, -1),
    "bottom": (0, 1),
    "below": (0, 1),
}
_TURNS = {"up": 0.0, "right": 90.0, "down": 180.0, "left": 270.0}


def render(scene: Scene, size: int = 32) -> Pixels:
    """Draws a scene: the same scene always gives the same pixels.

    Args:
        scene: What to draw.
        size: Side of the picture, px; a multiple of 8, so that the dots of a letter stay on the grid.

    Returns:
        uint8 [size, size, 3], red, green and blue.

    Raises:
        DcrError: If `size` is not a positive multiple of 8.
    """
    if size <= 0 or size % 8:
        raise DcrError(f"size is {size}, but a scene is drawn at a positive multiple of 8 px; take 32 or 48.")
    object_size, centre, half = _layout(scene)
    body = _body(scene, object_size, centre, size)
    background = np.add(_BACKGROUNDS[scene.background], scene.background_tint)
    ink = np.full(3, 245.0 if background.mean() < 100 else 10.0)
    picture = np.tile(background, (size, size, 1))
    if scene.feature == "shadow":
        shift = round(_SHADOW * size * _SUPERSAMPLING / _EXTENT)
        shadow = np.zeros_like(body)
        shadow[shift:, shift:] = body[:-shift, :-shift]
        _paint(picture, shadow, background * 0.45)
    colour = np.add(_COLOURS[scene.colour], scene.tint)
    _paint(picture, body, colour)
    if scene.state == "striped":
        _paint(
            picture,
            _stripes(body, object_size, centre),
            0.35 * colour + (0.65 * 255 if colour.mean() < 110 else 0.0),
        )
    if scene.feature == "frame" or scene.relation != "none" or scene.text != "none":
        _paint(picture, _inked(scene, centre, half, size), ink)
    pixels: Pixels = np.rint(picture.clip(0, 255)).astype(np.uint8)
    return pixels


def scene_arrays(count: int, seed: int, size: int = 32) -> tuple[Pixels, list[Scene]]:
    """Samples and draws scenes.

    Args:
        count: Number of scenes, N.
        seed: Seed of `sample_scenes`.
        size: Side of the pictures, px.

    Returns:
        The pictures, uint8 [N, size, size, 3], and their scenes.
    """
    scenes = sample_scenes(count, seed)
    pictures = np.empty((count, size, size, 3), dtype=np.uint8)
    for picture, scene in zip(pictures, scenes, strict=True):
        picture[:] = render(scene, size)
    return pictures, scenes


def _paint(picture: npt.NDArray[np.float64], mask: Mask, colour: npt.NDArray[np.float64]) -> None:
    size = len(picture)
    cover = mask.reshape(size, _SUPERSAMPLING, size, _SUPERSAMPLING).mean(axis=(1, 3))[..., None]
    picture += cover * (colour - picture)


def _layout(scene: Scene) -> tuple[float, Point, Point]:
    """Returns the size of one object, the centre of the group and its half width and half height."""
    places = _PLACES[scene.count]
    size = _SIZES[scene.distance][len(places) - 1] * scene.scale
    half_x, half_y = (size / 2 + (size + _GAP) * max(place[axis] for place in places) for axis in (0, 1))
    middle = _EXTENT / 2
    side, ball = _DIRECTIONS.get(scene.position, (0, 0)), _DIRECTIONS.get(scene.relation, (0, 0))
    x, y = (
        middle + (at * (middle - _MARGIN - half) if at else -_BALL_ROOM * beside) + shift
        for at, beside, half, shift in zip(side, ball, (half_x, half_y), scene.offset, strict=True)
    )
    return size, (x, y), (half_x, half_y)


def _body(scene: Scene, object_size: float, centre: Point, size: int) -> Mask:
    """Draws the group of objects, bool [4 size, 4 size]."""
    unit = size * _SUPERSAMPLING / _EXTENT
    canvas = Image.new("L", (size * _SUPERSAMPLING,) * 2)
    draw = ImageDraw.Draw(canvas)
    outline = _turned(OUTLINES[scene.shape], scene)
    cut = _turned(_cut(scene, object_size), scene) if scene.structure != "whole" else None
    for place in _PLACES[scene.count]:
        middle = np.add(centre, np.multiply(place, object_size + _GAP))
        for points, fill in ((outline, 255), (cut, 0)):
            if points is not None:
                draw.polygon(((middle + points * (object_size / 2)) * unit).ravel().tolist(), fill=fill)
    body = np.asarray(canvas) > 0
    if scene.state != "outlined":
        return body
    return body & ~_eroded(body, max(1, round(max(1.0, object_size / 10) * unit)))


def _stripes(body: Mask, object_size: float, centre: Point) -> Mask:
    unit = len(body) / _EXTENT
    period = max(2.5, object_size / 5) * unit
    rows: Mask = (np.arange(len(body)) - centre[1] * unit) % period < period / 2
    return body & rows[:, None]


def _turned(points: Points, scene: Scene) -> Points:
    """Turns an outline [P, 2] that faces up into the scene's direction and view."""
    angle = math.radians(_TURNS[scene.facing] + scene.angle)
    cosine, sine = math.cos(angle), math.sin(angle)
    turned: Points = points @ np.array([[cosine, sine], [-sine, cosine]])
    if scene.view == "slanted":
        x, y = turned[:, 0], turned[:, 1]
        return np.stack([0.7 * x, y * (0.7 + 0.4 * x)], axis=1)
    return turned


def _cut(scene: Scene, object_size: float) -> Points:
    """Returns what is taken out of an object: an oblique gap through its middle, or a round hole."""
    middle = np.array(MIDDLES[scene.shape])
    if scene.structure == "hole":
        hole: Points = middle + CIRCLE * max(0.28, 2.6 / object_size)
        return hole
    half_gap = max(0.14, 1.6 / object_size)
    slope = 0.4
    gap: Points = (
        middle
        + np.array([[-1.2, -slope], [1.2, slope]])[[0, 1, 1, 0]]
        + half_gap * np.array([[0, -1], [0, -1], [0, 1], [0, 1]])
    )
    return gap


def _eroded(body: Mask, radius: int) -> Mask:
    """Shrinks a mask by `radius` samples: what stays has the mask in all eight directions around it."""
    padded = np.pad(body, radius)
    diagonal = round(radius * 0.7)
    size = len(body)
    kept = body.copy()
    for down, right in ((0, radius), (radius, 0), (diagonal, diagonal), (diagonal, -diagonal)):
        for sign in (1, -1):
            top, left = radius + sign * down, radius + sign * right
            kept &= padded[top : top + size, left : left + size]
    return kept


def _inked(scene: Scene, centre: Point, half: Point, size: int) -> Mask:
    """Draws frame, ball and letter, bool [4 size, 4 size]."""
    unit = size * _SUPERSAMPLING // int(_EXTENT)
    canvas = Image.new("1", (size * _SUPERSAMPLING,) * 2)
    draw = ImageDraw.Draw(canvas)
    if scene.feature == "frame":
        draw.rectangle((0, 0, canvas.width - 1, canvas.height - 1), outline=1, width=unit)
    ball = _ball(scene, centre, half)
    if ball:
        x, y, radius = ball[0] * unit, ball[1] * unit, _BALL_RADIUS * unit
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    mask = np.array(canvas)
    if scene.text != "none":
        left, top = (unit * edge for edge in _glyph_corner(scene, centre, half, ball))
        dots = GLYPHS[scene.text].repeat(unit, axis=0).repeat(unit, axis=1)
        mask[top : top + len(dots), left : left + dots.shape[1]] |= dots
    return mask


def _ball(scene: Scene, centre: Point, half: Point) -> Point | None:
    if scene.relation == "none":
        return None
    x, y = _DIRECTIONS[scene.relation]
    away = _BALL_RADIUS + _BALL_GAP
    return centre[0] + x * (half[0] + away), centre[1] + y * (half[1] + away)


def _glyph_corner(scene: Scene, centre: Point, half: Point, ball: Point | None) -> tuple[int, int]:
    """Returns left and top of the letter in the corner where it covers the least."""
    far = int(_EXTENT) - _GLYPH_MARGIN
    corners = [(x, y) for x in (_GLYPH_MARGIN, far - 5) for y in (_GLYPH_MARGIN, far - 7)]
    boxes = [(centre, half)] + ([(ball, (_BALL_RADIUS, _BALL_RADIUS))] if ball else [])

    def covered(corner: tuple[int, int]) -> float:
        area = 0.0
        for (x, y), (half_x, half_y) in boxes:
            width = min(corner[0] + 5.0, x + half_x) - max(corner[0], x - half_x)
            height = min(corner[1] + 7.0, y + half_y) - max(corner[1], y - half_y)
            area += max(0.0, width) * max(0.0, height)
        return area

    return min(corners[scene.corner :] + corners[: scene.corner], key=covered)
