"""What a run that nobody made yet would take, told from those on record.

A run's time is taken for a model's times a dataset's, so that a few runs tell of many:

    log seconds[m, d] = A + p_m + q_d

fitted by turns, p and q pulled towards what size lets expect: for a dataset in proportion to its samples, for a model
as the parameters of the others tell.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from raysel.arrays import FloatArray
from raysel.history.curves import Curve

BoolArray = NDArray[np.bool_]

_PULL = 0.05  # runs
_ROUNDS = 20
_FEW = 3  # models from which the part that parameters play is told


def expected_seconds(
    curves: Sequence[Curve],
    models: Sequence[str],
    datasets: Sequence[str],
    *,
    parameters: Mapping[str, float] | None = None,
    samples: Mapping[str, float] | None = None,
) -> FloatArray | None:
    """(n_models, n_datasets) seconds of a completed run; `None` where no run on record has any.

    Seconds of different hardware say nothing of one another: those of the hardware with the most runs count.

    Args:
        curves: The runs on record; the completed ones with seconds are told from.
        models: Of these models, which need not be on record.
        datasets: On these datasets, neither.
        parameters: Of models, where known.
        samples: Of datasets to train on, where known.

    >>> def curve(model, dataset, seconds):
    ...     return Curve(run_id=model + dataset, model=model, dataset=dataset, status="completed", planned_steps=1,
    ...                  steps=np.array([1.0]), values=np.array([0.5]), seconds=np.array([seconds]))
    >>> known = [curve("a", "x", 10.0), curve("a", "y", 100.0), curve("b", "x", 20.0)]
    >>> expected_seconds(known, ["a", "b"], ["x", "y"]).round().tolist()
    [[11.0, 94.0], [20.0, 173.0]]
    """
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    timed = [run for run in curves if run.status == "completed" and run.seconds is not None and len(run.seconds)]
    made = Counter(run.hardware for run in timed)
    most = max(sorted(made), key=made.__getitem__, default="")
    for run in timed:
        if run.hardware == most and run.seconds is not None and run.seconds[-1] > 0:
            found[run.model, run.dataset].append(float(run.seconds[-1]))
    if not found:
        return None
    rows = sorted({*models, *(model for model, _ in found)})
    columns = sorted({*datasets, *(dataset for _, dataset in found)})
    row, column = ({name: place for place, name in enumerate(names)} for names in (rows, columns))
    logs = np.full((len(rows), len(columns)), np.nan)
    for (model, dataset), took in found.items():
        logs[row[model], column[dataset]] = np.log(np.median(took))
    measured = ~np.isnan(logs)
    sized, large = _logs(columns, samples or {}), _logs(rows, parameters or {})
    sized = np.nan_to_num(sized - np.nanmean(sized)) if np.isfinite(sized).any() else np.zeros(len(columns))

    middle = float(np.nanmean(logs))
    p, q = np.zeros(len(rows)), sized
    guess = np.zeros(len(rows))
    for _ in range(_ROUNDS):
        p = _pulled(logs - middle - q, measured, guess)
        guess = _by_size(large, p, measured.any(axis=1))
        q = _pulled((logs - middle - p[:, None]).T, measured.T, sized)
        middle = float(np.nanmean(logs - p[:, None] - q))
    wanted = np.ix_([row[model] for model in models], [column[dataset] for dataset in datasets])
    seconds: FloatArray = np.exp(middle + p[:, None] + q)[wanted]
    return seconds


def _logs(names: Sequence[str], sizes: Mapping[str, float]) -> FloatArray:
    """(n,) logarithms of sizes, NaN where not known."""
    return np.array([np.log(sizes[name]) if sizes.get(name, 0) > 0 else np.nan for name in names])


def _pulled(left: FloatArray, measured: BoolArray, towards: FloatArray) -> FloatArray:
    """(n,) each row's mean, pulled towards a guess."""
    total = np.where(measured, left, 0.0).sum(axis=1)
    pulled: FloatArray = (total + _PULL * towards) / (measured.sum(axis=1) + _PULL)
    return pulled


def _by_size(large: FloatArray, p: FloatArray, known: BoolArray) -> FloatArray:
    """(n,) what the logarithm of a model's parameters lets expect of p, which rises by between nothing and as much."""
    average = float(p[known].mean())
    told = known & ~np.isnan(large)
    if told.sum() < _FEW:
        return np.full(len(p), average)
    centred = large - large[told].mean()
    slope = (centred[told] * p[told]).sum() / max(float((centred[told] ** 2).sum()), 1e-12)
    return np.where(np.isnan(large), average, p[told].mean() + np.clip(slope, 0.0, 1.0) * centred)
