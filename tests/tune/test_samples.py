"""What proxies look at, and that it is not mistaken for anything else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raysel import Target
from raysel.errors import OptionError
from raysel.tune.samples import fingerprint, looked_at, subsample

IMAGES = np.arange(40).reshape(20, 2)
LABELS = np.repeat([0, 1], [15, 5])
TEXTS = np.array([f"text {number}" for number in range(20)])


def seen(inputs: Any, *, size: int, seed: int = 0, labels: Any = LABELS) -> str:
    found = looked_at(Target("t", samples=lambda: (inputs, labels)), max_samples=size, seed=seed)
    return fingerprint(*found)


@pytest.mark.parametrize("kind", [lambda x: x, list], ids=["array", "list"])
@pytest.mark.parametrize("inputs", [IMAGES, TEXTS], ids=["images", "texts"])
def test_another_sample_has_another_fingerprint(inputs: Any, kind: Callable[[Any], Any]) -> None:
    given = kind(inputs)
    whole = seen(given, size=20)
    assert whole == seen(given, size=1000, seed=1) == fingerprint(given, LABELS), (
        "all of them, whatever the cap and seed"
    )
    samples = {whole, *(seen(given, size=size, seed=seed) for size in (5, 10, 15) for seed in (0, 1))}
    assert len(samples) == 7
    assert seen(given, size=10) == seen(given, size=10)
    assert seen(given, size=20, labels=1 - LABELS) != whole


@pytest.mark.parametrize(("task", "labels"), [("classification", LABELS), ("regression", LABELS / 3)])
def test_a_subsample_is_of_its_size_and_in_order(task: str, labels: Any) -> None:
    chosen = subsample(labels, task=task, size=8, seed=3)
    assert len(set(chosen.tolist())) == len(chosen) == 8
    assert chosen.tolist() == sorted(chosen.tolist())
    if task == "classification":
        assert np.bincount(labels[chosen]).tolist() == [6, 2], "every class keeps its share"


@pytest.mark.parametrize(("inputs", "labels"), [(IMAGES, LABELS[:5]), (IMAGES[:1], LABELS[:1]), (IMAGES, IMAGES)])
def test_bad_samples_are_refused(inputs: Any, labels: Any) -> None:
    with pytest.raises(OptionError, match="inputs and labels of one length"):
        seen(inputs, size=10, labels=labels)
    with pytest.raises(OptionError, match="samples"):
        looked_at(Target("t"), max_samples=10, seed=0)
