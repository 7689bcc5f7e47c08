"""What a selection may be expected to spend, before it spends it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
        elsewhere: What the times were measured on, where none was on the hardware asked about: empty where nobody
            recorded it. Else `None`.
    """

    least: float
    likely: float
    most: float
    measured: int
    elsewhere: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What an epoch takes.

    Args:
        seconds: By model.
        elsewhere: As in `Estimate`.
    """

    seconds: Mapping[str, float]
    elsewhere: str | None = None


def pace(history: History, dataset: str, *, train: int, val: int, hardware: str) -> Pace:
    """By model what an epoch takes: as its runs on record took, else as the forward pass of its proxy score did.

    Seconds of different hardware say nothing of one another: those of the hardware asked about count. Only where it has
    none of any model do those of the hardware that has most, and the answer says so.

    Args:
        history: Where runs and scores are. A run tells where its dataset's size is on record and its configuration
            says how many epochs its steps were.
        dataset: On which data.
        train: How many samples are trained on in an epoch; each counts as three passes.
        val: How many are validated on.
        hardware: On what, in the words of `raysel.finetune.hardware`.
    """
    rows = history.proxies()
    rows = rows[(rows["dataset"] == dataset) & rows["seconds"].notna()]
    passes = (_PASSES * train + val) / min(train, LOOKED_AT)
    known: dict[str, dict[str, float]] = defaultdict(dict)
    # The fastest counts: one pass feeds all proxies, whose own time comes on top.
    for row in rows.sort_values("seconds", ascending=False).to_dict("records"):
        known[row["hardware"]][row["model"]] = float(row["seconds"]) * passes
    runs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for model, place, seconds in _recorded(history, train):
        runs[model, place].append(seconds)
    for (model, place), found in runs.items():
        known[place][model] = float(np.median(found))
    if hardware in known or not known:
        return Pace(seconds=known.get(hardware, {}))
    other = max(sorted(known), key=lambda place: len(known[place]))
    return Pace(seconds=known[other], elsewhere=other)


def _recorded(history: History, train: int) -> Iterator[tuple[str, str, float]]:
    """(model, hardware, seconds) of each run: what an epoch of so many samples would have taken."""
    described = history.datasets().dropna(subset=["size"])
    sizes = dict(zip(described["dataset"], described["size"].astype(float), strict=True))
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
            yield run.model, run.hardware, float(run.seconds[-1]) / made / sizes[run.dataset] * train


def estimate(models: Sequence[str], known: Pace, *, epochs: float, first: float) -> Estimate | None:
    """What training these models spends at least, at most, and as halving would; `None` if no time is known.

    Args:
        models: The recalled ones, at least one.
        known: Seconds of an epoch of some of them.
        epochs: How many a trial has.
        first: The part of them at which trials are first judged.

    >>> estimate(["a", "b"], Pace(seconds={"a": 60.0, "b": 120.0}), epochs=4, first=0.5)
    Estimate(least=540.0, likely=540.0, most=720.0, measured=2, elsewhere=None)
    """
    found = [known.seconds[model] for model in models if model in known.seconds]
    if not found:
        return None
    average, n = float(np.mean(found)), len(models)
    whole = average * epochs
    halved = sum(max(1, n >> fifth) for fifth in range(_FIFTHS)) / _FIFTHS
    least, most = whole * (n * first + (1 - first)), whole * n
    likely = min(max(least, whole * halved), most)
    return Estimate(least=least, likely=likely, most=most, measured=len(found), elsewhere=known.elsewhere)


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
