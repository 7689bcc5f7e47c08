"""Recorded runs that are known beforehand."""

from pathlib import Path

import numpy as np
import pandas as pd

from raysel import History
from raysel.history import Curve


def run(model, values, *, steps=None, seconds=10.0, lower_is_better=False, final=None, dataset="target", **others):
    """A completed run; `seconds` a step, `None` if not recorded."""
    steps = np.arange(1.0, len(values) + 1) if steps is None else np.array(steps, dtype=float)
    return Curve(
        run_id=f"{dataset}-{model}",
        model=model,
        dataset=dataset,
        status="completed",
        planned_steps=steps[-1],
        steps=steps,
        values=np.array(values, dtype=float),
        seconds=None if seconds is None else seconds * steps,
        final=values[-1] if final is None else final,
        lower_is_better=lower_is_better,
        **others,
    )


def by_model(*runs):
    return {one.model: one for one in runs}


def tables(curves):
    """Runs and observations of a history; scores as the user has them."""
    runs = pd.DataFrame(
        [(c.run_id, c.model, c.dataset, c.status, c.planned_steps, c.seed, "{}") for c in curves],
        columns=["run_id", "model", "dataset", "status", "planned_steps", "seed", "config"],
    ).astype({"seed": "Int64"})
    points = [
        (c.run_id, step, split, "score", -value if c.lower_is_better else value, clock)
        for c in curves
        for number, step in enumerate(c.steps)
        for clock in [np.nan if c.seconds is None else c.seconds[number]]
        for split, value in [("val", c.values[number])]
        + [("test", c.final)] * (c.final is not None and number == len(c.steps) - 1)
    ]
    observations = pd.DataFrame(points, columns=["run_id", "step", "split", "metric", "value", "seconds"])
    modes = {c.dataset: "min" if c.lower_is_better else "max" for c in curves}
    datasets = pd.DataFrame(
        [(d, "score", mode) for d, mode in modes.items()], columns=["dataset", "primary_metric", "mode"]
    )
    return {"runs": runs, "observations": observations, "datasets": datasets}


MODELS = tuple(f"m{i:02d}" for i in range(8))
DATASETS = ("a", "b", "c", "d")


def planted(folder: Path, *, seconds: float | None = 10.0) -> History:
    """m00 is the best everywhere and m07 the worst; five steps, no crossing."""
    history = History.create(str(folder / "history"))
    history.append(
        **tables(
            [
                run(
                    model,
                    [(0.9 - 0.05 * rank - 0.02 * shift) * (1 - 0.5**step) for step in range(1, 6)],
                    dataset=dataset,
                    seconds=seconds,
                )
                for rank, model in enumerate(MODELS)
                for shift, dataset in enumerate(DATASETS)
            ]
        )
    )
    return history
