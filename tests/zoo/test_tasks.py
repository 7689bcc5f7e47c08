"""The mini zoo's datasets."""

import numpy as np
import pytest

from raysel import zoo
from raysel.errors import UnknownNameError
from raysel.zoo.tasks import load_task, names

DRAWN = [name for kind in ("source", "benchmark", "target") for name in names(kind) if name != "digits"]


@pytest.mark.parametrize("name", DRAWN)
def test_a_task_is_the_same_every_time_and_balanced(name: str) -> None:
    first, second = (load_task(name, train=96, val=48, test=48) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert first.train.inputs.shape == (96, 3, 16, 16)
    labels = first.train.labels
    if first.classes is None:
        # Evenly spread: a tenth of the labels in each tenth of the span, give or take one.
        low, high = labels.min(), labels.max()
        assert np.all(np.abs(np.histogram(labels, 8, (low, high))[0] - 12) <= 2)
    else:
        counts = np.bincount(labels, minlength=first.classes)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("name", DRAWN)
def test_splits_and_images_differ(name: str) -> None:
    data = load_task(name, train=30, val=30, test=30)
    images = {image.tobytes() for split in (data.train, data.val, data.test) for image in split.inputs}
    assert len(images) == 90


def test_sizes_by_default() -> None:
    data = load_task("greek")
    assert (len(data.train), len(data.val), len(data.test)) == (300, 300, 1000)


def test_digits_are_the_real_ones() -> None:
    data = zoo.load_task("digits")
    assert (len(data.train), len(data.val), len(data.test)) == (200, 397, 1200)
    images = {image.tobytes() for split in (data.train, data.val, data.test) for image in split.inputs}
    assert len(images) == 1797
    assert np.bincount(data.train.labels).min() >= 10


def test_kinds_share_no_task() -> None:
    assert not set(zoo.benchmarks()) & set(zoo.targets())
    assert not set(names("source")) & {*zoo.benchmarks(), *zoo.targets()}


def test_an_unknown_task() -> None:
    with pytest.raises(UnknownNameError, match="did you mean greek"):
        zoo.load_task("grek")
