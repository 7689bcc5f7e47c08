"""Laws of the store that hold for any rows: order of parts, compaction, turning round."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.history import History
from raysel.history.folder import Folder, new_stamp
from raysel.history.tables import TABLES, validate
from tests.history.conftest import in_memory
from tests.history.rows import datasets

RUNS = ["r0", "r1", "r2"]
observation = st.fixed_dictionaries(
    {
        "run_id": st.sampled_from(RUNS),
        "step": st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        "split": st.sampled_from(["val", "test"]),
        "metric": st.sampled_from(["accuracy", "loss"]),
        "value": st.floats(-10, 10),
    }
)
run = st.fixed_dictionaries(
    {
        "run_id": st.sampled_from(RUNS),
        "model": st.sampled_from(["a", "b"]),
        "dataset": st.sampled_from(["d", "e"]),
        "config": st.sampled_from(["{}", '{"lr":1}']),
        "status": st.sampled_from(["running", "completed", "stopped"]),
        "planned_steps": st.sampled_from([1.0, 2.0]),
    }
)


def distinct(key: list[str]) -> object:
    return lambda rows: len({tuple(row[name] for name in key) for row in rows}) == len(rows)


observations = st.lists(observation, min_size=1, max_size=6).filter(distinct(["run_id", "step", "split", "metric"]))
runs = st.lists(run, min_size=1, max_size=3).filter(distinct(["run_id"]))
appends = st.lists(
    st.one_of(observations.map(lambda rows: ("observations", rows)), runs.map(lambda rows: ("runs", rows))),
    min_size=1,
    max_size=8,
)


def expected(written: list[tuple[str, list[dict[str, object]]]], table: str) -> dict[tuple[object, ...], object]:
    """What the newest row of each key says, by a plain dictionary."""
    key = TABLES[table].key
    rows = [row for name, rows in written if name == table for row in rows]
    return {tuple(row[name] for name in key): row["value" if table == "observations" else "status"] for row in rows}


def found(history: History, table: str) -> dict[tuple[object, ...], object]:
    rows = getattr(history, table)().to_dict("records")
    key = TABLES[table].key
    return {tuple(row[name] for name in key): row["value" if table == "observations" else "status"] for row in rows}


def reads(history: History) -> tuple[object, ...]:
    """Everything that a reader gets, in a form that compares."""
    matrix = history.matrix()
    curves = [(c.run_id, c.status, c.steps.tolist(), c.values.tolist(), c.final) for c in history.curves()]
    return (
        matrix.models,
        matrix.datasets,
        np.nan_to_num(matrix.values, nan=-99).tolist(),
        matrix.lower_is_better,
        curves,
    )


@settings(max_examples=25, deadline=None)
@given(written=appends, compact_after=st.sets(st.integers(0, 7)))
def test_reads_are_what_a_dictionary_says_whenever_it_is_compacted(
    written: list[tuple[str, list[dict[str, object]]]], compact_after: set[int]
) -> None:
    plain, compacted = in_memory(), in_memory()
    for history in (plain, compacted):
        history.append(datasets=datasets("d"))
        history.append(datasets=datasets("e", metric="loss", mode="min"))
    for number, (table, rows) in enumerate(written):
        for history in (plain, compacted):
            history.append(**{table: pd.DataFrame(rows)})  # type: ignore[arg-type]
        if number in compact_after:
            compacted.compact()
    for table in ("runs", "observations"):
        assert found(plain, table) == found(compacted, table) == expected(written, table)
    assert reads(plain) == reads(compacted)
    compacted.compact()
    assert reads(plain) == reads(compacted)


@settings(max_examples=15, deadline=None)
@given(written=appends, order=st.randoms(use_true_random=False))
def test_reads_do_not_depend_on_the_order_that_parts_arrive_in(
    written: list[tuple[str, list[dict[str, object]]]], order: object
) -> None:
    """What counts is when a part was written, not when it got there."""
    stamps = [new_stamp() for _ in written]
    histories = [in_memory(), in_memory()]
    shuffled = list(range(len(written)))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    for history, numbers in zip(histories, (range(len(written)), shuffled), strict=True):
        history.append(datasets=datasets("d", "e"))
        for number in numbers:
            table, rows = written[number]
            data = validate(TABLES[table], pd.DataFrame(rows))
            Folder(history.uri, history._filesystem).publish(TABLES[table], data, stamp=stamps[number])
    assert reads(histories[0]) == reads(histories[1])


@settings(max_examples=15, deadline=None)
@given(rows=observations, described=runs)
def test_turning_every_value_and_the_direction_changes_nothing(
    rows: list[dict[str, object]], described: list[dict[str, object]]
) -> None:
    answers = []
    for mode, sign in (("max", 1.0), ("min", -1.0)):
        history = in_memory()
        turned = pd.DataFrame(rows).assign(value=lambda frame, sign=sign: frame["value"] * sign)
        history.append(datasets=datasets("d", "e", mode=mode), runs=pd.DataFrame(described), observations=turned)
        answers.append(reads(history))
    assert answers[0][:3] + answers[0][4:] == answers[1][:3] + answers[1][4:]
