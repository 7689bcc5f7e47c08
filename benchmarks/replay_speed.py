"""How long one decision of a scheduler and one proposal of a searcher take with many live trials.

    python benchmarks/replay_speed.py > benchmarks/results/replay_speed.md

Every trial reports five times, all of them live until the first stage is judged. raysel's schedulers and Ray's ASHA are
driven by the same virtual cluster in the same process; times are of `on_trial_result` and `suggest` alone.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from page import table
from ray.tune.schedulers import AsyncHyperBandScheduler

from raysel import History, RecallSearcher, TrendScheduler
from raysel.history import Curve
from raysel.replay.engine import InOrder, replay

MODELS, BENCHMARKS, STEPS, SEED = 1000, 10, 5, 0

HEAD = f"""# The speed of decisions and proposals

Made by `python benchmarks/replay_speed.py > benchmarks/results/replay_speed.md`: {MODELS} live trials, as many workers,
a history of as many models on {BENCHMARKS} datasets; milliseconds a call, by the wall clock on a shared machine.
A decision is `on_trial_result`, a proposal `suggest`, a choice `choose_trial_to_run`. To hold: a decision under 1 ms at
the median, a proposal under 5 ms.
"""
COLUMNS = (
    "decision: median",
    "95 %",
    "longest",
    "proposal: median",
    "longest",
    "choice: median",
    "longest",
    "whole replay, s",
)


def runs(dataset: str) -> dict[str, Curve]:
    """Noisy curves of every model."""
    rng = np.random.default_rng([SEED, *dataset.encode()])
    steps = np.arange(1.0, STEPS + 1)
    final = np.clip(np.linspace(0.5, 0.9, MODELS) + rng.normal(0, 0.05, MODELS), 0, 1)
    found = {}
    for number in range(MODELS):
        values = np.clip(final[number] * (1 - 0.5**steps) + rng.normal(0, 0.01, STEPS), 0, 1)
        found[f"m{number:04d}"] = Curve(
            run_id=f"{dataset}-{number}",
            model=f"m{number:04d}",
            dataset=dataset,
            status="completed",
            planned_steps=STEPS,
            steps=steps,
            values=values,
            final=float(values[-1]),
        )
    return found


def past(folder: Path) -> History:
    """A history of every model on the benchmarks."""
    history = History.create(folder / "history")
    curves = [run for number in range(BENCHMARKS) for run in runs(f"b{number}").values()]
    history.append(
        runs=pd.DataFrame(
            {
                "run_id": [c.run_id for c in curves],
                "model": [c.model for c in curves],
                "dataset": [c.dataset for c in curves],
                "status": "completed",
                "planned_steps": float(STEPS),
            }
        ),
        observations=pd.DataFrame(
            {
                "run_id": np.repeat([c.run_id for c in curves], STEPS),
                "step": np.concatenate([c.steps for c in curves]),
                "split": "val",
                "metric": "accuracy",
                "value": np.concatenate([c.values for c in curves]),
            }
        ),
    )
    return history


def timed(host: Any, name: str) -> list[float]:
    """The seconds that each call of a method takes from now on."""
    seconds: list[float] = []
    method = getattr(host, name)

    def clocked(*args: Any) -> Any:
        began = time.perf_counter()
        answer = method(*args)
        seconds.append(time.perf_counter() - began)
        return answer

    setattr(host, name, clocked)
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        history, recorded = past(Path(folder)), runs("target")

        def trend(policy: Any) -> Callable[[], Any]:
            return lambda: TrendScheduler(history, target="target", max_t=STEPS, time_attr="step", policy=policy)

        def recall() -> Any:
            return RecallSearcher(history, target="target", top_k=MODELS)

        cases: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "raysel, sync": (recall, trend("sync")),
            "raysel, async": (recall, trend("async")),
            "Ray's ASHA": (lambda: InOrder(recorded), lambda: AsyncHyperBandScheduler(max_t=STEPS, reduction_factor=3)),
        }
        rows = []
        for name, (make_searcher, make_scheduler) in cases.items():
            searcher, scheduler = make_searcher(), make_scheduler()
            decisions, suggestions = timed(scheduler, "on_trial_result"), timed(searcher, "suggest")
            choices = timed(scheduler, "choose_trial_to_run")
            began = time.perf_counter()
            replay(recorded, searcher=searcher, scheduler=scheduler, workers=MODELS, max_pending=MODELS)
            elapsed = time.perf_counter() - began
            d, s, c = (np.array(seconds) * 1e3 for seconds in (decisions, suggestions, choices))
            summaries = [
                *(f"{value:.3f}" for value in (statistics.median(d), np.percentile(d, 95), d.max())),
                *(f"{value:.3f}" for taken in (s, c) for value in (statistics.median(taken), taken.max())),
            ]
            rows.append((name, *summaries, f"{elapsed:.1f}"))
    print(HEAD)
    print(table(("", *COLUMNS), rows), end="")


if __name__ == "__main__":
    main()
