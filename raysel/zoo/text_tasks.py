"""The text zoo's datasets, all made from the standard library of the interpreter that runs.

The recorded history is of Python 3.11.7, whose datasets have the fingerprints that the history holds. Another version
makes the same datasets but for the lines in which its library differs (see `raysel.zoo.stdlib`): on 3.10, 90 to 98 per
cent of the texts of every split are the same. Models are chosen and fine-tuned there as well, and scores differ a
little. Sources share no line with benchmarks and targets.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from raysel.errors import OptionError, UnknownNameError
from raysel.finetune.data import Data, Split
from raysel.zoo.stdlib import Piece, library
from raysel.zoo.tasks import Kind

Made = tuple[str, float] | None
"""A text with its label, or nothing where the piece does not suit."""

TRAIN, VAL, TEST = 300, 200, 400
_ROUNDS = 6  # how often a piece may be used where chance makes something else of it each time
_TOPICS = ("email", "asyncio", "logging", "xml", "importlib", "http", "unittest", "typing")
_PACKAGES = ("difflib", "urllib", "doctest", "inspect", "multiprocessing", "tarfile")
_WORDS = ("the", "a", "to", "is", "of", "and", "for", "be", "in", "that", "or", "an")
_OTHER_WORDS = ("as", "are", "with", "if", "not", "this", "by", "it")
_STATEMENTS = (ast.Assign, ast.Expr, ast.If, ast.FunctionDef, ast.Return, ast.Raise, ast.For, ast.ClassDef)
_VALUES = (ast.Call, ast.Constant, ast.Name, ast.Attribute, ast.BinOp, ast.Subscript, ast.List | ast.Tuple, ast.Dict)
_CONDITIONS = (ast.Compare, ast.Call, ast.Name, ast.Attribute, ast.UnaryOp, ast.BoolOp)


@dataclass(frozen=True)
class TextTask:
    """A dataset made of pieces of the standard library.

    Args:
        kind: `source` (pre-trained on), `benchmark` (in the history) or `target` (what a model is chosen for).
        says: What the label is, for people.
        of: Which pieces it is made of.
        make: From a piece and its generator to a text and its label, an integer for classification.
        classes: How many classes there are, or `None` for regression.
        chance: Whether the generator is used.
    """

    kind: Kind
    says: str
    of: Literal["prose", "code"]
    make: Callable[[Piece, Generator], Made]
    classes: int | None
    chance: bool = True


def _of_package(packages: tuple[str, ...]) -> Callable[[Piece, Generator], Made]:
    def make(piece: Piece, rng: Generator) -> Made:
        return (piece.text, packages.index(piece.package)) if piece.package in packages else None

    return make


def _blank(words: tuple[str, ...]) -> Callable[[Piece, Generator], Made]:
    """One of the words left out."""

    def make(piece: Piece, rng: Generator) -> Made:
        said = piece.text.split()
        places = [place for place, word in enumerate(said) if word in words]
        if not places:
            return None
        place = places[rng.integers(len(places))]
        return " ".join([*said[:place], "_", *said[place + 1 :]]), words.index(said[place])

    return make


def _number(kinds: tuple[object, ...], node: ast.AST | None) -> int | None:
    return next((number for number, kind in enumerate(kinds) if isinstance(node, kind)), None)  # type: ignore[arg-type]


def _labelled(piece: Piece, label: int | None) -> Made:
    return None if label is None else (piece.text, label)


def _statement(piece: Piece, rng: Generator) -> Made:
    return _labelled(piece, _number(_STATEMENTS, piece.statement))


def _value(piece: Piece, rng: Generator) -> Made:
    return _labelled(piece, _number(_VALUES, getattr(piece.statement, "value", None)))


def _condition(piece: Piece, rng: Generator) -> Made:
    return _labelled(piece, _number(_CONDITIONS, getattr(piece.statement, "test", None)))


def _arguments(piece: Piece, rng: Generator) -> Made:
    if not isinstance(piece.statement, ast.FunctionDef):
        return None
    asked = piece.statement.args
    return _labelled(piece, min(len(asked.args) + len(asked.kwonlyargs), 4))


def _with_marks(text: str, mark: str, number: int, rng: Generator) -> str:
    """Some of the characters overwritten."""
    characters = list(text)
    for place in rng.choice(len(characters), number, replace=False):
        characters[place] = mark
    return "".join(characters)


def _marks(piece: Piece, rng: Generator) -> Made:
    label = int(rng.integers(6))
    return _with_marks(piece.text, "#", label + 1, rng), label


def _tally(piece: Piece, rng: Generator) -> Made:
    """How many of the marks are of the one kind, whatever there is of the other."""
    label = int(rng.integers(5))
    return _with_marks(_with_marks(piece.text, "?", int(rng.integers(4)), rng), "=", label + 1, rng), label


def _at(text: str, share: float, mark: str) -> str:
    place = int(share * len(text))
    return text[:place] + mark + text[place + 1 :]


def _place(piece: Piece, rng: Generator) -> Made:
    share = rng.random()
    return _at(piece.text, share, "#@$%&*"[rng.integers(6)]), int(8 * share)


def _offset(piece: Piece, rng: Generator) -> Made:
    share = rng.random()
    return _at(piece.text, share, "~"), 100 * share


def _meaningless(piece: Piece, rng: Generator) -> Made:
    return piece.text, int(rng.integers(12))


TEXT_TASKS = {
    "topics": TextTask(
        "source", "which package prose is from", "prose", _of_package(_TOPICS), len(_TOPICS), chance=False
    ),
    "blanks": TextTask("source", "which frequent word is left out", "prose", _blank(_WORDS), len(_WORDS)),
    "statements": TextTask("source", "kind of statement", "code", _statement, len(_STATEMENTS), chance=False),
    "marks": TextTask("source", "how many characters are overwritten", "prose", _marks, 6),
    "places": TextTask("source", "which eighth has a mark", "prose", _place, 8),
    "nonsense": TextTask("source", "nothing: prose with random labels", "prose", _meaningless, 12),
    "packages": TextTask(
        "benchmark", "which package prose is from", "prose", _of_package(_PACKAGES), len(_PACKAGES), chance=False
    ),
    "gaps": TextTask("benchmark", "which word is left out", "prose", _blank(_OTHER_WORDS), len(_OTHER_WORDS)),
    "arguments": TextTask(
        "benchmark", "how many arguments a function takes, up to four", "code", _arguments, 5, chance=False
    ),
    "conditions": TextTask("benchmark", "kind of condition", "code", _condition, len(_CONDITIONS), chance=False),
    "tally": TextTask("benchmark", "how many marks of one kind of two", "prose", _tally, 5),
    "offset": TextTask("benchmark", "where a mark is, per cent of the text", "prose", _offset, None),
    "values": TextTask(
        "target", "kind of value that is assigned or returned", "code", _value, len(_VALUES), chance=False
    ),
}


def names(kind: Kind) -> tuple[str, ...]:
    """The datasets of a kind, in a fixed order."""
    return tuple(name for name, task in TEXT_TASKS.items() if task.kind == kind)


def load_task(name: str, *, train: int = TRAIN, val: int = VAL, test: int = TEST) -> Data:
    """A dataset of the text zoo.

    Args:
        name: A source, a benchmark or a target.
        train: Texts to train on.
        val: Texts to validate on.
        test: Texts to test on.

    Raises:
        UnknownNameError: If there is no such dataset.
        OptionError: If the standard library has too few lines for it.

    >>> data = load_task("gaps", train=40, val=20, test=20)
    >>> data.train.inputs.shape, data.classes, data.metric
    ((40,), 8, 'accuracy')
    """
    if name not in TEXT_TASKS:
        raise UnknownNameError("task", name, TEXT_TASKS)
    task = TEXT_TASKS[name]
    splits = [_split(name, task, number, n) for number, n in enumerate((train, val, test))]
    kind: Literal["classification", "regression"] = "classification" if task.classes else "regression"
    return Data(name=name, task=kind, classes=task.classes, train=splits[0], val=splits[1], test=splits[2])


def source_lines() -> Iterator[str]:
    """Every line that sources may be made of, whatever their kind."""
    pieces = library()
    return (piece.text for piece in (*pieces.prose, *pieces.code) if _belongs(piece, "source") is not None)


def _split(name: str, task: TextTask, split: int, n: int) -> Split:
    """As many of each class as there are, in the order of their digests."""
    most = n if task.classes is None else -(-n // task.classes)
    counts: dict[float, int] = {}
    found: list[tuple[str, float]] = []
    spare: list[tuple[str, float]] = []
    for text, label in _examples(name, task, split):
        counts[label] = counts.get(label, 0) + 1
        (found if counts[label] <= most else spare).append((text, label))
        if len(found) == n:
            break
    found += spare[: n - len(found)]
    if len(found) < n:
        raise OptionError("size", n, f"at most {len(found)}, what the standard library has for {name}")
    order = np.random.default_rng(n).permutation(n)  # classes that fill up early come first, otherwise
    labels = np.array([label for _, label in found], np.int64 if task.classes else np.float64)
    return Split(np.array([text for text, _ in found], dtype=object)[order], labels[order])


def _examples(name: str, task: TextTask, split: int) -> Iterator[tuple[str, float]]:
    pieces: tuple[Piece, ...] = getattr(library(), task.of)
    mine = [piece for piece in pieces if _belongs(piece, task.kind) == split]
    mine.sort(key=lambda piece: piece.digest(name))
    seen: set[str] = set()
    for number in range(_ROUNDS if task.chance else 1):
        for piece in mine:
            made = task.make(piece, piece.generator(name, str(number)))
            if made is not None and made[0] not in seen:
                seen.add(made[0])
                yield made


def _belongs(piece: Piece, kind: Kind) -> int | None:
    """Which split of a kind of dataset a piece is for: 0 train, 1 val, 2 test; none of a source's if a benchmark's."""
    half, place = piece.digest()[:2]
    if (half % 2 == 0) != (kind == "source"):
        return None
    first, second = (0.8, 0.87) if kind == "source" else (0.32, 0.57)
    return 0 if place < 256 * first else 1 if place < 256 * second else 2
