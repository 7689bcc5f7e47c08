"""The store: what earlier fine-tuning runs showed, kept by many writers without locks and read by anybody."""

import os
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from raysel.errors import (
    DataError,
    HistoryError,
    HistoryExistsError,
    HistoryNotFoundError,
    OptionError,
    UnknownNameError,
)
from raysel.history.check import problems
from raysel.history.curves import Curve
from raysel.history.derived import Kept, find, keep
from raysel.history.described import Described, described
from raysel.history.folder import MARKER, PARTS, PINS, RETIRED, TEMPORARY, Folder, order_of, stamp_of
from raysel.history.matrix import PerformanceMatrix
from raysel.history.reading import (
    Changes,
    changes,
    merged,
    names,
    of_results,
    performance,
    results,
    revisions,
    run_count,
    unmeasured,
    uploads,
)
from raysel.history.renaming import WITH_MODELS, forgotten, renamed
from raysel.history.results import curves
from raysel.history.summary import Summary, summarise
from raysel.history.tables import NAME_LENGTH, TABLES, encoded, newest, validate

_FORMAT = {"format": "raysel-history", "version": 1}
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ATTEMPTS = 50

_Result = TypeVar("_Result")


class History:
    """A folder of immutable Parquet parts that hold what earlier fine-tuning runs showed.

    Appending writes new parts and publishes each with one rename or one object put: readers never see half a part,
    writers never lock, and a crash loses at most what was not yet published. The newest row wins for the same key (the
    keys are in `raysel.history.tables`); what was written later is newer, by the clocks of the writers.

    It can be pickled: it holds where it is, and opens files when asked.

    Args:
        uri: A path, or any URI of `pyarrow.fs` (`s3://bucket/history`). It must hold a history: a typing mistake must
            not look like an empty one.
        filesystem: Holds the history, `uri` being the path in it; `None` to take it from the URI.

    Raises:
        HistoryNotFoundError: If the place holds no history.
        HistoryError: If it cannot be reached, or is of a newer format.

    >>> from tempfile import mkdtemp
    >>> history = History.create(mkdtemp() + "/history")
    >>> history.append(
    ...     datasets=pd.DataFrame({"dataset": ["d"], "primary_metric": ["accuracy"], "mode": ["max"]}),
    ...     runs=pd.DataFrame({"run_id": ["r"], "model": ["m"], "dataset": ["d"], "status": ["completed"],
    ...                        "planned_steps": [2]}),
    ...     observations=pd.DataFrame({"run_id": ["r", "r", "r"], "step": [1, 2, 2], "split": ["val", "val", "test"],
    ...                                "metric": "accuracy", "value": [0.5, 0.8, 0.7]}))
    >>> history.matrix().values.tolist()
    [[0.7]]
    """

    def __init__(self, uri: str | os.PathLike[str], *, filesystem: pafs.FileSystem | None = None) -> None:
        self._uri, self._filesystem = _place(uri), filesystem
        self._pinned: tuple[str, ...] | None = None
        self._open: Folder | None = None
        try:
            marker = self._folder.read_json("", MARKER)
        except (FileNotFoundError, NotADirectoryError):
            raise HistoryNotFoundError(
                f"{uri} holds no history (it has no {MARKER}); History.create makes one, or `raysel history create`"
            ) from None
        if not isinstance(marker, dict) or marker.get("format") != _FORMAT["format"]:
            raise HistoryNotFoundError(f"{uri} holds no history (its {MARKER} does not say so)")
        if marker.get("version") != _FORMAT["version"]:
            raise HistoryError(
                f"the history at {uri} has format {marker.get('version')!r}, but this raysel reads {_FORMAT['version']}"
            )

    @classmethod
    def create(cls, uri: str | os.PathLike[str], *, filesystem: pafs.FileSystem | None = None) -> "History":
        """Make an empty history in a place that holds nothing yet.

        Raises:
            HistoryExistsError: If the place holds a history already.
            HistoryError: If it holds something else, or cannot be written to.
        """
        folder = Folder(_place(uri), filesystem)
        present = folder.files("")
        if MARKER in present:
            raise HistoryExistsError(f"{uri} holds a history already")
        if set(present) - {TEMPORARY}:
            raise HistoryError(f"{uri} is not empty (it holds {min(set(present) - {TEMPORARY})}): name a new folder")
        folder.write_json("", MARKER, _FORMAT)
        return cls(uri, filesystem=filesystem)

    @property
    def uri(self) -> str:
        """Where the history is."""
        return self._uri

    def __repr__(self) -> str:
        view = "" if self._pinned is None else f", {len(self._pinned)} parts pinned"
        return f"History({self._uri!r}{view})"

    def __getstate__(self) -> dict[str, Any]:
        """Where the history is, wherever this is read: a relative path becomes an absolute one."""
        relative = self._filesystem is None and "://" not in self._uri
        uri = os.path.abspath(os.path.expanduser(self._uri)) if relative else self._uri
        return {**self.__dict__, "_uri": uri, "_open": None}

    @property
    def _folder(self) -> Folder:
        if self._open is None:
            self._open = Folder(self._uri, self._filesystem)
        return self._open

    # Writing ----------------------------------------------------------------------------------------------------------

    def append(
        self,
        *,
        runs: pd.DataFrame | pa.Table | None = None,
        observations: pd.DataFrame | pa.Table | None = None,
        models: pd.DataFrame | pa.Table | None = None,
        datasets: pd.DataFrame | pa.Table | None = None,
        proxies: pd.DataFrame | pa.Table | None = None,
    ) -> None:
        """Add rows; those of a key that is there already take its place.

        Everything is validated before anything is written. Observations are published before the runs, so a reader
        that sees a run sees its points.

        Raises:
            DataError: If a row breaks a rule of `raysel.history.tables`, or gives a metric of a dataset the direction
                opposite to the one it has.
            OptionError: If no table is given.
            HistoryError: If the history cannot be written to.
        """
        given = {"models": models, "datasets": datasets, "proxies": proxies, "observations": observations, "runs": runs}
        checked = {name: validate(TABLES[name], rows) for name, rows in given.items() if rows is not None}
        if not checked:
            raise OptionError("append", None, "given at least one table")
        if "datasets" in checked:
            self._refuse_other_direction(checked["datasets"])
        for name, rows in checked.items():
            self._folder.publish(TABLES[name], rows)

    def _refuse_other_direction(self, datasets: pa.Table) -> None:
        recorded = self._consistent(partial(merged, self._folder, "datasets"), live=True)[0].to_pylist()
        known = {(row["dataset"], row["primary_metric"]): row["mode"] for row in recorded}
        for row, new in enumerate(datasets.to_pylist(), start=1):
            mode = known.get((new["dataset"], new["primary_metric"]), new["mode"])
            if mode != new["mode"]:
                rule = f"{mode!r}: {new['primary_metric']} of {new['dataset']} has that direction already"
                raise DataError("mode", new["mode"], rule, "datasets", row)

    def compact(self) -> None:
        """Merge the parts of each table and drop rows that newer ones replaced; what can be read does not change.

        Parts that a pin names are set aside, not deleted. A crash in the middle, other writers and another compaction
        at the same time lose nothing: merged rows are published before the parts they came from go. The performance
        matrix is kept beside the parts (`raysel.history.derived`), so that readers need not work it out.

        Raises:
            CorruptPartError: If a part cannot be read; those of its table stay as they are.
            HistoryError: If the history cannot be written to, or a pin cannot be read.
        """
        folder = self._folder
        for table in TABLES.values():
            rows, old = self._consistent(partial(merged, folder, table.name), live=True)
            if len(old) > 1:
                # It is as new as the newest part in it, so that parts written meanwhile stay newer.
                folder.publish(table, rows, stamp=max(stamp_of(part) for part in old))
                folder.retire(old)
        folder.sweep()
        self._consistent(partial(performance, folder, store=True), live=True)

    def rename(self, model: str, name: str) -> None:
        """Give a model another name in all that the history holds of it.

        A model that was uploaded again under its old name is a new model: rename the old one to `NAME@REVISION`, and
        the new one is expected to be much like it until it has runs of its own (`raysel.recall.kinship`).

        Parts are written anew, as by `compact`: pins keep the old name, and so does what others write meanwhile. After
        a crash in the middle, call it again.

        Raises:
            UnknownNameError: If the history knows no such model.
            OptionError: If the new name is not text of 1 to 500 characters, or a model of that name has runs.
            CorruptPartError, HistoryError: As `compact`.
        """
        if not (isinstance(name, str) and 1 <= len(name) <= NAME_LENGTH):
            raise OptionError("name", name, f"text of 1 to {NAME_LENGTH} characters")
        self._known(model)
        tables = self._rows_and_parts(*WITH_MODELS)
        if {model, name} <= set(tables["runs"][0]["model"].to_pylist()):
            raise OptionError("name", name, "one under which no model has runs")
        for table, (rows, old) in tables.items():
            self._rewrite(table, newest(TABLES[table], renamed(rows, model, name)), old)
        self._folder.sweep()

    def forget(self, model: str) -> None:
        """Drop all that the history holds of a model. Parts are written anew, as by `rename`.

        Raises:
            UnknownNameError: If the history knows no such model.
            CorruptPartError, HistoryError: As `compact`.
        """
        self._known(model)
        tables = self._rows_and_parts("observations", *WITH_MODELS)
        for table, rows in forgotten({table: rows for table, (rows, _) in tables.items()}, model).items():
            self._rewrite(table, rows, tables[table][1])
        self._folder.sweep()

    def _known(self, model: str) -> None:
        if model not in (known := self._consistent(partial(names, self._folder), live=True)):
            raise UnknownNameError("model", model, known)

    def _rows_and_parts(self, *tables: str) -> dict[str, tuple[pa.Table, list[str]]]:
        return {table: self._consistent(partial(merged, self._folder, table), live=True) for table in tables}

    def _rewrite(self, table: str, rows: pa.Table, old: list[str]) -> None:
        if old:
            # Newer than what it came from, should that stay after a crash; what is written meanwhile is newer still.
            self._folder.publish(TABLES[table], rows, stamp=max(stamp_of(part) for part in old) + 1)
            self._folder.retire(old)

    # Pins -------------------------------------------------------------------------------------------------------------

    def parts(self) -> tuple[str, ...]:
        """The names of the parts that this history, or this pinned view of it, reads."""
        return self._folder.parts() if self._pinned is None else self._pinned

    def pinned(self, parts: Iterable[str]) -> "History":
        """A view that reads these parts and no others, whatever is written meanwhile.

        Raises:
            OptionError: If a name is not one of a part.
        """
        view = History.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._pinned = tuple(sorted(set(parts), key=order_of))
        return view

    def pin(self, name: str) -> tuple[str, ...]:
        """Keep the parts that are read now through every compaction until `unpin`; a pin of that name is replaced.

        Returns:
            The parts pinned, for `pinned`.

        Raises:
            OptionError: If the name does not do as a file name.
        """
        if not _PIN.fullmatch(name):
            raise OptionError("pin", name, "1 to 128 letters, digits, dots, dashes and underscores")
        for _ in range(_ATTEMPTS):
            parts = self.parts()
            self._folder.write_json(PINS, f"{name}.json", {"parts": list(parts)})
            # Compaction sets parts aside first and looks for pins afterwards: what is in place now was pinned in time.
            present = set(self._folder.files(PARTS)) | (set(self._folder.files(RETIRED)) if self._pinned else set())
            if present.issuperset(parts):
                return parts
            if self._pinned is not None:
                gone = min(set(parts) - present)
                self._folder.drop(PINS, [f"{name}.json"])
                raise HistoryError(f"the part {gone} of this view is gone: it was not pinned when it was compacted")
        raise HistoryError(f"the parts of {self._uri} vanish as fast as they are listed")

    def unpin(self, name: str) -> None:
        """Let compaction delete what the pin kept.

        Raises:
            UnknownNameError: If there is no such pin.
        """
        known = self.pins()
        if name not in known:
            raise UnknownNameError("pin", name, sorted(known))
        self._folder.drop(PINS, [f"{name}.json"])

    def pins(self) -> dict[str, tuple[str, ...]]:
        """The parts that each pin keeps, by its name."""
        return self._folder.pins()

    # Reading ----------------------------------------------------------------------------------------------------------

    def runs(self) -> pd.DataFrame:
        """The runs, one row each; `config` is JSON text."""
        return _plain("runs", self._apart(self._tables("runs")[0]))

    def observations(self) -> pd.DataFrame:
        """The observations, one row a run, step, split and metric."""
        return _plain("observations", self._tables("observations")[0])

    def models(self) -> pd.DataFrame:
        """What is known of models, one row each."""
        return _plain("models", self._tables("models")[0])

    def described(self, models: Iterable[str]) -> dict[str, Described]:
        """What is known of some models, by name; those of which nothing is have no entry."""
        read = partial(merged, self._folder, "models", where={"model": list(models)})
        return described(self._consistent(read)[0].cast(TABLES["models"].schema).to_pandas())

    def datasets(self) -> pd.DataFrame:
        """What is known of datasets, one row each."""
        return _plain("datasets", self._tables("datasets")[0])

    def tasks(self) -> dict[str, str]:
        """The type of output (`classification`, ...) of each dataset of which one is recorded."""
        rows = self.datasets()
        rows = rows[rows["task"] != ""]
        return dict(zip(rows["dataset"], rows["task"], strict=True))

    def proxies(self) -> pd.DataFrame:
        """The proxy scores, one row a model, revision, dataset, fingerprint, proxy and version."""
        return self._scored(True)

    def refusals(self) -> pd.DataFrame:
        """Where a proxy cannot be had for a model, with the `reason`; the other columns are those of `proxies`."""
        return self._scored(False)

    def curves(
        self, *, without: str | None = None, dataset: str | None = None, models: Iterable[str] | None = None
    ) -> list[Curve]:
        """Validation curves in the primary metric, turned so that higher is better, by dataset, model and run.

        Runs without a validation point in that metric are left out; running, stopped and failed ones are in and marked.

        Args:
            without: A dataset to leave out (the target that the history is judged by).
            dataset: Only this one.
            models: Only these.
        """
        where = {} if dataset is None else {"dataset": [dataset]}
        if models is not None:
            where["model"] = list(models)
        runs, observations, datasets = self._consistent(partial(results, self._folder, where=where or None))
        if without is not None:
            runs = runs.filter(pc.not_equal(runs["dataset"], without))
        return curves(self._apart(runs), observations, datasets)

    def matrix(
        self, *, without: str | None = None, models: Iterable[str] | None = None, store: bool = False
    ) -> PerformanceMatrix:
        """The performance matrix, models and datasets in order of their names.

        Args:
            without: A dataset to leave out (the target that the history is judged by).
            models: Only these; where the matrix is kept beside the parts, no others are read.
            store: Keep it beside the parts, as `compact` does, unless only some models are asked for.

        Raises:
            HistoryError: If it is to be kept and the history cannot be written to.
        """
        only = None if models is None else list(models)
        whole = self._consistent(partial(performance, self._folder, models=only, store=store))
        return whole if without is None else whole.without(without)

    def names(self) -> tuple[str, ...]:
        """The models that were run or described, by name."""
        return self._consistent(partial(names, self._folder))

    def revisions(self, models: Iterable[str]) -> dict[str, frozenset[str]]:
        """The revisions that runs of some models were made with, by model; no entry where none is recorded."""
        return self._consistent(partial(revisions, self._folder, models=list(models)))

    def uploads(self, models: Iterable[str]) -> tuple[str, ...]:
        """Older uploads of some models that have runs: `NAME@REVISION` of a `NAME`."""
        return self._consistent(partial(uploads, self._folder, models=set(models)))

    @property
    def again(self) -> frozenset[str]:
        """Models whose older uploads are told apart (`raysel.history.revisions`): none, but in such a view."""
        return frozenset()

    def run_count(self) -> int:
        """How many runs there are at most, by the ends of the parts: one that several tell of counts in each."""
        return self._consistent(partial(run_count, self._folder))

    def proxy_scores(
        self, proxy: str, *, models: Iterable[str] | None = None, without: str | None = None
    ) -> dict[tuple[str, str], float]:
        """The newest score that a proxy gave each (model, dataset); empty where it was never recorded.

        Args:
            proxy: Its name.
            models: Only the scores of these.
            without: A dataset to leave out.
        """
        where = {"proxy": [proxy]} if models is None else {"proxy": [proxy], "model": list(models)}
        read = partial(merged, self._folder, "proxies", where=where)
        rows = self._apart(self._consistent(read)[0])
        rows = rows.filter(pc.and_(pc.is_valid(rows["value"]), pc.not_equal(rows["dataset"], without or "")))
        model, dataset = (_texts(rows[name]) for name in ("model", "dataset"))
        return dict(zip(zip(model, dataset, strict=True), rows["value"].to_pylist(), strict=True))

    def derived(self, kind: str) -> Kept | None:
        """What `derive` kept of this kind, made of the results that are read now or of the most of them.

        Returns:
            `None` where nothing is.
        """
        return find(self._folder, kind, of_results(self.parts()))

    def changes(self, since: Collection[str]) -> Changes | None:
        """What newer parts change in the performance matrix that is kept of the parts `since`.

        Returns:
            `None` where none is kept of exactly those, or the metric of a dataset in it may have changed.
        """
        return self._consistent(partial(changes, self._folder, since=since))

    def unmeasured(self, models: Iterable[str], *, since: Collection[str]) -> frozenset[str]:
        """Those of the models that have no row in the performance matrix of the parts `since`."""
        return unmeasured(self._folder, list(models), since=since)

    def left_out(self, dataset: str) -> frozenset[str]:
        """What is left out with a dataset: itself alone."""
        return frozenset([dataset])

    def derive(self, kind: str, kept: Kept) -> None:
        """Keep what was worked out from results beside the history, for whoever reads the same parts.

        Raises:
            HistoryError: If the history cannot be written to.
        """
        keep(self._folder, kind, kept)

    def check(self) -> list[str]:
        """What is wrong with the history, one sentence each; empty where nothing is."""
        return self._consistent(partial(problems, self._folder))

    def summary(self) -> Summary:
        """How much the history holds."""
        parts, files = self.parts(), self._folder.files(PARTS)
        return summarise(
            self._uri,
            sizes=[files[part].size or 0 for part in parts if part in files],
            tables=dict(zip(TABLES, self._tables(*TABLES), strict=True)),
            pins=tuple(self.pins()),
        )

    def _apart(self, rows: pa.Table) -> pa.Table:
        """Rows with a model and a revision, as this view names the models."""
        return rows

    def _scored(self, scored: bool) -> pd.DataFrame:
        """The rows of `proxies` that have a value, or those that have none."""
        rows = _plain("proxies", self._tables("proxies")[0])
        return rows[rows["value"].notna() == scored].reset_index(drop=True)

    def _tables(self, *names: str) -> list[pa.Table]:
        """Tables of one and the same state of the history, text dictionary-encoded."""
        return self._consistent(lambda parts: [merged(self._folder, name, parts)[0] for name in names])

    def _consistent(self, read: Callable[[tuple[str, ...]], _Result], *, live: bool = False) -> _Result:
        """Read parts of one listing; where compaction took one away meanwhile, list and read again."""
        view = self._pinned is not None and not live
        for _ in range(1 if view else _ATTEMPTS):
            with suppress(FileNotFoundError):
                return read(self._folder.parts() if live else self.parts())
        if view:
            raise HistoryError(f"a part of this view of {self._uri} is gone: it was not pinned when it was compacted")
        raise HistoryError(f"the parts of {self._uri} vanish as fast as they are listed")


def _plain(name: str, rows: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = rows.cast(TABLES[name].schema).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def _texts(column: pa.ChunkedArray) -> list[str]:
    """Dictionary-encoded text, of which each word is made once."""
    codes, words = encoded(column)
    names = words.to_pylist()
    return [names[code] for code in codes.tolist()]


def _place(uri: str | os.PathLike[str]) -> str:
    if not isinstance(uri, (str, os.PathLike)) or not str(uri):
        raise OptionError("uri", uri, "a path or a URI")
    return os.fspath(uri)
