"""Answers as plain data, as the command line prints them for machines.

The keys are a promise: programs read them. Scores are in the user's own direction, numbers are finite or null.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from raysel.history import Summary
from raysel.recall import Shortlist
from raysel.recall.plan import Plan
from raysel.replay import Outcome
from raysel.report.tables import DEVIATIONS

if TYPE_CHECKING:
    from raysel.tune.run import Selected


def plain_shortlist(shortlist: Shortlist) -> dict[str, Any]:
    """What `raysel recall --json` prints: `method`, `shortlist` and `clusters`."""
    return {
        "method": shortlist.method,
        "shortlist": _entries(shortlist),
        "clusters": [list(cluster) for cluster in shortlist.clusters],
    }


def plain_history(summary: Summary) -> dict[str, Any]:
    """What `raysel history show --json` prints: the fields of `Summary`, times as ISO 8601 in UTC."""
    plain = asdict(summary)
    for name in ("first", "last"):
        plain[name] = None if plain[name] is None else plain[name].isoformat()
    return plain


def plain_plan(plan: Plan, *, unit: str) -> dict[str, Any]:
    """What `raysel history plan --json` prints: the fields of `Plan`, and the unit that regret and gains are in."""
    scale = 1.0 if unit == DEVIATIONS else plan.scale
    return {
        "runs": [asdict(run) | {"gain": scale * run.gain} for run in plan.runs],
        "regret": scale * plan.regret,
        "gain": scale * plan.gain,
        "unit": unit,
        "seconds": plan.seconds,
        "measured": plan.measured,
        "cells": plan.models * plan.datasets,
        "top_k": plan.top_k,
    }


def plain_selection(selected: "Selected", baselines: Mapping[str, Outcome]) -> dict[str, Any]:
    """What every command that selects prints with `--json`.

    Args:
        selected: The selection. A trial's `curve` becomes a list of [step, validation score].
        baselines: What other ways of choosing found and spent, by name; in the same unit of steps.
    """
    return {
        "selected": selected.selected,
        "metric": selected.metric,
        "mode": selected.mode,
        "test_score": _finite(selected.test_score),
        "other_metrics": {name: _finite(value) for name, value in selected.other_metrics.items()},
        "steps": selected.steps,
        "seconds": round(selected.seconds, 3),
        "shortlist": _entries(selected.shortlist),
        "trials": [
            {
                "model": trial.model,
                "curve": [[step, score] for step, score in trial.curve],
                "stopped_at": trial.stopped_at,
                "reason": trial.reason,
            }
            for trial in selected.trials
        ],
        "baselines": {
            name: {"selected": outcome.selected, "test_score": _finite(outcome.score), "steps": outcome.steps}
            for name, outcome in baselines.items()
        },
    }


def _entries(shortlist: Shortlist) -> list[dict[str, Any]]:
    return [
        {key: _finite(value) if isinstance(value, float) else value for key, value in asdict(entry).items()}
        for entry in shortlist.entries
    ]


def _finite(value: float | None) -> float | None:
    """A number that JSON can carry."""
    return value if value is not None and math.isfinite(value) else None
