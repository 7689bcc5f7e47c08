"""The text zoo's datasets, whatever Python runs."""

import numpy as np
import pytest

from raysel import zoo
from raysel.errors import OptionError, UnknownNameError
from raysel.zoo.stdlib import LONGEST, PACKAGES, SHORTEST, Piece, library
from raysel.zoo.text_tasks import TEXT_TASKS, load_task, names, source_lines

SOURCES, OTHERS = names("source"), (*names("benchmark"), *names("target"))


def test_pieces_are_lines_of_the_library() -> None:
    found = library()
    for pieces in (found.prose, found.code):
        assert len({piece.text for piece in pieces}) == len(pieces) > 10_000
        assert all(SHORTEST <= len(piece.text) <= LONGEST for piece in pieces)
        assert {piece.package for piece in pieces} <= set(PACKAGES)
    assert all(piece.statement is not None for piece in found.code)


def test_what_becomes_of_a_piece_follows_from_its_text_alone() -> None:
    one, same = Piece("some text", "os"), Piece("some text", "re")
    assert one.digest("x") == same.digest("x") != one.digest("y")
    assert one.generator("x").random() == same.generator("x").random() != one.generator("y").random()


@pytest.mark.parametrize("name", TEXT_TASKS)
def test_a_task_is_the_same_every_time_and_no_text_is_in_two_splits(name: str) -> None:
    first, second = (load_task(name, train=90, val=40, test=60) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    texts = [text for split in (first.train, first.val, first.test) for text in split.inputs]
    assert len(set(texts)) == len(texts) == 190
    if first.classes is None:
        assert 0 <= first.train.labels.min() < 10 < 90 < first.train.labels.max() <= 100
    else:
        assert set(first.train.labels) == set(range(first.classes))
        assert np.bincount(first.train.labels).max() <= 0.4 * 90


def test_sources_share_no_line_with_what_they_are_tried_on() -> None:
    lines = set(source_lines())
    for name in ("packages", "conditions", "values"):  # whose lines are as they were
        assert not lines & set(load_task(name).train.inputs)
    assert set(load_task("topics", train=300).train.inputs) <= lines


def test_sizes_by_default_and_at_most() -> None:
    data = zoo.load_task("values")
    assert (len(data.train), len(data.val), len(data.test)) == (300, 200, 400)
    with pytest.raises(OptionError, match="standard library has for packages"):
        load_task("packages", train=5000)


def test_kinds() -> None:
    assert len(OTHERS) == len(set(OTHERS))
    assert not set(SOURCES) & set(OTHERS)
    assert not set(TEXT_TASKS) & {*zoo.benchmarks("images"), *zoo.targets("images")}
    assert {zoo.inputs_of(name) for name in TEXT_TASKS} == {"texts"}
    assert {zoo.inputs_of(name) for name in (*zoo.benchmarks("images"), *zoo.targets("images"))} == {"images"}


def test_an_unknown_task() -> None:
    for load in (load_task, zoo.load_task, zoo.inputs_of):
        with pytest.raises(UnknownNameError, match="did you mean values"):
            load("value")
