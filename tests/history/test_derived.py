"""Derived data: the matrix that compaction keeps, brought up to date from the parts that came later."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysel.history import History
from raysel.history.folder import Folder
from raysel.history.reading import results
from tests.history.rows import datasets, points, proxies, runs


def fresh(history: History) -> tuple[object, ...]:
    """The matrix worked out from the parts alone."""
    folder = Folder(history.uri)
    folder.drop("derived", folder.files("derived"))
    return plain(History(history.uri))


def plain(history: History) -> tuple[object, ...]:
    """The matrix as plain data."""
    matrix = history.matrix()
    values = np.where(np.isnan(matrix.values), None, matrix.values).tolist()  # type: ignore[call-overload]
    return matrix.models, matrix.datasets, values, matrix.lower_is_better


def compacted(history: History) -> History:
    """Three models, one of them on two datasets, and the matrix kept."""
    history.append(datasets=datasets("d", "e"), runs=runs("a", "b"))
    history.append(runs=runs("c", dataset="e"), observations=points("c", [0.5, 0.6]))
    history.append(runs=runs("a2", model="a", dataset="e"), observations=points("a2", [0.2, 0.9]))
    history.append(observations=pd.concat([points("a", [0.1, 0.2]), points("b", [0.3, 0.4])]))
    history.compact()
    assert [name.split("-")[0] for name in Folder(history.uri).files("derived")] == ["matrix"]
    return history


def a_new_model(history: History) -> None:
    history.append(runs=runs("z"), observations=points("z", [0.7, 0.8]))


def a_correction(history: History) -> None:
    history.append(observations=points("a", [0.95], first=2))


def a_run_that_moves_to_another_model(history: History) -> None:
    history.append(runs=runs("b", model="renamed"))


def a_run_that_is_stopped_after_all(history: History) -> None:
    history.append(runs=runs("c", dataset="e", status="stopped"))


def a_dataset_of_its_own_without_direction(history: History) -> None:
    history.append(runs=runs("n", dataset="new"), observations=points("n", [0.7, 0.8]))


def another_metric(history: History) -> None:
    history.append(datasets=datasets("e", metric="loss", mode="min"))
    history.append(observations=points("c", [3.0, 2.0], metric="loss"))


def two_configurations(history: History) -> None:
    history.append(runs=runs("b2", model="b", config='{"lr": 1}'), observations=points("b2", [0.3, 0.5]))


CHANGES = [
    a_new_model,
    a_correction,
    a_run_that_moves_to_another_model,
    a_run_that_is_stopped_after_all,
    a_dataset_of_its_own_without_direction,
    another_metric,
    two_configurations,
]


FROM_SCRATCH = [a_dataset_of_its_own_without_direction, another_metric]


def only_of_models(*given: object, where: object = None, **columns: object) -> object:
    """`results`, refused for all models at once."""
    assert where is not None
    return results(*given, where=where, **columns)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_kept_is_brought_up_to_date(
    history: History, change: Callable[[History], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    compacted(history)
    before = plain(history)
    change(history)
    with monkeypatch.context() as patch:
        if change not in FROM_SCRATCH:
            patch.setattr("raysel.history.reading.results", only_of_models)
        read = plain(History(history.uri))
    assert read != before
    assert read == fresh(history)


@pytest.mark.parametrize("change", CHANGES)
def test_compaction_keeps_the_matrix_of_what_is_there(history: History, change: Callable[[History], None]) -> None:
    compacted(history)
    change(history)
    history.compact()
    assert plain(history) == fresh(history)


def test_what_is_damaged_is_worked_out_anew(history: History) -> None:
    expected = plain(compacted(history))
    (path,) = (Path(history.uri) / "derived").iterdir()
    path.write_bytes(b"PAR1 no more")
    assert plain(History(history.uri)) == expected


def test_a_view_of_older_parts_does_not_take_what_was_made_of_newer(history: History) -> None:
    view = compacted(history).pinned(history.pin("selection"))
    expected = plain(view)
    a_correction(history)
    history.compact()
    assert plain(view) == expected != plain(history)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that were opened since the list was last cleared."""
    names: list[str] = []
    original = Folder._rows

    def rows(self: Folder, part: str, *wanted: object) -> object:
        names.append(part)
        return original(self, part, *wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(Folder, "_rows", rows)
    return names


def test_a_reader_that_has_seen_parts_opens_only_the_new_ones(history: History, opened: list[str]) -> None:
    history.append(datasets=datasets("d"), runs=runs("a"), observations=points("a", [0.1, 0.2]))
    history.curves()
    before = set(history.parts())
    opened.clear()
    history.curves()
    assert opened == []
    a_new_model(history)
    assert history.matrix().models == ("a", "z")
    assert set(opened) == set(history.parts()) - before
    assert len(opened) == 2


def test_of_a_large_part_only_what_is_wanted_is_read(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raysel.history.folder._SMALL_PART_BYTES", 0)
    monkeypatch.setattr("raysel.history.folder._ROW_GROUP", 2)
    names = [f"m{i}" for i in range(8)]
    history.append(
        datasets=datasets("d"),
        runs=runs(*names),
        observations=pd.concat([points(name, [0.1 * i, 0.1 * i]) for i, name in enumerate(names)]),
        proxies=pd.concat([proxies("m0", 1.0), proxies("m1", 2.0, proxy="logme")]),
    )
    read: list[int] = []
    from raysel.history import folder

    groups = folder._groups_with
    monkeypatch.setattr(folder, "_groups_with", lambda *given: read.append(len(groups(*given))) or groups(*given))
    assert [curve.model for curve in history.curves(models=["m3", "m6"])] == ["m3", "m6"]
    assert read == [2, 2, 2]  # of four groups of runs, twice, and of eight of observations
    assert [curve.model for curve in history.curves(dataset="d")] == names
    assert history.curves(dataset="e") == []
    assert history.proxy_scores("logme") == {("m1", "d"): 2.0}
    assert history.matrix().models == tuple(names)
    assert history.names() == tuple(names)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, tuple[str, ...]]]:
    """What was read of large parts since the list was last cleared: row group (`None` for all) and columns."""
    monkeypatch.setattr("raysel.history.folder._SMALL_PART_BYTES", 0)
    monkeypatch.setattr("raysel.history.folder._ROW_GROUP", 2)
    monkeypatch.setattr("raysel.history.derived._ROW_GROUP", 2)
    found: list[tuple[int | None, tuple[str, ...]]] = []

    class Watched(pq.ParquetFile):
        def read_row_group(self, i: int, columns: Sequence[str] | None = None, **options: object) -> pa.Table:
            found.append((i, tuple(columns or self.schema_arrow.names)))
            return super().read_row_group(i, columns=columns, **options)

        def read(self, columns: Sequence[str] | None = None, **options: object) -> pa.Table:
            found.append((None, tuple(columns or self.schema_arrow.names)))
            return super().read(columns=columns, **options)

    monkeypatch.setattr("raysel.history.folder.pq.ParquetFile", Watched)
    return found


def eight_models(history: History) -> tuple[str, ...]:
    names = tuple(f"m{i}" for i in range(8))
    history.append(
        datasets=datasets("d", "e"),
        runs=pd.concat([runs(*names), runs(*(f"{name}-e" for name in names), dataset="e")]),
        observations=pd.concat(
            [
                *(points(name, [0.1 * i, 0.1 * i]) for i, name in enumerate(names)),
                *(points(name, [2.0, 1.0], metric="loss") for name in names),
            ]
        ),
    )
    return names


def test_only_row_groups_that_may_hold_what_is_wanted_are_read(history: History, read: list) -> None:
    eight_models(history)
    assert [curve.model for curve in history.curves(models=["m3"], dataset="d")] == ["m3"]
    assert {group for group, columns in read if "model" in columns and "seed" not in columns} == {1}
    assert {group for group, columns in read if "seed" in columns} == {1}
    observed = [group for group, columns in read if "value" in columns]
    assert observed == [3], "the group of the run's accuracy; that of its loss is not"
    read.clear()
    assert history.curves(models=["m3"], dataset="nowhere") == []
    assert not [columns for _, columns in read if "value" in columns or "seed" in columns]


def test_the_matrix_needs_neither_seconds_nor_other_metrics_nor_other_models(history: History, read: list) -> None:
    names = eight_models(history)
    assert history.matrix().models == names
    observed = [(group, columns) for group, columns in read if "value" in columns]
    assert all("seconds" not in columns for _, columns in observed)
    assert [group for group, _ in observed] == [*range(8)], "of sixteen groups those that hold accuracy"
    history.compact()
    read.clear()
    assert history.matrix(models=["m6", "m7", "unheard-of"]).models == ("m6", "m7")
    assert {group for group, _ in read if group is not None} == {3}, "the last two of the matrix that was kept"
    assert not [columns for _, columns in read if "value" in columns]


def test_counting_runs_reads_no_rows(history: History, read: list) -> None:
    eight_models(history)
    a_correction(history)
    assert history.run_count() == 16
    assert read == []
    history.append(runs=runs("m0"))
    assert history.run_count() == 17, "a run that two parts tell of counts in each"


def test_proxy_scores_of_some_models_or_without_a_dataset(history: History) -> None:
    history.append(proxies=pd.concat([proxies("a", 1.0), proxies("b", 2.0), proxies("a", 3.0, dataset="e")]))
    assert history.proxy_scores("leep", models=["a"]) == {("a", "d"): 1.0, ("a", "e"): 3.0}
    assert history.proxy_scores("leep", without="e") == {("a", "d"): 1.0, ("b", "d"): 2.0}


def test_changes_are_of_the_matrix_that_is_kept(history: History) -> None:
    since = frozenset(compacted(history).derived("matrix").parts)  # type: ignore[union-attr]
    nothing = history.changes(since)
    assert nothing is not None
    assert nothing.models == nothing.before.models == nothing.after.models == ()
    a_new_model(history)
    a_correction(history)
    found = history.changes(since)
    assert found is not None
    assert (found.models, found.before.models, found.after.models) == (("a", "z"), ("a",), ("a", "z"))
    assert history.changes(since - {min(since)}) is None, "no matrix of exactly those is kept"
    assert history.unmeasured(["a", "z", "c"], since=since) == {"z"}
    another_metric(history)
    assert history.changes(since) is None
    for name in Folder(history.uri).files("derived"):
        (Path(history.uri) / "derived" / name).unlink()
    assert history.unmeasured(["a", "z", "c"], since=since) == {"z"}, "worked out where it is not kept"
