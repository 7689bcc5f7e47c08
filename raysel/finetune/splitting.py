"""Drawing validation and test samples from those to train on."""

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raysel.finetune.data import Split
from raysel.models.image_files import ImageFiles, Inputs, LazyImages


def keys(inputs: Inputs) -> list[Hashable]:
    """What makes each input what it is: texts, and paths of files. Pixels are not compared: images have none.

    >>> keys(np.array([["a", "b"], ["b", "a"]]))
    [('a', 'b'), ('b', 'a')]
    """
    if isinstance(inputs, ImageFiles):
        return inputs.paths.tolist()
    if isinstance(inputs, LazyImages) or inputs.ndim == 4:
        return []
    return inputs.tolist() if inputs.ndim == 1 else [tuple(pair) for pair in inputs.tolist()]


def copies(splits: Mapping[str, Split]) -> dict[str, int]:
    """How many inputs of each other split are inputs to train on as well, where there are any."""
    trained = set(keys(splits["train"].inputs))
    found = {
        name: sum(key in trained for key in keys(split.inputs)) for name, split in splits.items() if name != "train"
    }
    return {name: number for name, number in found.items() if number}


def draw(train: Split, shares: Mapping[str, float], *, stratified: bool, seed: int) -> dict[str, NDArray[np.int64]]:
    """(n_split,) indices of samples by split, ascending: those asked for, and `train` for what is left.

    Args:
        train: What is drawn from.
        shares: The share of each split, by its name.
        stratified: Whether labels are classes, each of which gives its share, but never its last sample.
        seed: Draws.

    Samples of the same input stay together, so that nothing is tested on what was trained on.
    """
    rng = np.random.default_rng(seed)
    numbers: dict[Hashable, int] = {}
    groups = np.array([numbers.setdefault(key, len(numbers)) for key in keys(train.inputs) or range(len(train))])
    first = np.sort(np.unique(groups, return_index=True)[1])
    left, drawn = first, {}
    for split, share in shares.items():
        chosen = _share(train.labels[left], round(share * len(first)), stratified=stratified, rng=rng)
        drawn[split], left = left[chosen], np.delete(left, chosen)
    drawn["train"] = left
    return {split: np.flatnonzero(np.isin(groups, groups[indices])) for split, indices in drawn.items()}


def _share(labels: NDArray[np.int64], size: int, *, stratified: bool, rng: np.random.Generator) -> NDArray[np.int64]:
    """(about size,) indices, ascending."""
    order = rng.permutation(len(labels))
    size = max(1, size)
    if not stratified:
        return np.sort(order[: min(size, len(order) - 1)])
    groups = pd.Series(labels[order])
    place, count = groups.groupby(groups).cumcount().to_numpy(), groups.map(groups.value_counts()).to_numpy()
    # By the place within the class, as a share of it: all classes are drawn from together. The last stays.
    rank = np.where(place == count - 1, np.inf, (place + 0.5) / count)
    chosen = np.argsort(rank, kind="stable")[: min(size, int(np.isfinite(rank).sum()))]
    return np.sort(order[chosen])
