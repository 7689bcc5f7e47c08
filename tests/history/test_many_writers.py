"""Many processes append to one history at once, while others read and compact it."""

import multiprocessing
import time
from multiprocessing.context import ForkServerContext

import pandas as pd

from raysel.history import History
from tests.history.rows import datasets, points, runs

WRITERS, APPENDS = 8, 200


def write(uri: str, writer: int) -> None:
    history = History(uri)
    for number in range(APPENDS):
        name = f"w{writer}-{number}"
        history.append(runs=runs(name), observations=points(name, [writer / 10, number / APPENDS]))


def compact(uri: str, done: object) -> None:
    while not done.is_set():  # type: ignore[attr-defined]
        History(uri).compact()
        time.sleep(2.0)


def forkserver() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["raysel.history.store", "tests.history.rows"])
    return context


def test_eight_writers_lose_nothing_and_readers_see_only_whole_parts(history: History) -> None:
    context = forkserver()
    history.append(datasets=datasets("d"))
    done = context.Event()
    writers = [context.Process(target=write, args=(history.uri, number), daemon=True) for number in range(WRITERS)]
    compactor = context.Process(target=compact, args=(history.uri, done), daemon=True)
    for process in (*writers, compactor):
        process.start()
    seen, before = [], 0
    while any(process.is_alive() for process in writers):
        # A run is seen with both of its points or not at all: half a part, or points after their run, would show here.
        matrix, curves = history.matrix(), history.curves()
        assert all(curve.steps.tolist() == [1.0, 2.0] for curve in curves)
        assert before <= len(matrix.models) <= len(curves)
        before = len(curves)
        seen.append(before)
        time.sleep(1.0)
    done.set()
    for process in (*writers, compactor):
        process.join()
    assert [process.exitcode for process in (*writers, compactor)] == [0] * (WRITERS + 1)
    assert any(0 < count < WRITERS * APPENDS for count in seen)
    expected = {f"w{writer}-{number}": number / APPENDS for writer in range(WRITERS) for number in range(APPENDS)}
    for _ in range(2):
        matrix = history.matrix()
        assert dict(zip(matrix.models, matrix.values[:, 0].tolist(), strict=True)) == expected
        assert len(history.observations()) == 2 * WRITERS * APPENDS
        history.compact()
    assert history.check() == []
    assert pd.unique(history.runs()["run_id"]).tolist() == history.runs()["run_id"].tolist()
