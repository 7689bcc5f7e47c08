"""What people read and what machines read."""

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console, RenderableType

from raysel.finetune import Data, Split
from raysel.recall import Recalled, Shortlist
from raysel.replay import Outcome
from raysel.report import (
    model_card,
    plain_selection,
    plain_shortlist,
    plan_table,
    recall_table,
    sparkline,
    spending_table,
    trials_table,
)
from raysel.tune.estimate import Estimate
from raysel.tune.run import Selected, TrialOutcome


def shortlist() -> Shortlist:
    """Two recalled models: one with history in a cluster of two, one without."""
    entries = (
        Recalled(
            model="zoo/a",
            cluster=0,
            representative="zoo/b",
            proxies={"leep": -0.25, "logme": 1.5},
            score=0.5,
            reason="mean z-score +0.50",
        ),
        Recalled(
            model="hub/[new]",
            cluster=None,
            representative=None,
            proxies={"logme": 3.5},
            score=0.0,
            reason="no history",
        ),
    )
    clusters = (("zoo/b", "zoo/a"), ("zoo/c",))
    return Shortlist(
        method="default", entries=entries, clusters=clusters, proxies=("leep", "logme"), regime="One dataset."
    )


def selected(**changes: Any) -> Selected:
    """A selection in which one of two trials was stopped."""
    common: dict[str, Any] = {"config": {"lr": 0.1}, "checkpoint": None, "reused": False, "other_metrics": {}}
    stopped = TrialOutcome(
        model="hub/[new]",
        curve=((1.0, 0.2),),
        stopped_at=1.0,
        reason="halved",
        seconds=2.0,
        test_score=None,
        **common,
    )
    kept = TrialOutcome(
        model="zoo/a",
        curve=((1.0, 0.5), (2.0, 0.75)),
        stopped_at=None,
        reason="trained",
        seconds=4.0,
        test_score=0.7,
        **common,
    )
    fields: dict[str, Any] = {
        "selected": "zoo/a",
        "metric": "accuracy",
        "mode": "max",
        "validation_score": 0.75,
        "other_metrics": {"macro_f1": 0.5, "test_macro_f1": 0.25},
        "test_score": 0.7,
        "steps": 3.0,
        "seconds": 8.12345,
        "shortlist": shortlist(),
        "trials": (kept, stopped),
        "winner": kept,
    }
    return Selected(**{**fields, **changes})


BASELINES = {
    "fine-tune all": Outcome(selected="zoo/c", score=0.8, steps=60.0, seconds=90.0),
    "successive halving on all": Outcome(selected="zoo/a", score=0.7, steps=25.0, seconds=None),
}


def text(table: RenderableType, *, width: int = 160) -> str:
    """What a terminal of that width shows."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(shown, str)
    return shown


@pytest.mark.parametrize(
    ("values", "low", "high", "drawn"),
    [
        ([], 0.0, 1.0, ""),
        ([0.0, 1.0], 0.0, 1.0, "▁█"),
        ([-5.0, 5.0], 0.0, 1.0, "▁█"),
        ([3.0, 3.0], 3.0, 3.0, "▅▅"),
        ([float("nan"), 3.0], 3.0, 3.0, " ▅"),
        ([float("nan"), float("inf")], 0.0, 1.0, " █"),
        ([-2.0, -1.5, -1.0], -2.0, -1.0, "▁▅█"),
    ],
)
def test_sparkline(values: list[float], low: float, high: float, drawn: str) -> None:
    assert sparkline(values, low=low, high=high) == drawn


def test_a_shortlist_as_plain_data_has_the_promised_keys() -> None:
    plain = plain_shortlist(shortlist())
    assert list(plain) == ["method", "shortlist", "clusters"]
    assert plain["clusters"] == [["zoo/b", "zoo/a"], ["zoo/c"]]
    assert plain["shortlist"][0] == {
        "model": "zoo/a",
        "cluster": 0,
        "representative": "zoo/b",
        "proxies": {"leep": -0.25, "logme": 1.5},
        "score": 0.5,
        "reason": "mean z-score +0.50",
        "uncertainty": None,
    }
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_a_selection_as_plain_data_has_the_promised_keys() -> None:
    plain = plain_selection(selected(), BASELINES)
    first = ["selected", "metric", "mode", "test_score", "other_metrics"]
    assert list(plain) == [*first, "steps", "seconds", "shortlist", "trials", "baselines"]
    assert plain["other_metrics"] == {"macro_f1": 0.5, "test_macro_f1": 0.25}
    assert plain["trials"] == [
        {"model": "zoo/a", "curve": [[1.0, 0.5], [2.0, 0.75]], "stopped_at": None, "reason": "trained"},
        {"model": "hub/[new]", "curve": [[1.0, 0.2]], "stopped_at": 1.0, "reason": "halved"},
    ]
    assert plain["baselines"]["fine-tune all"] == {"selected": "zoo/c", "test_score": 0.8, "steps": 60.0}
    assert plain["shortlist"] == plain_shortlist(shortlist())["shortlist"]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_what_json_cannot_carry_is_null(score: float | None) -> None:
    plain = plain_selection(selected(test_score=score), {})
    assert json.loads(json.dumps(plain, allow_nan=False))["test_score"] is None


def test_the_recall_table_has_a_column_a_proxy() -> None:
    lines = text(recall_table(shortlist())).splitlines()
    head = next(line for line in lines if "model" in line and "why" in line)
    assert head.split() == ["model", "cluster", "leep", "logme", "score", "why"]
    ours, new = (next(line for line in lines if name in line) for name in ("zoo/a", "hub/[new]"))
    assert ours.split()[-6:-3] == ["-0.2500", "1.5000", "0.5000"]
    assert new.split()[-5:-2] == ["-", "3.5000", "0.0000"], "what nobody scored is not made up"
    without = text(recall_table(replace(shortlist(), proxies=())))
    assert "leep" not in without
    assert "-0.2500" not in without


def test_the_recall_table_shows_cluster_proxies_and_reason_and_takes_names_literally() -> None:
    shown = text(recall_table(shortlist()))
    assert "zoo/a" in shown
    assert "0 (2 models)" in shown
    assert "-0.2500" in shown
    assert "mean z-score +0.50" in shown
    assert "hub/[new]" in shown, "a name in brackets is no markup"
    assert "no history" in shown
    assert "One dataset." in shown


def test_the_trials_table_shows_curves_on_one_scale_and_why_they_ended() -> None:
    lines = text(trials_table(selected())).splitlines()
    kept = next(line for line in lines if "zoo/a" in line)
    stopped = next(line for line in lines if "hub/[new]" in line)
    assert "▅█" in kept
    assert "selected" in kept
    assert "▁" in stopped
    assert "stopped at 1" in stopped
    assert "halved" in stopped


def test_names_are_never_cut_short() -> None:
    assert "hub/[new]" in text(trials_table(selected()), width=60)


def test_the_spending_table_marks_what_was_replayed() -> None:
    lines = text(spending_table(selected(), BASELINES)).splitlines()
    ours = next(line for line in lines if "raysel (default)" in line)
    assert ours.split()[-4:] == ["zoo/a", "0.7000", "3", "6"]
    every = next(line for line in lines if "fine-tune all" in line)
    assert "(replayed)" in every
    assert every.split()[-4:] == ["zoo/c", "0.8000", "60", "90"]
    halving = next(line for line in lines if "successive halving" in line)
    assert halving.split()[-1] == "-", "seconds that nobody recorded are not made up"


def test_other_metrics_of_the_winner_are_told() -> None:
    assert "Other metrics of zoo/a: macro_f1 0.5000 (test 0.2500). From" in text(spending_table(selected(), {}))
    assert "Other metrics" not in text(spending_table(selected(other_metrics={}), {}))


def test_without_baselines_nothing_is_said_to_be_replayed() -> None:
    assert "replayed" not in text(spending_table(selected(), {}))


@pytest.mark.parametrize(("licence", "told"), [("mit", "license: mit"), (None, "not known")])
def test_a_card_says_what_was_chosen_from_and_why(licence: str | None, told: str) -> None:
    split = Split(np.array(["a", "b"]), np.array([0, 1]))
    data = Data(
        name="toy", task="classification", train=split, val=split, test=split, classes=2, class_names=("no", "yes")
    )
    card = model_card(selected(), data, licence=licence, answers="It answers.", versions="raysel 0")
    assert card.startswith("---\nbase_model: zoo/a\n")
    assert "- Other metrics: macro_f1 0.5000 (test 0.2500).\n" in card
    for part in (told, "accuracy 0.7500 on 2 texts", "0.7000 on 2 held", "hub/[new]", "halved", "no, yes", "lr 0.1"):
        assert part in card


def test_a_plan_says_hours_and_storage() -> None:
    time = Estimate(least=3600.0, likely=7200.0, most=36000.0, measured=3)
    shown = text(plan_table(time, 2_000_000_000, {"cpu": 1, "gpu": 0.5}, "0.5 x A10G"))
    for part in ("2 GB", "0.5 GPU", "3 models"):
        assert part in " ".join(shown.split())
    assert [line.split()[-3:] for line in shown.splitlines()[4:7]] == [
        ["1", "h", "0.5"],
        ["2", "h", "1"],
        ["10", "h", "5"],
    ]
    assert "0.5 x A10G" in shown
    assert "say little" not in shown
    shown = " ".join(text(plan_table(replace(time, elsewhere="1 x T4"), 1, {"cpu": 1}, "0.5 x A10G")).split())
    assert "None of these times was measured on 0.5 x A10G: they are of 1 x T4" in shown
    assert "not known" in text(plan_table(None, 1, {"cpu": 1}, "1 x a processor"))
    assert "GPU" not in text(plan_table(time, 1, {"cpu": 1}, "1 x a processor"))
