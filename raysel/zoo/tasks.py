"""The mini zoo's datasets: what is pre-trained on, what the history is about, and what a model is chosen for.

All are 16 by 16 pixels in three channels, drawn from the fonts that matplotlib bundles and simple figures; only
`digits` is real. Every dataset is the same on every machine with the same library versions: its images follow from
its name and its split.
"""

import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from raysel.arrays import FloatArray
from raysel.errors import UnknownNameError
from raysel.finetune.data import Data, Split
from raysel.zoo.drawing import (
    FACES,
    SIDE,
    X,
    Y,
    glyph,
    hue,
    paint,
    place,
    place_somewhere,
    sketch,
    star,
    texture,
    wave,
)

Kind = Literal["source", "benchmark", "target"]
Draw = Callable[[Generator, float], FloatArray]
"""An image of a label: (SIDE, SIDE, 3), around [0, 1]. For classification the label is a whole number."""

TRAIN, VAL, TEST = 300, 300, 1000
LATIN = string.ascii_uppercase + "abdefghijmnqrty"
GREEK = "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπφψ"
CYRILLIC = "БГДЖЗИЛПФЦЧШЩЪЫЭЮЯ"


@dataclass(frozen=True)
class DrawnTask:
    """A dataset that is drawn.

    Args:
        kind: `source` (pre-trained on), `benchmark` (in the history) or `target` (what a model is chosen for).
        says: What the label is, for people.
        draw: Draws an image of a label.
        classes: How many classes there are, or `None` for regression.
        span: For regression, the labels' lowest and highest value.
    """

    kind: Kind
    says: str
    draw: Draw
    classes: int | None = None
    span: tuple[float, float] = (0.0, 1.0)

    def labels(self, n: int, rng: Generator) -> np.ndarray:
        """(n,) labels in random order: as many of each class, or evenly spread over the span."""
        if self.classes is not None:
            return rng.permutation(np.arange(n) % self.classes)
        low, high = self.span
        return low + (high - low) * rng.permutation((np.arange(n) + rng.random(n)) / n)


def _some_face(rng: Generator) -> str:
    return FACES[rng.integers(len(FACES))]


def _some(characters: str, rng: Generator) -> str:
    return characters[rng.integers(len(characters))]


def _letters(characters: str) -> Draw:
    def draw(rng: Generator, label: float) -> FloatArray:
        return paint(place_somewhere(glyph(characters[int(label)], _some_face(rng)), rng), rng)

    return draw


def _meaningless(rng: Generator, label: float) -> FloatArray:
    """A letter that has nothing to do with the label."""
    return _letters(LATIN)(rng, float(rng.integers(len(LATIN))))


def _typeface(rng: Generator, label: float) -> FloatArray:
    letter = glyph(_some("ABDEGHKMNPRS", rng), FACES[int(label)])
    return paint(place_somewhere(letter, rng, turn=4, scale=(0.9, 1.1), shift=0.04), rng)


def _polygon(points: int, rng: Generator, inner: float = 1.0) -> Image.Image:
    corners, hollow = star(points, rng.uniform(0, 2 * np.pi), inner=inner), inner == 1 and rng.random() < 0.5
    if hollow:
        return sketch(lambda pen: pen.polygon(corners, outline=255, width=6))
    return sketch(lambda pen: pen.polygon(corners, fill=255))


def _plus(pen: ImageDraw.ImageDraw) -> None:
    pen.rectangle((26, 6, 38, 58), fill=255)
    pen.rectangle((6, 26, 58, 38), fill=255)


def _figure(number: int, rng: Generator) -> Image.Image:
    """One of twelve figures: triangle, square, pentagon; stars of 3, 4, 5; disc, ring, plus, half disc, arc, bar."""
    if number < 3:
        return _polygon(number + 3, rng)
    if number < 6:
        return _polygon(number, rng, inner=0.42)
    others: tuple[Callable[[ImageDraw.ImageDraw], None], ...] = (
        lambda pen: pen.ellipse((8, 8, 56, 56), fill=255),
        lambda pen: pen.ellipse((8, 8, 56, 56), outline=255, width=8),
        _plus,
        lambda pen: pen.pieslice((6, 6, 58, 58), 0, 180, fill=255),
        lambda pen: pen.arc((8, 8, 56, 56), 0, 250, fill=255, width=9),
        lambda pen: pen.rectangle((10, 24, 54, 40), fill=255),
    )
    return sketch(others[number - 6]).rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR)


def _shape(rng: Generator, label: float) -> FloatArray:
    return paint(place_somewhere(_figure(int(label), rng), rng, turn=0, scale=(0.55, 0.95), shift=0.12), rng)


_STROKES = (
    [[(16, 8), (16, 54), (50, 54)]],  # L
    [[(8, 12), (56, 12)], [(32, 12), (32, 58)]],  # T
    [[(32, 8), (32, 58)], [(12, 28), (32, 8), (52, 28)]],  # arrow
    [[(8, 50), (32, 14), (56, 50)]],  # chevron
)


def _draw_strokes(pen: ImageDraw.ImageDraw, strokes: list[list[tuple[int, int]]]) -> None:
    for stroke in strokes:
        pen.line(stroke, 255, 10)


def _emblem(rng: Generator, label: float) -> FloatArray:
    """Stars of 6, 7, 8 points, a hexagon, and four figures of strokes: none is a figure of `shapes`."""
    number = int(label)
    if number < 3:
        canvas = _polygon(number + 6, rng, inner=0.42)
    elif number == 3:
        canvas = _polygon(6, rng)
    else:
        strokes = _STROKES[number - 4]
        canvas = sketch(lambda pen: _draw_strokes(pen, strokes))
        canvas = canvas.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR)
    return paint(place_somewhere(canvas, rng, turn=0, scale=(0.6, 0.95), shift=0.1), rng)


def _scatter(n: int, rng: Generator, *, apart: float) -> list[tuple[float, float]]:
    """`n` places on the canvas, no two nearer than `apart`."""
    places: list[tuple[float, float]] = []
    while len(places) < n:
        x, y = rng.uniform(6, 58, 2)
        if all(np.hypot(x - a, y - b) > apart for a, b in places):
            places.append((x, y))
        elif rng.random() < 0.02:
            places.clear()
    return places


def _dots(rng: Generator, label: float) -> FloatArray:
    def draw(pen: ImageDraw.ImageDraw) -> None:
        for x, y in _scatter(int(label) + 1, rng, apart=13):
            r = rng.uniform(3, 5.5)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)

    return paint(place(sketch(draw)), rng, noise=0.05)


def _bars(rng: Generator, label: float) -> FloatArray:
    def draw(pen: ImageDraw.ImageDraw) -> None:
        for x, y in _scatter(int(label) + 1, rng, apart=13):
            r = rng.uniform(3, 5.5)
            pen.rectangle((x - r, y - r / 2, x + r, y + r / 2), fill=255)

    return paint(place(sketch(draw).rotate(90 * int(rng.integers(2)))), rng, noise=0.05)


def _grating(rng: Generator, label: float) -> FloatArray:
    orientation, frequency = divmod(int(label), 3)
    field = wave(rng, angle=np.pi * orientation / 8, frequency=(0.1, 0.17, 0.26)[frequency])
    return paint(0.5 + 0.5 * field, rng, noise=0.25, contrast=0.18)


def _plaid(rng: Generator, label: float) -> FloatArray:
    """The orientation of sharp stripes under a slow wave of any orientation."""
    stripes = np.sign(wave(rng, angle=np.pi * (label + 0.5) / 12, frequency=0.14))
    field = 0.6 * stripes + 0.8 * wave(rng, angle=rng.uniform(0, np.pi), frequency=0.11)
    return paint(0.5 + 0.5 * np.clip(field, -1, 1), rng, noise=0.25, contrast=0.18)


def _slant(rng: Generator, label: float) -> FloatArray:
    """Waves of any frequency at an angle that is asked for in degrees."""
    field = wave(rng, angle=np.deg2rad(label), frequency=rng.uniform(0.1, 0.24))
    return paint(0.5 + 0.5 * field, rng, noise=0.25, contrast=0.18)


def _hue(rng: Generator, label: float) -> FloatArray:
    """The hue of blobs on grey, whatever their brightness and layout."""
    inside = (texture(rng, slope=1.5) > 0)[..., None]
    colour = hue((label + rng.uniform(-0.3, 0.3)) / 20, rng.uniform(0.2, 1), rng.uniform(0.35, 1))
    return np.where(inside, colour, rng.random()) + 0.15 * rng.standard_normal((SIDE, SIDE, 3))


def _tint(rng: Generator, label: float) -> FloatArray:
    """The pale hue of the larger of two areas."""
    inside = (texture(rng, slope=1.5) > -0.5)[..., None]
    colour = hue((label + 0.5 + rng.uniform(-0.3, 0.3)) / 8, rng.uniform(0.25, 0.6), rng.uniform(0.35, 1))
    other = hue(rng.random(), rng.uniform(0.25, 0.6), rng.uniform(0.35, 1))
    return np.where(inside, colour, other) + 0.12 * rng.standard_normal((SIDE, SIDE, 3))


def _noise(rng: Generator, label: float) -> FloatArray:
    """Three spectral slopes by three distributions of values: as they come, two-valued, sparse."""
    distribution, slope = divmod(int(label), 3)
    field = texture(rng, slope=(0.0, 0.6, 1.2)[slope])
    shown = (field, np.sign(field), np.where(np.abs(field) > 1.3, field, 0))[distribution]
    return paint(0.5 + 0.25 * shown, rng, noise=0.02, contrast=0.35)


def _spectrum(rng: Generator, label: float) -> FloatArray:
    """Six spectral slopes of noise folded at zero."""
    return paint(0.4 * np.abs(texture(rng, slope=0.35 * label)), rng, noise=0.03, contrast=0.27)


def _light(rng: Generator, label: float) -> FloatArray:
    """Which of eight sides weak light comes from, over a letter."""
    angle = 2 * np.pi * (label + rng.uniform(-0.3, 0.3)) / 8
    middle = (SIDE - 1) / 2
    slope = (X - middle) * np.cos(angle) + (Y - middle) * np.sin(angle)
    letter = paint(place_somewhere(glyph(_some(LATIN, rng), _some_face(rng)), rng), rng)
    return 0.8 * letter + 0.015 * slope[..., None]


def _in_cell(number: int, cells: int, rng: Generator) -> dict[str, float]:
    """Where a cell of a square grid lies, with some play."""
    row, column = divmod(number, cells)
    play = rng.uniform(-0.3, 0.3, 2) / cells
    return {"x": (column + 0.5) / cells - 0.5 + play[0], "y": (row + 0.5) / cells - 0.5 + play[1]}


def _cell(rng: Generator, label: float) -> FloatArray:
    """Which of 16 cells a small figure is in."""
    figure = _figure(int(rng.integers(12)), rng)
    return paint(place(figure, scale=rng.uniform(0.22, 0.42), **_in_cell(int(label), 4, rng)), rng, noise=0.12)


def _draw_specks(pen: ImageDraw.ImageDraw, places: FloatArray) -> None:
    for x, y in places:
        pen.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=255)


def _spot(rng: Generator, label: float) -> FloatArray:
    """Which of nine cells a small letter is in, among specks."""
    letter = glyph(_some(LATIN, rng), _some_face(rng))
    specks = sketch(lambda pen: _draw_specks(pen, rng.uniform(4, 60, (2, 2))))
    mask = np.maximum(place(letter, scale=rng.uniform(0.3, 0.5), **_in_cell(int(label), 3, rng)), place(specks))
    return paint(mask, rng, noise=0.1)


def _angle(rng: Generator, label: float) -> FloatArray:
    """An upright letter turned by so many degrees."""
    letter = glyph(_some("FPRLEK", rng), FACES[(0, 1, 4, 5)[rng.integers(4)]])
    shift = rng.uniform(-0.08, 0.08, 2)
    return paint(place(letter, turn=label, scale=rng.uniform(0.7, 1), x=shift[0], y=shift[1]), rng)


def _size(rng: Generator, label: float) -> FloatArray:
    """A letter at so many per cent of its full size, anywhere."""
    letter = glyph(_some(LATIN, rng), _some_face(rng))
    shift = rng.uniform(-0.15, 0.15, 2)
    return paint(place(letter, turn=rng.uniform(-20, 20), scale=label / 100, x=shift[0], y=shift[1]), rng)


def _expression(rng: Generator, label: float) -> FloatArray:
    """A face that smiles, frowns, keeps a straight mouth, gapes, or smiles with its left or right eye shut."""
    number, wide = int(label), rng.uniform(12, 18)

    def draw(pen: ImageDraw.ImageDraw) -> None:
        for side, shut in ((-1, number == 4), (1, number == 5)):
            x = 32 + side * 13
            if shut:
                pen.rectangle((x - 8, 20, x + 8, 24), fill=255)
            else:
                pen.ellipse((x - 5, 14, x + 5, 28), fill=255)
        if number in (0, 4, 5):
            pen.arc((32 - wide, 22, 32 + wide, 54), 20, 160, fill=255, width=6)
        elif number == 1:
            pen.arc((32 - wide, 42, 32 + wide, 74), 200, 340, fill=255, width=6)
        elif number == 2:
            pen.rectangle((32 - wide, 45, 32 + wide, 51), fill=255)
        else:
            pen.ellipse((23, 38, 41, 58), outline=255, width=6)

    return paint(place_somewhere(sketch(draw), rng, turn=15, scale=(0.7, 1.1), shift=0.08), rng, noise=0.12)


DRAWN = {
    "latin": DrawnTask("source", "which Latin letter", _letters(LATIN), len(LATIN)),
    "shapes": DrawnTask("source", "which figure", _shape, 12),
    "gratings": DrawnTask("source", "orientation and frequency of a wave", _grating, 24),
    "hues": DrawnTask("source", "hue of blobs", _hue, 20),
    "dots": DrawnTask("source", "how many dots", _dots, 8),
    "cells": DrawnTask("source", "where a small figure is", _cell, 16),
    "noises": DrawnTask("source", "slope and distribution of noise", _noise, 9),
    "random": DrawnTask("source", "nothing: letters with random labels", _meaningless, 41),
    "greek": DrawnTask("benchmark", "which Greek letter", _letters(GREEK), len(GREEK)),
    "typefaces": DrawnTask("benchmark", "which typeface a letter is set in", _typeface, len(FACES)),
    "emblems": DrawnTask("benchmark", "which emblem", _emblem, 8),
    "bars": DrawnTask("benchmark", "how many bars", _bars, 6),
    "plaid": DrawnTask("benchmark", "orientation of stripes under a wave", _plaid, 12),
    "tint": DrawnTask("benchmark", "pale hue of the larger area", _tint, 8),
    "light": DrawnTask("benchmark", "where weak light comes from", _light, 8),
    "spot": DrawnTask("benchmark", "where a small letter is among specks", _spot, 9),
    "size": DrawnTask("benchmark", "size of a letter, per cent", _size, span=(25.0, 95.0)),
    "slant": DrawnTask("benchmark", "angle of a wave, degrees", _slant, span=(-60.0, 60.0)),
    "cyrillic": DrawnTask("target", "which Cyrillic letter", _letters(CYRILLIC), len(CYRILLIC)),
    "spectrum": DrawnTask("target", "slope of folded noise", _spectrum, 6),
    "angle": DrawnTask("target", "turn of a letter, degrees", _angle, span=(-75.0, 75.0)),
    "expressions": DrawnTask("target", "what a face shows", _expression, 6),
}
DIGITS = "digits"


def names(kind: Kind) -> tuple[str, ...]:
    """The datasets of a kind, in a fixed order."""
    drawn = tuple(name for name, task in DRAWN.items() if task.kind == kind)
    return (DIGITS, *drawn) if kind == "target" else drawn


def load_task(name: str, *, train: int = TRAIN, val: int = VAL, test: int = TEST) -> Data:
    """A dataset of the mini zoo.

    Args:
        name: A source, a benchmark or a target.
        train: Images to train on. For `digits`, which is given, sizes are fixed: 200, 397 and 1200.
        val: Images to validate on.
        test: Images to test on.

    Raises:
        UnknownNameError: If there is no such dataset.

    >>> data = load_task("greek", train=48, val=24, test=24)
    >>> data.train.inputs.shape, data.classes, data.metric
    ((48, 3, 16, 16), 24, 'accuracy')
    """
    if name == DIGITS:
        return _digits()
    if name not in DRAWN:
        raise UnknownNameError("task", name, [DIGITS, *DRAWN])
    task = DRAWN[name]
    splits = [_draw(name, task, number, n) for number, n in enumerate((train, val, test))]
    kind: Literal["classification", "regression"] = "classification" if task.classes else "regression"
    return Data(name=name, task=kind, classes=task.classes, train=splits[0], val=splits[1], test=splits[2])


def _draw(name: str, task: DrawnTask, split: int, n: int) -> Split:
    rng = np.random.default_rng([zlib.crc32(name.encode()), split])
    labels = task.labels(n, rng)
    images = np.stack([task.draw(rng, label) for label in labels])
    return Split(_pixels(images), labels)


def _pixels(images: FloatArray) -> np.ndarray:
    """(n, SIDE, SIDE, 3) around [0, 1] to (n, 3, SIDE, SIDE) of uint8."""
    whole = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(whole.transpose(0, 3, 1, 2))


def _digits() -> Data:
    """scikit-learn's handwritten digits, 8 by 8, enlarged."""
    from sklearn.datasets import load_digits  # slow to import, and only this dataset needs it

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    grey = [
        np.asarray(Image.fromarray(image.astype(np.float32) / 16).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        for image in bunch.images[order]
    ]
    inputs, labels = _pixels(np.repeat(np.stack(grey)[..., None], 3, axis=3)), bunch.target[order].astype(np.int64)
    train, val, test = (Split(inputs[part], labels[part]) for part in (slice(200), slice(200, 597), slice(597, None)))
    return Data(name=DIGITS, task="classification", classes=10, train=train, val=val, test=test)
