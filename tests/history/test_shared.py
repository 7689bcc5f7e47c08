"""Several selections at once on one history: each starts from what it saw, and the next one learns from all."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pytest

from raysel.history import History
from raysel.recall import rank
from tests.history.rows import datasets, points, runs

MODELS = tuple(f"m{number}" for number in range(8))
PAST = ("p0", "p1", "p2")
TRIALS = 4


def past(history: History) -> None:
    """On past datasets the models are the better the lower their number."""
    for dataset in PAST:
        history.append(
            datasets=datasets(dataset),
            runs=runs(*(f"{model}-{dataset}" for model in MODELS), model=list(MODELS), dataset=dataset),
            observations=pd.concat(
                points(f"{model}-{dataset}", [0.4, 0.9 - number / 20]) for number, model in enumerate(MODELS)
            ),
        )


def select(uri: str, target: str, together: Any) -> tuple[str, ...]:
    """A selection without Ray: recalled from what was there at the start, trained together with the others.

    On targets the models are the better the higher their number.
    """
    history = History(uri)
    view = history.pinned(history.pin(target))
    recalled = rank(view.matrix(without=target), MODELS, top_k=TRIALS, seed=0).models
    history.append(datasets=datasets(target))
    for step in (1.0, 2.0):
        together.wait()
        for model in recalled:
            name, value = f"{model}-{target}", 0.1 + MODELS.index(model) / 10
            status = "running" if step == 1.0 else "completed"
            history.append(
                observations=points(name, [value], first=step),
                runs=runs(name, model=model, dataset=target, status=status),
            )
        together.wait()
        # What others found meanwhile changes nothing here, whatever is compacted.
        history.compact()
        assert rank(view.matrix(without=target), MODELS, top_k=TRIALS, seed=0).models == recalled
    history.unpin(target)
    return recalled


@contextmanager
def processes(count: int, *, started: str) -> Iterator[Any]:
    context: Any = multiprocessing.get_context(started)
    if started == "forkserver":
        context.set_forkserver_preload(["raysel.recall", "tests.history.rows"])
    with context.Manager() as manager, context.Pool(count) as pool:
        yield pool, manager.Barrier(count, timeout=200)


def shared(history: History, *, at_once: int, started: str) -> None:
    past(history)
    targets = [f"t{number}" for number in range(at_once)]
    with processes(at_once, started=started) as (pool, together):
        recalled = pool.starmap(select, [(history.uri, target, together) for target in targets])
    assert recalled == [MODELS[:TRIALS]] * at_once, "all started from the same"
    rows = history.runs().query("dataset in @targets")
    assert sorted(rows["run_id"]) == sorted(f"{model}-{target}" for target in targets for model in MODELS[:TRIALS])
    assert set(rows["status"]) == {"completed"}
    assert all(curve.steps.tolist() == [1.0, 2.0] for curve in history.curves())
    assert history.matrix().datasets == (*PAST, *targets)
    assert (history.check(), history.pins()) == ([], {})


def test_two_selections_at_once_lose_nothing_and_the_next_one_learns_from_both(history: History) -> None:
    shared(history, at_once=2, started="forkserver")
    before = history.matrix().without("t0").without("t1")
    assert rank(before, MODELS, top_k=1).models == ("m0",)
    # Of what was tried on the targets, m3 was the best.
    after = history.matrix()
    (index,) = [j for j, name in enumerate(after.datasets) if name == "t0"]
    assert after.values[after.row["m3"], index] == pytest.approx(0.4)
    assert rank(after, MODELS, top_k=1).models != ("m0",)


@pytest.mark.slow
def test_three_selections_at_once_on_an_object_store(bucket: str) -> None:
    # Processes of a fork server have the environment of its start.
    shared(History.create(f"{bucket}/history"), at_once=3, started="spawn")
