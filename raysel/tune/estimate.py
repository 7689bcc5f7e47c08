"""What a selection may be expected to spend, before it spends it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raysel.history import History
from raysel.tune.scoring import LOOKED_AT

_PASSES = 3  # training a sample is a forward pass and a backward one of twice the work
_FIFTHS = 5


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds of training, all trials together.

    Args:
        least: If all but one model are stopped at the first stage.
        likely: If the better half goes on at each fifth.
        most: If none is stopped.
        measured: Of how many models the time of an epoch is known; the others are taken for average ones.
    """

    least: float
    likely: float
    most: float
    measured: int


def epoch_seconds(history: History, dataset: str, *, train: int, val: int) -> dict[str, float]:
    """By model what an epoch takes: as its runs on record took, else as the forward pass of its proxy score did.

    A run tells where its dataset's size is on record and its configuration says how many epochs its steps were.

    Args:
        history: Where runs and scores are.
        dataset: On which data.
        train: How many samples are trained on in an epoch; each counts as three passes.
        val: How many are validated on.
    """
    rows = history.proxies()
    rows = rows[(rows["dataset"] == dataset) & rows["seconds"].notna()]
    fastest = rows.groupby("model")["seconds"].min()  # one pass feeds all proxies, whose own time comes on top
    passes = (_PASSES * train + val) / min(train, LOOKED_AT)
    return {str(model): float(s) * passes for model, s in fastest.items()} | _recorded(history, train)


def _recorded(history: History, train: int) -> dict[str, float]:
    """By model the median over its runs of what an epoch of so many samples would have taken."""
    known = history.datasets().dropna(subset=["size"])
    sizes = dict(zip(known["dataset"], known["size"].astype(float), strict=True))
    found: dict[str, list[float]] = defaultdict(list)
    for run in history.curves():
        epochs = run.config.get("epochs")
        if (
            run.seconds is None
            or not isinstance(epochs, int | float)
            or not sizes.get(run.dataset)
            or not len(run.steps)
        ):
            continue
        made = float(run.steps[-1]) / run.planned_steps * epochs
        if made > 0 and np.isfinite(run.seconds[-1]):
            found[run.model].append(float(run.seconds[-1]) / made / sizes[run.dataset] * train)
    return {model: float(np.median(seconds)) for model, seconds in found.items()}


def estimate(models: Sequence[str], by_epoch: Mapping[str, float], *, epochs: float, first: float) -> Estimate | None:
    """What training these models spends at least, at most, and as halving would; `None` if no time is known.

    Args:
        models: The recalled ones, at least one.
        by_epoch: Seconds of an epoch by model, of some of them.
        epochs: How many a trial has.
        first: The part of them at which trials are first judged.

    >>> estimate(["a", "b"], {"a": 60.0, "b": 120.0}, epochs=4, first=0.5)
    Estimate(least=540.0, likely=540.0, most=720.0, measured=2)
    """
    known = [by_epoch[model] for model in models if model in by_epoch]
    if not known:
        return None
    average, n = float(np.mean(known)), len(models)
    whole = average * epochs
    halved = sum(max(1, n >> fifth) for fifth in range(_FIFTHS)) / _FIFTHS
    least, most = whole * (n * first + (1 - first)), whole * n
    return Estimate(least=least, likely=min(max(least, whole * halved), most), most=most, measured=len(known))


def storage_bytes(parameters: Sequence[int], *, running: int | None, top_k: int | None = None) -> int:
    """What checkpoints take at most: of each live or finished trial the last one, and one more where one is written.

    A checkpoint holds the weights and AdamW's two moments in float32. The finished ones are copied once more, to be
    kept, without the moments.

    Args:
        parameters: Of the models.
        running: How many trials run at once at most; `None` if all may.
        top_k: How many models are recalled of them: the largest, at worst.
    """
    largest = sorted(parameters, reverse=True)[:top_k]
    written = largest if running is None else largest[:running]
    return 12 * (sum(largest) + sum(written)) + 4 * sum(largest)
