"""How much a history holds, in numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from raysel.history.curves import STATUSES
from raysel.history.results import matrix, metrics


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
    datasets: tuple[DatasetSummary, ...]
    runs: Mapping[str, int]
    observations: int
    cells: int
    proxies: Mapping[str, int]
    first: datetime | None
    last: datetime | None
    pins: tuple[str, ...]


def summarise(uri: str, *, sizes: Sequence[int], tables: Mapping[str, pd.DataFrame], pins: tuple[str, ...]) -> Summary:
    """The summary of a history from the sizes of its parts, its tables (text as categories) and its pins' names."""
    runs, observations, datasets = tables["runs"], tables["observations"], tables["datasets"]
    directions = metrics(runs, observations, datasets)
    run_on = runs.astype({"dataset": object, "model": object}).groupby("dataset")["model"].agg(["nunique", "size"])
    statuses, proxies = runs["status"].value_counts(), tables["proxies"]["proxy"].astype(object).value_counts()
    return Summary(
        uri=uri,
        parts=len(sizes),
        size_bytes=sum(sizes),
        models=len({*runs["model"].unique(), *tables["models"]["model"]}),
        datasets=tuple(
            DatasetSummary(
                dataset=name,
                metric=directions["metric"].get(name),
                mode=directions["mode"].get(name),
                models=int(run_on["nunique"].get(name, 0)),
                runs=int(run_on["size"].get(name, 0)),
            )
            for name in sorted({*run_on.index, *datasets["dataset"]})
        ),
        runs={status: int(statuses.get(status, 0)) for status in STATUSES},
        observations=len(observations),
        cells=int(np.sum(~np.isnan(matrix(runs, observations, datasets).values))),
        proxies={str(name): int(count) for name, count in proxies.sort_index().items()},
        first=runs["recorded_at"].min().to_pydatetime() if len(runs) else None,
        last=runs["recorded_at"].max().to_pydatetime() if len(runs) else None,
        pins=pins,
    )
