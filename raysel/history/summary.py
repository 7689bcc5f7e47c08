"""How much a history holds, in numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysel.history.curves import STATUSES
from raysel.history.results import directions, matrix

_FACTS = ("parameters", "family", "source", "licence", "card")


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """One dataset of a history: its primary metric and direction, and how much was run on it."""

    dataset: str
    metric: str | None
    mode: str | None
    models: int
    runs: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How much a history holds.

    Args:
        uri: Where it is.
        parts: Number of part files.
        size_bytes: What they take.
        models: Models that were run or described.
        facts: Of how many models each fact is known: `parameters`, `family`, `source`, `licence`, `card`.
        datasets: One entry a dataset, by name.
        runs: Number of runs by status.
        observations: Number of observations.
        cells: Number of measured cells of the performance matrix.
        proxies: Number of proxy scores by proxy.
        first, last: When the earliest and the latest run was recorded (UTC), `None` without runs.
        pins: Names of the pins.
    """

    uri: str
    parts: int
    size_bytes: int
    models: int
    facts: Mapping[str, int]
    datasets: tuple[DatasetSummary, ...]
    runs: Mapping[str, int]
    observations: int
    cells: int
    proxies: Mapping[str, int]
    first: datetime | None
    last: datetime | None
    pins: tuple[str, ...]


def summarise(uri: str, *, sizes: Sequence[int], tables: Mapping[str, pa.Table], pins: tuple[str, ...]) -> Summary:
    """The summary of a history from the sizes of its parts, its tables and the names of its pins."""
    runs, observations, datasets = tables["runs"], tables["observations"], tables["datasets"]
    described, scores = tables["models"], tables["proxies"]
    known = directions(runs, observations, datasets)
    columns = {name: runs[name].cast(pa.string()).to_pylist() for name in ("dataset", "model", "status")}
    run_on, models_on = (
        Counter(columns["dataset"]),
        Counter(d for d, _ in set(zip(columns["dataset"], columns["model"], strict=True))),
    )
    statuses = Counter(columns["status"])
    times = pc.min_max(runs["recorded_at"])
    return Summary(
        uri=uri,
        parts=len(sizes),
        size_bytes=sum(sizes),
        models=len({*columns["model"], *described["model"].to_pylist()}),
        facts={name: sum(map(bool, described[name].to_pylist())) for name in _FACTS},
        datasets=tuple(
            DatasetSummary(
                dataset=name,
                metric=known.get(name, (None, None))[0],
                mode=known.get(name, (None, None))[1],
                models=models_on[name],
                runs=run_on[name],
            )
            for name in sorted({*run_on, *datasets["dataset"].to_pylist()})
        ),
        runs={status: statuses[status] for status in STATUSES},
        observations=len(observations),
        cells=int(np.sum(~np.isnan(matrix(runs, observations, datasets).values))),
        proxies=dict(sorted(Counter(scores.filter(pc.is_valid(scores["value"]))["proxy"].to_pylist()).items())),
        first=times["min"].as_py(),
        last=times["max"].as_py(),
        pins=pins,
    )
