"""Past runs: which are read, when, and that decisions do not feel the others missing."""

import pickle
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

from raysel.history import Curve, History
from raysel.trends import Past, Progress, Selection, Trends, decide, mine
from raysel.trends.episodes import reading

MODELS = tuple(f"m{i:02d}" for i in range(40))
DATASETS = tuple(f"d{j}" for j in range(8))
STEPS = 4


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Models that differ in how good they are, and by luck, on eight datasets."""
    rng = np.random.default_rng(0)
    finals = 0.9 - 0.015 * np.arange(len(MODELS))[:, None] + rng.normal(scale=0.02, size=(len(MODELS), len(DATASETS)))
    cells = [(i, j) for i in range(len(MODELS)) for j in range(len(DATASETS))]
    ids = [f"{MODELS[i]}/{DATASETS[j]}" for i, j in cells]
    scores = [
        finals[i, j] - rng.exponential(0.1) * (1 - step / STEPS) for i, j in cells for step in range(1, STEPS + 1)
    ]
    made = History.create(tmp_path_factory.mktemp("past") / "history")
    made.append(
        datasets=pd.DataFrame({"dataset": DATASETS, "primary_metric": "accuracy", "mode": "max"}),
        runs=pd.DataFrame(
            {
                "run_id": ids,
                "model": [MODELS[i] for i, _ in cells],
                "dataset": [DATASETS[j] for _, j in cells],
                "status": "completed",
                "planned_steps": float(STEPS),
            }
        ),
        observations=pd.DataFrame(
            {
                "run_id": np.repeat(ids, STEPS),
                "step": np.tile(np.arange(1.0, STEPS + 1), len(ids)),
                "split": "val",
                "metric": "accuracy",
                "value": scores,
            }
        ),
    )
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[frozenset[str] | None]:
    """The models whose curves were asked for, `None` for all, by reading."""
    found: list[frozenset[str] | None] = []
    original = History.curves

    def curves(self: History, *, models: Iterable[str] | None = None, **options: str) -> list[Curve]:
        found.append(None if models is None else frozenset(models))
        return original(self, models=models, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(History, "curves", curves)
    return found


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that the history exceeds; half of its models have as many runs."""
    monkeypatch.setattr("raysel.trends.past.RUNS", len(MODELS) * len(DATASETS) // 2)


def past_of(history: History, method: str = "default") -> Past:
    return Past(history, without="d7", method=method, lower_is_better=False)


def equal(one: Trends, other: Trends) -> bool:
    return one.models == other.models and np.array_equal(one.values, other.values)


def test_all_runs_of_a_small_history_are_read_at_once_and_once(history: History, read: list) -> None:
    past = past_of(history)
    assert read == [None]
    assert past.trends(["m01"]) is past.trends(["m02"])
    assert read == [None]
    assert equal(past.trends([]), mine(history.curves(without="d7"), lower_is_better=False))


@pytest.mark.usefixtures("large")
def test_of_a_large_one_those_that_lead_are_read_when_a_decision_is_due(history: History, read: list) -> None:
    past = past_of(history)
    assert read == []
    found = past.trends(["m30"])
    assert past.trends(["m31"]) is found
    (models,) = read
    assert len(models) == len(MODELS) // 2
    assert set(MODELS[:10]) <= models
    assert "d7" not in found.datasets


@pytest.mark.usefixtures("large")
def test_the_paper_has_the_curves_of_the_models_it_decides_about(history: History, read: list) -> None:
    past = past_of(history, "paper")
    assert read == []
    first = past.trends(["m30", "m31"])
    assert past.trends(["m31"]) is first
    past.trends(["m32"])
    assert read == [{"m30", "m31"}, {"m30", "m31", "m32"}]
    live = [
        Progress(trial=name, model=name, score=score, rank=rank)
        for rank, (name, score) in enumerate([("m30", 0.5), ("m31", 0.52), ("m32", 0.4)])
    ]
    whole = mine(history.curves(without="d7"), lower_is_better=False)
    decided = decide(live, method="paper", fraction=0.5, trends=past.trends(["m30"]))
    assert decided == decide(live, method="paper", fraction=0.5, trends=whole)


@pytest.mark.usefixtures("large")
def test_the_leaders_tell_what_all_tell(history: History) -> None:
    few, whole = past_of(history).trends([]), mine(history.curves(without="d7"), lower_is_better=False)
    for fraction in (0.25, 0.5, 0.75):
        one, other = (reading(trends, fraction, first=0.25, size=5) for trends in (few, whole))
        assert (one.score, one.prior) == pytest.approx((other.score, other.prior), abs=0.1)
        assert one.residual == pytest.approx(other.residual, abs=0.05)
        assert one.n_datasets == other.n_datasets == 7


@pytest.mark.usefixtures("large")
def test_a_selection_reads_when_it_judges(history: History, read: list) -> None:
    selection = Selection(method="paper", policy="sync", stages=(1.0, 2.0), trends=past_of(history, "paper"))
    for name, score in (("m00", 0.8), ("m01", 0.5)):
        selection.add(name, model=name)
        selection.report(name, 1.0, score)
    assert read == []
    made = selection.judge(arrivals=False)
    assert read == [{"m00", "m01"}]
    assert made["m01"].action == "stop"
    assert made["m00"].predicted_final is not None


def test_what_was_read_is_read_again_after_pickling(history: History, read: list) -> None:
    past = past_of(history)
    again = pickle.loads(pickle.dumps(past))  # noqa: S301
    assert equal(again.trends([]), past.trends([]))
    assert read == [None, None]
