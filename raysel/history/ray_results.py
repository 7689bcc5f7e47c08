"""The folder of a Ray Tune experiment: `result.json` or `progress.csv`, and `params.json`, of every trial.

Statuses come from the newest `experiment_state-*.json`, as far as plain JSON tells them; objects pickled into that file
and the `.pkl` files are never opened. Where it tells nothing, a trial with an `error.txt` failed, one that reached the
planned steps completed, one whose last result says `done` was stopped, and any other counts as running.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from raysel.errors import DataError, OptionError, UnknownNameError
from raysel.history.curves import Status
from raysel.history.tables import MODES, canonical, run_id

_STEP_TOLERANCE = 1e-9
_LIVE = ("RUNNING", "PENDING", "PAUSED")


@dataclass(frozen=True, kw_only=True)
class _Trial:
    folder: Path
    config: Mapping[str, Any]
    results: list[dict[str, Any]]
    state: str | None

    @property
    def trial_id(self) -> str:
        return str(self.results[-1].get("trial_id", self.folder.name)) if self.results else self.folder.name


def read_ray_experiment(
    folder: Path,
    *,
    dataset: str,
    metric: str,
    mode: str,
    model: str = "model",
    step: str = "training_iteration",
    planned_steps: float | None = None,
) -> dict[str, pd.DataFrame]:
    """The trials of an experiment as rows of a history: `datasets`, `runs` and `observations`.

    A repeated step (a trial that was restored) keeps its last value. A value that is no finite number is no point, and
    a trial that ends with one failed. Trials that neither reported nor failed are left out.

    Args:
        folder: The experiment's folder, which holds one folder a trial.
        dataset: The dataset that the trials fine-tuned on.
        metric: The result that is the validation score; `test_<metric>` is the test score, where reported. A slash
            leads into nested results, as in Tune.
        mode: `max` or `min`.
        model: The key of the configuration that names the model; `seed` is the key of the seed.
        step: The result that counts steps.
        planned_steps: Where every trial was to end; by default the last step that any of them reached.

    Raises:
        OptionError: If an option breaks its rule, or the folder holds no trial.
        UnknownNameError: If no trial reports the metric or the step.
        DataError: If a trial's file cannot be read, or its configuration names no model.
    """
    if mode not in MODES:
        raise OptionError("mode", mode, f"one of {', '.join(MODES)}")
    trials = _trials(folder)
    results = [result for trial in trials for result in trial.results]
    for name in (metric, step):
        if not any(_number(result, name) is not None for result in results):
            raise UnknownNameError("result", name, sorted({key for result in results for key in result}))
    last = max(_number(result, step) or 0.0 for result in results if _number(result, metric) is not None)
    planned = last if planned_steps is None else float(planned_steps)
    if not (math.isfinite(planned) and planned > 0 and planned >= last):
        raise OptionError("planned_steps", planned, f"above 0 and at least {last:g}, the last step reported")
    runs: list[dict[str, Any]] = []
    observations: list[dict[str, Any]] = []
    for trial in trials:
        points = [*_points(trial, metric, step)]
        status = _status(trial, metric, points, planned)
        if not points and status != "failed":
            continue
        run = _run(trial, model) | {"dataset": dataset, "status": status, "planned_steps": planned}
        run["run_id"] = run_id(
            model=run["model"], dataset=dataset, config=run["config"], seed=run["seed"], trial=trial.trial_id
        )
        runs.append(run)
        observations.extend({**point, "run_id": run["run_id"], "metric": metric} for point in points)
    return {
        "datasets": pd.DataFrame({"dataset": [dataset], "primary_metric": [metric], "mode": [mode]}),
        "observations": pd.DataFrame(observations).drop_duplicates(["run_id", "step", "split"], keep="last"),
        "runs": pd.DataFrame(runs).astype({"seed": "Int64"}),
    }


def _run(trial: _Trial, model: str) -> dict[str, Any]:
    config = dict(trial.config)
    name, seed = config.pop(model, None), config.pop("seed", None)
    if not isinstance(name, str) or not name:
        raise DataError(f"config.{model}", name, "the model's name (--map model=KEY)", trial.folder.name)
    if isinstance(seed, bool) or not isinstance(seed, int):
        config |= {} if seed is None else {"seed": seed}
        seed = None
    ended = trial.results[-1].get("timestamp") if trial.results else None
    now = datetime.now(timezone.utc)
    return {
        "model": name,
        "config": canonical(config),
        "seed": seed,
        "recorded_at": datetime.fromtimestamp(ended, timezone.utc) if isinstance(ended, (int, float)) else now,
    }


def _points(trial: _Trial, metric: str, step: str) -> Iterator[dict[str, Any]]:
    for result in trial.results:
        at, seconds = _number(result, step), _number(result, "time_total_s")
        for split, name in (("val", metric), ("test", f"test_{metric}")):
            value = _number(result, name)
            if at is not None and at >= 0 and value is not None and math.isfinite(value):
                yield {"step": at, "split": split, "value": value, "seconds": seconds}


def _status(trial: _Trial, metric: str, points: list[dict[str, Any]], planned: float) -> Status:
    values = [value for value in (_number(result, metric) for result in trial.results) if value is not None]
    failed = trial.state == "ERROR" or (trial.state is None and (trial.folder / "error.txt").exists())
    if failed or (values and not math.isfinite(values[-1])):
        return "failed"
    if trial.state in _LIVE:
        return "running"
    if points and math.isclose(max(point["step"] for point in points), planned, rel_tol=_STEP_TOLERANCE):
        return "completed"
    done = bool(trial.results and trial.results[-1].get("done") in (True, "True"))
    return "stopped" if done or trial.state == "TERMINATED" else "running"


def _number(result: Mapping[str, Any], name: str) -> float | None:
    """A result by name; `a/b` is `b` in `a` where there is no `a/b`."""
    value: Any = result.get(name)
    if value is None and "/" in name:
        value = result
        for key in name.split("/"):
            value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _trials(folder: Path) -> list[_Trial]:
    states = _states(folder)
    found = []
    places = {
        path.parent for name in ("params.json", "result.json", "progress.csv") for path in folder.glob(f"*/{name}")
    }
    for place in sorted(places):
        results = _results(place)
        if (place / "params.json").exists():
            config = _parsed((place / "params.json").read_text("utf-8"))
        else:
            config = results[-1].get("config") if results else None
        if not isinstance(config, dict):
            raise DataError("config", config, "a JSON object in params.json or in the results", place.name)
        found.append(_Trial(folder=place, config=config, results=results, state=states.get(place.name)))
    if not found:
        raise OptionError("folder", str(folder), "a Ray Tune experiment's, with a folder for each trial")
    return found


def _results(place: Path) -> list[dict[str, Any]]:
    lines = (place / "result.json").read_text("utf-8").splitlines() if (place / "result.json").exists() else []
    if not lines and (place / "progress.csv").exists() and (place / "progress.csv").stat().st_size:
        rows = pd.read_csv(place / "progress.csv").to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in rows]
    results = []
    for number, line in enumerate(lines, start=1):
        result = _parsed(line)
        if isinstance(result, dict):
            results.append(result)
        elif number < len(lines):  # a trial that was killed may have left half a last line
            raise DataError("result", line[:40], "a JSON object", f"{place.name}/result.json", number)
    return results


def _states(folder: Path) -> dict[str, str]:
    """The state of each trial by the name of its folder, from the newest state of the experiment that can be read."""
    for path in sorted(folder.glob("experiment_state-*.json"), reverse=True):
        content = _parsed(path.read_text("utf-8"))
        entries = content.get("trial_data") if isinstance(content, dict) else None
        if not isinstance(entries, list):
            continue
        trials = [_parsed(entry[0]) for entry in entries if isinstance(entry, list) and entry]
        return {
            Path(trial["relative_logdir"]).name: str(trial["status"])
            for trial in trials
            if isinstance(trial, dict) and isinstance(trial.get("relative_logdir"), str) and "status" in trial
        }
    return {}


def _parsed(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
