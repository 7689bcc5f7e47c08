"""What the mini zoo's images are made of: glyphs, figures, waves and textures, 16 by 16 pixels.

Masks and fields are (SIDE, SIDE) arrays, masks with values in [0, 1]; images are (SIDE, SIDE, 3) arrays of colours
around [0, 1], not yet clipped. Figures are drawn on a canvas of CANVAS by CANVAS pixels and shrunk.
"""

import colorsys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from raysel.arrays import FloatArray

SIDE, CANVAS = 16, 64
FACES = tuple(
    f"DejaVu{family}{style}"
    for family, styles in (
        ("Sans", ("", "-Bold", "-Oblique", "-BoldOblique")),
        ("Serif", ("", "-Bold", "-Italic", "-BoldItalic")),
        ("SansMono", ("", "-Bold", "-Oblique", "-BoldOblique")),
    )
    for style in styles
)
X, Y = np.meshgrid(np.arange(SIDE, dtype=float), np.arange(SIDE, dtype=float))


@cache
def _font(face: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf", 44)


@cache
def glyph(character: str, face: str) -> Image.Image:
    """A character of a bundled font, centred on the canvas."""
    canvas = Image.new("L", (CANVAS, CANVAS))
    ImageDraw.Draw(canvas).text((CANVAS / 2, CANVAS / 2), character, 255, _font(face), anchor="mm")
    cut = canvas.crop(canvas.getbbox())
    centred = Image.new("L", (CANVAS, CANVAS))
    centred.paste(cut, ((CANVAS - cut.width) // 2, (CANVAS - cut.height) // 2))
    return centred


def sketch(draw: Callable[[ImageDraw.ImageDraw], object]) -> Image.Image:
    """A canvas that `draw` has drawn on."""
    canvas = Image.new("L", (CANVAS, CANVAS))
    draw(ImageDraw.Draw(canvas))
    return canvas


def star(points: int, turn: float, *, inner: float = 1.0, radius: float = 26) -> list[tuple[float, float]]:
    """Corners of a polygon of `points` corners, or of a star whose inner radius is `inner` of the outer one."""
    corners = 2 * points if inner < 1 else points
    angles = turn + 2 * np.pi * np.arange(corners) / corners
    radii = radius * np.where(np.arange(corners) % 2, inner, 1.0)
    half = CANVAS / 2
    return list(zip(half + radii * np.cos(angles), half + radii * np.sin(angles), strict=True))


def place(canvas: Image.Image, *, turn: float = 0, scale: float = 1, x: float = 0, y: float = 0) -> FloatArray:
    """Turn (degrees), scale and move (fractions of the side) what is on a canvas, and shrink it to a mask."""
    angle, half = np.deg2rad(turn), CANVAS / 2
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    to_x, to_y = half + x * CANVAS, half + y * CANVAS
    inverse = (cos, sin, half - cos * to_x - sin * to_y, -sin, cos, half + sin * to_x - cos * to_y)
    moved = canvas.transform((CANVAS, CANVAS), Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR)
    return np.asarray(moved.resize((SIDE, SIDE), Image.Resampling.BOX), float) / 255


def place_somewhere(
    canvas: Image.Image,
    rng: Generator,
    *,
    turn: float = 12,
    scale: tuple[float, float] = (0.7, 1.05),
    shift: float = 0.08,
) -> FloatArray:
    """Place a figure a little turned, scaled and moved, at random."""
    return place(
        canvas,
        turn=rng.uniform(-turn, turn),
        scale=rng.uniform(*scale),
        x=rng.uniform(-shift, shift),
        y=rng.uniform(-shift, shift),
    )


def paint(mask: FloatArray, rng: Generator, *, noise: float = 0.08, contrast: float = 0.27) -> FloatArray:
    """Colour a mask: two random colours, the brighter on the darker, and pixel noise.

    With either polarity allowed, tiny transformers never leave chance in pre-training.
    """
    while True:
        front, back = rng.random(3), rng.random(3)
        if (front - back).mean() > contrast:
            break
    blend: FloatArray = mask[..., None] * front + (1 - mask[..., None]) * back
    return blend + noise * rng.standard_normal(blend.shape)


def hue(turn: float, saturation: float, value: float) -> FloatArray:
    """A colour; `turn` goes once round the circle of hues in [0, 1)."""
    return np.array(colorsys.hsv_to_rgb(turn % 1, saturation, value))


def wave(rng: Generator, *, angle: float, frequency: float) -> FloatArray:
    """A sine of random phase in [-1, 1] across the image; `angle` in radians, `frequency` in cycles a pixel."""
    along = X * np.cos(angle) + Y * np.sin(angle)
    field: FloatArray = np.sin(2 * np.pi * (frequency * along + rng.random()))
    return field


def texture(rng: Generator, *, slope: float) -> FloatArray:
    """Noise of mean 0 and deviation 1 whose amplitude falls with frequency to the power `slope`; 0 is white."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    frequency[0, 0] = 1
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIDE, SIDE))) * frequency**-slope).real
    standard: FloatArray = (field - field.mean()) / field.std()
    return standard
