"""Histories on an S3-compatible store, which is a process of its own that speaks HTTP."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raysel.errors import HistoryError, HistoryNotFoundError
from raysel.history import History
from tests.history.rows import datasets, points, proxies, runs


def test_a_history_lives_in_a_bucket(bucket: str) -> None:
    with pytest.raises(HistoryNotFoundError):
        History(f"{bucket}/history")
    with pytest.raises(HistoryError, match=r"cannot be written to: .*bucket does not exist"):
        History.create(f"{bucket}-that-is-not/history")
    history = History.create(f"{bucket}/history")
    history.append(datasets=datasets("d"), runs=runs("a"), observations=points("a", [0.1, 0.2]))
    pinned = history.pinned(history.pin("run"))
    history.append(runs=runs("b"), observations=points("b", [0.3, 0.4]), proxies=proxies("b", -0.5))
    history.compact()
    again = History(f"{bucket}/history")
    assert again.matrix().values.tolist() == [[0.2], [0.4]]
    assert again.proxy_scores("leep") == {("b", "d"): -0.5}
    assert pinned.matrix().models == ("a",)
    history.unpin("run")
    history.compact()
    assert len(history.parts()) == 4
    assert history.check() == []
    assert history.summary().cells == 2


# With the environment of now, which a fork server's processes do not have.
CONTEXT = multiprocessing.get_context("spawn")


def write(uri: str, writer: int, appends: int) -> None:
    history = History(uri)
    for number in range(appends):
        name = f"w{writer}-{number}"
        history.append(runs=runs(name), observations=points(name, [writer / 10, number / appends]))


def compact(uri: str, done: Any) -> None:
    while not done.is_set():
        History(uri).compact()
        time.sleep(0.5)


@pytest.mark.slow
def test_writers_and_a_compaction_at_once_lose_nothing_and_readers_see_whole_parts(bucket: str) -> None:
    writers_count, appends = 3, 25
    history = History.create(f"{bucket}/history")
    history.append(datasets=datasets("d"))
    done = CONTEXT.Event()
    writers = [CONTEXT.Process(target=write, args=(history.uri, number, appends)) for number in range(writers_count)]
    compactor = CONTEXT.Process(target=compact, args=(history.uri, done))
    for process in (*writers, compactor):
        process.start()
    seen = [0]
    while any(process.is_alive() for process in writers):
        curves = history.curves()
        assert all(curve.steps.tolist() == [1.0, 2.0] for curve in curves)
        assert seen[-1] <= len(curves)
        seen.append(len(curves))
    done.set()
    for process in (*writers, compactor):
        process.join()
    assert [process.exitcode for process in (*writers, compactor)] == [0] * (writers_count + 1)
    assert any(0 < count < writers_count * appends for count in seen)
    expected = {f"w{writer}-{number}": number / appends for writer in range(writers_count) for number in range(appends)}
    matrix = history.matrix()
    assert dict(zip(matrix.models, matrix.values[:, 0].tolist(), strict=True)) == expected
    history.compact()
    assert history.check() == []
    assert len(history.observations()) == 2 * len(expected)


def wide(name: str) -> pd.DataFrame:
    """Points enough for a put of several requests, which a store takes in parts."""
    rng = np.random.default_rng(len(name))
    frame = points(name, rng.random(300_000))
    return pd.concat([frame, points(name, [0.5], metric="loss")])


def write_for_ever(uri: str, attempt: int, told: Connection) -> None:
    history = History(uri)
    for number in range(1000):
        name = f"a{attempt}-{number}"
        told.send(("begins", name))
        history.append(observations=wide(name), runs=runs(name, planned_steps=300_000.0))
        told.send(("has written", name))


def heard(told: Connection) -> Iterator[tuple[str, str]]:
    with suppress(EOFError):
        while told.poll():
            yield told.recv()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_writer_that_is_killed_while_it_writes_loses_nothing_that_was_there(bucket: str) -> None:
    history = History.create(f"{bucket}/history")
    history.append(datasets=datasets("d"), runs=runs("first"), observations=points("first", [0.1, 0.2]))
    rng = np.random.default_rng(0)
    written, begun = {"first"}, {"first"}
    for attempt in range(5):
        receiver, sender = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=write_for_ever, args=(history.uri, attempt, sender))
        process.start()
        sender.close()
        assert receiver.poll(60)  # it begins now
        time.sleep(float(rng.uniform(0.0, 2.0)))
        process.kill()
        process.join()
        for word, name in heard(receiver):
            (written if word == "has written" else begun).add(name)
        seen = set(history.runs()["run_id"])
        assert written <= seen <= begun
        assert {curve.run_id for curve in history.curves()} == seen, "a run that is seen has its points"
        assert all("belong to" in problem for problem in history.check()), "points may be there before their run"
    assert len(begun) > len(written)
    history.compact()
    assert set(history.runs()["run_id"]) >= written
