"""The samples of a target that proxies look at, and what tells them from others."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from raysel.errors import OptionError
from raysel.target import Target


def looked_at(target: Target, *, max_samples: int, seed: int) -> tuple[Any, Any]:
    """Inputs and labels of at most so many samples; see `subsample`.

    Raises:
        OptionError: If the target has no samples, or not as many labels as inputs.
    """
    if target.samples is None:
        raise OptionError("samples", None, "a function that returns (inputs, labels)")
    inputs, labels = target.samples()
    labels = np.asarray(labels)
    if len(labels) < 2 or labels.ndim != 1 or len(inputs) != len(labels):
        raise OptionError("samples", (len(inputs), labels.shape), "inputs and labels of one length, at least 2")
    chosen = subsample(labels, task=target.task, size=max_samples, seed=seed)
    return [inputs[i] for i in chosen] if isinstance(inputs, list | tuple) else inputs[chosen], labels[chosen]


def subsample(labels: Any, *, task: str, size: int, seed: int) -> Any:
    """Indices of at most `size` samples, in order; for classification every class keeps its share."""
    if len(labels) <= size:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    if task == "regression":
        return np.sort(order[:size])
    # Sorting samples by their rank within the class, as a share of it, takes all classes down together.
    groups = pd.Series(labels[order])
    within = groups.groupby(groups).cumcount().to_numpy() / groups.map(groups.value_counts()).to_numpy()
    return np.sort(order[np.argsort(within, kind="stable")[:size]])


def fingerprint(inputs: Any, labels: Any) -> str:
    """Sixteen hexadecimal digits that change with the data."""
    digest = hashlib.sha256()
    for part in (inputs, labels):
        if hasattr(part, "digest"):  # files, which know their own
            digest.update(part.digest.encode())
            continue
        array = np.asarray(part)
        digest.update(f"{array.dtype.kind}{array.shape}".encode())
        if array.dtype.kind in "OU":
            for item in array.ravel().tolist():
                digest.update(f"{len(str(item))}:{item}".encode())
        else:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
