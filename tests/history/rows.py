"""Rows for small histories, so that a test shows only what it is about."""

from collections.abc import Iterable

import pandas as pd


def runs(*ids: str, **columns: object) -> pd.DataFrame:
    """Runs of two steps, one a model of the same name, unless columns say otherwise."""
    given = {"run_id": list(ids), "model": list(ids), "dataset": "d", "status": "completed", "planned_steps": 2.0}
    return pd.DataFrame(given | columns)


def points(
    run: str, values: Iterable[float], *, split: str = "val", metric: str = "accuracy", first: float = 1.0
) -> pd.DataFrame:
    """Values of one run at steps one apart."""
    values = list(values)
    steps = [first + number for number in range(len(values))]
    return pd.DataFrame({"run_id": run, "step": steps, "split": split, "metric": metric, "value": values})


def datasets(*names: str, metric: str = "accuracy", mode: str = "max") -> pd.DataFrame:
    """Datasets of one primary metric."""
    return pd.DataFrame({"dataset": list(names), "primary_metric": metric, "mode": mode})


def proxies(model: str, value: float, *, dataset: str = "d", proxy: str = "leep", **columns: object) -> pd.DataFrame:
    """One proxy score."""
    return pd.DataFrame([{"model": model, "dataset": dataset, "proxy": proxy, "value": value} | columns])
