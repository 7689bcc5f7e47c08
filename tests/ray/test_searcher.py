"""`RecallSearcher` by itself: spaces, draws, limits, saving, proxies."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ray import tune
from ray.tune.search import ConcurrencyLimiter, Searcher

from raysel import History, RecallSearcher, Target
from raysel.errors import NothingToRecallError, OptionError, RayselError, UnknownNameError
from raysel.history import PerformanceMatrix
from raysel.history.derived import Kept, as_table
from tests.ray.table import MODELS, TARGET, planted_history

SPACE = {"model": tune.choice(list(MODELS)), "lr": tune.loguniform(1e-5, 1e-3), "net": {"depth": tune.randint(1, 99)}}


def made(searcher: Any, space: dict[str, Any] | None = None, **spec: Any) -> Any:
    assert searcher.set_search_properties("accuracy", "max", space or SPACE, **spec)
    return searcher


def proposals(searcher: Any) -> list[dict[str, Any]]:
    found = []
    while (config := searcher.suggest(f"t{len(found)}")) != Searcher.FINISHED:
        found.append(config)
    return found


def test_models_come_best_first_with_the_same_draws(tmp_path: Path) -> None:
    configs = proposals(made(RecallSearcher(planted_history(tmp_path), target=TARGET, top_k=3, configs_per_model=2)))
    assert [c["model"] for c in configs] == ["m00", "m01", "m02"] * 2
    draws = [(c["lr"], c["net"]["depth"]) for c in configs]
    assert len(set(draws[:3])) == len(set(draws[3:])) == 1
    assert draws[0] != draws[3]


def test_the_seed_decides_the_draws(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    one, same, other = (
        proposals(made(RecallSearcher(history, target=TARGET, top_k=2, seed=seed))) for seed in (1, 1, 2)
    )
    assert one == same
    assert one[0]["lr"] != other[0]["lr"]


@pytest.mark.parametrize("asked_before", range(5))
def test_a_restored_searcher_goes_on_where_it_was(tmp_path: Path, asked_before: int) -> None:
    history = planted_history(tmp_path)
    undisturbed = proposals(made(RecallSearcher(history, target=TARGET, top_k=4)))
    first = made(RecallSearcher(history, target=TARGET, top_k=4))
    begun = [first.suggest(f"t{n}") for n in range(asked_before)]
    first.save(str(tmp_path / "state"))
    second = RecallSearcher(history, target=TARGET, top_k=4)
    second.restore(str(tmp_path / "state"))
    assert second.metric == "accuracy"
    assert begun + proposals(second) == undisturbed


class Counting(Searcher):
    """A searcher that counts, to stand for any other."""

    def __init__(self, end: int = 100) -> None:
        super().__init__()
        self.given, self.told, self.end = 0, [], end

    def set_search_properties(self, metric: Any, mode: Any, config: dict[str, Any], **spec: Any) -> bool:
        self.space = config
        return True

    def suggest(self, trial_id: str) -> Any:
        if self.given == self.end:
            return Searcher.FINISHED
        self.given += 1
        return {"lr": self.given}

    def on_trial_result(self, trial_id: str, result: Any) -> None:
        self.told.append(trial_id)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        self.told.append(trial_id)

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_text(str(self.given))

    def restore(self, checkpoint_path: str) -> None:
        self.given = int(Path(checkpoint_path).read_text())


@pytest.mark.parametrize(
    ("target", "options", "compared"),
    [
        ("b0", {}, 1),  # as it is on record: on b1
        (Target("b0", task="regression"), {}, 1),
        (Target("new", task="regression"), {}, 2),
        (Target("new"), {}, 3),
        ("new", {}, None),
        ("b0", {"across_tasks": True}, None),
    ],
)
def test_models_are_compared_on_datasets_with_the_target_s_type_of_output(
    tmp_path: Path, target: Target | str, options: dict[str, Any], compared: int | None
) -> None:
    history = planted_history(tmp_path)
    numbers = {"task": "regression", "primary_metric": "accuracy", "mode": "max"}
    history.append(datasets=pd.DataFrame([{"dataset": dataset, **numbers} for dataset in ("b0", "b1")]))
    searcher = made(RecallSearcher(history, target=target, top_k=3, **options))
    assert ("Models are compared" in searcher.shortlist.regime) is (compared is not None)
    assert compared is None or f"compared on the {compared} of these" in searcher.shortlist.regime


def test_the_rest_of_the_space_can_be_delegated(tmp_path: Path) -> None:
    history, inner = planted_history(tmp_path), Counting()
    searcher = made(RecallSearcher(history, target=TARGET, top_k=3, inner=inner))
    assert "model" not in inner.space
    assert searcher.suggest("t0") == {"model": "m00", "lr": 1}
    searcher.on_trial_result("t0", {})
    searcher.on_trial_complete("t0", {})
    assert inner.told == ["t0", "t0"]
    searcher.save(str(tmp_path / "state"))
    restored = RecallSearcher(history, target=TARGET, top_k=3, inner=Counting())
    restored.restore(str(tmp_path / "state"))
    assert proposals(restored) == [{"model": "m01", "lr": 2}, {"model": "m02", "lr": 3}]
    assert len(proposals(made(RecallSearcher(history, target=TARGET, top_k=3, inner=Counting(end=2))))) == 2


def test_paused_trials_do_not_count_against_the_limit(tmp_path: Path) -> None:
    searcher = RecallSearcher(planted_history(tmp_path), target=TARGET, top_k=4)
    limited = made(ConcurrencyLimiter(searcher, max_concurrent=2))
    assert limited.suggest("a")
    assert limited.suggest("b")
    assert limited.suggest("c") is None
    searcher.on_pause("a")
    assert limited.suggest("c")
    searcher.on_unpause("a")
    limited.on_trial_complete("b")
    limited.on_trial_complete("c")
    assert limited.suggest("d")
    assert limited.suggest("e") == Searcher.FINISHED, "all are proposed, whatever still runs"


@pytest.mark.parametrize(("num_samples", "warns"), [(-1, False), (2, True), (3, False), (7, False)])
def test_a_num_samples_that_cuts_the_list_warns(
    tmp_path: Path, num_samples: int, warns: bool, recwarn: pytest.WarningsRecorder
) -> None:
    made(RecallSearcher(planted_history(tmp_path), target=TARGET, top_k=3), num_samples=num_samples)
    assert any("num_samples" in str(w.message) for w in recwarn) == warns


def test_day_one_draws_with_the_seed_and_says_so(tmp_path: Path) -> None:
    history = planted_history(tmp_path, datasets=())
    searchers = [made(RecallSearcher(history, target=TARGET, top_k=4, seed=seed)) for seed in (0, 0, 1)]
    one, same, other = (searcher.shortlist for searcher in searchers)
    assert one.models == same.models != other.models
    assert len(set(one.models)) == 4
    assert "history" in one.regime


def test_ready_scores_rank_on_day_one(tmp_path: Path) -> None:
    history = planted_history(tmp_path, datasets=())
    scores = {model: float(number) for number, model in enumerate(MODELS)}
    searcher = made(RecallSearcher(history, target=TARGET, top_k=2, proxies=scores))
    assert searcher.shortlist.models == ("m11", "m10")
    assert [entry.proxies for entry in searcher.shortlist.entries] == [{"given": 11.0}, {"given": 10.0}]


def test_models_without_history_can_stand_beside_others(tmp_path: Path) -> None:
    space = {"model": tune.choice(["m00", "m11", "unheard-of"])}
    searcher = made(RecallSearcher(planted_history(tmp_path), target=TARGET, top_k=3), space)
    assert searcher.shortlist.models == ("m00", "unheard-of", "m11"), "by default unknown is average"
    assert "history" in searcher.shortlist.entries[1].reason
    paper = made(RecallSearcher(planted_history(tmp_path / "other"), target=TARGET, top_k=3, method="paper"), space)
    assert paper.shortlist.models[-1] == "unheard-of"


@pytest.mark.parametrize(("explore", "new"), [(0.0, 0), (0.3, 1), (0.7, 2)])
def test_exploring_keeps_places_for_models_without_history(tmp_path: Path, explore: float, new: int) -> None:
    # By what is known of them both are average, behind the three best.
    space = {"model": tune.choice([*MODELS, "unheard-of", "unheard-of too"])}
    searcher = made(RecallSearcher(planted_history(tmp_path), target=TARGET, top_k=3, explore=explore), space)
    recalled = [config["model"] for config in proposals(searcher)]
    assert recalled[: 3 - new] == ["m00", "m01", "m02"][: 3 - new]
    assert sum(model.startswith("unheard-of") for model in recalled) == new


def many(folder: Path, n_models: int, n_datasets: int = 8) -> tuple[History, PerformanceMatrix]:
    """A history whose performance matrix is kept beside it, as `compact` keeps it, and the matrix."""
    rng = np.random.default_rng(0)
    matrix = PerformanceMatrix(
        models=tuple(f"team/net-{i:05d}" for i in range(n_models)),
        datasets=tuple(f"b{j}" for j in range(n_datasets)),
        values=(rng.normal(size=(n_models, 1)) + 0.5 * rng.normal(size=(n_models, n_datasets))),
    )
    history = History.create(folder / "history")
    history.append(datasets=pd.DataFrame({"dataset": matrix.datasets, "primary_metric": "accuracy", "mode": "max"}))
    notes = {
        "datasets": matrix.datasets,
        "lower_is_better": matrix.lower_is_better,
        "directions": {dataset: ["accuracy", "max"] for dataset in matrix.datasets},
    }
    history.derive("matrix", Kept(rows=as_table(matrix), parts=frozenset(history.parts()), notes=notes))
    return history, matrix


def test_more_candidates_than_can_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, matrix = many(tmp_path, 5_300)
    space = {"model": tune.choice([*matrix.models, "unheard-of"])}
    first = made(RecallSearcher(history, target=TARGET, top_k=4, explore=0.25), space)
    assert "those that lead, of 5,300" in first.shortlist.regime
    recalled = [config["model"] for config in proposals(first)]
    assert recalled == list(first.shortlist.models)
    assert recalled[-1] == "unheard-of"
    best = sorted(matrix.models, key=lambda model: -matrix.values[matrix.row[model]].mean())
    assert set(recalled[:3]) < set(best[:50])
    # The next target needs no more than what the first has kept.
    monkeypatch.setattr(History, "matrix", None)
    again = made(RecallSearcher(history, target="another", top_k=4, explore=0.25), space)
    assert [config["model"] for config in proposals(again)] == recalled
    assert again.shortlist == first.shortlist


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"history": "no-history"}, OptionError, "history"),
        ({"top_k": 0}, OptionError, "top_k"),
        ({"top_k": 2.5}, OptionError, "top_k"),
        ({"top_k": True}, OptionError, "top_k"),
        ({"configs_per_model": 0}, OptionError, "configs_per_model"),
        ({"max_samples": 1}, OptionError, "max_samples"),
        ({"proxy_timeout": 0.0}, OptionError, "proxy_timeout"),
        ({"proxy_timeout": float("nan")}, OptionError, "proxy_timeout"),
        ({"seed": -1}, OptionError, "seed"),
        ({"method": "best"}, UnknownNameError, "default, paper"),
        ({"propagate": "all"}, UnknownNameError, "propagate"),
        ({"tau": float("nan")}, OptionError, "tau"),
        ({"tau": -1.0}, OptionError, "tau"),
        ({"explore": 1.1}, OptionError, "explore"),
        ({"explore": float("nan")}, OptionError, "explore"),
        ({"proxies": "logme"}, OptionError, "proxies"),
        ({"proxies": ["logmee"]}, UnknownNameError, "logme"),
        ({"proxies": ["leep@layers"]}, UnknownNameError, "logme@layers"),
        ({"proxies": ["logme"]}, OptionError, "samples"),
        ({"target": ""}, OptionError, "target"),
        ({"inner": Counting(), "configs_per_model": 2}, OptionError, "configs_per_model"),
    ],
)
def test_bad_options_are_refused_at_once(
    tmp_path: Path, options: dict[str, Any], error: type[RayselError], words: str
) -> None:
    given = {"history": planted_history(tmp_path), "target": TARGET, **options}
    with pytest.raises(error, match=words):
        RecallSearcher(given.pop("history"), **given)


@pytest.mark.parametrize(
    ("space", "error", "words"),
    [
        ({"lr": 1.0}, OptionError, "tune.choice"),
        ({"model": tune.uniform(0, 1)}, OptionError, "tune.choice"),
        ({"model": tune.choice([1, 2])}, OptionError, "tune.choice"),
        ({"model": tune.grid_search(["m00", "m01"])}, OptionError, "tune.choice"),
        ({"model": tune.choice(["m00"]), "lr": tune.grid_search([1, 2])}, OptionError, "lr"),
        ({"model": tune.choice(["m00"]), "net": {"lr": tune.grid_search([1, 2])}}, OptionError, "net"),
        ({"model": tune.choice([])}, (OptionError, NothingToRecallError), "tune.choice"),
    ],
)
def test_bad_spaces_are_refused_at_once(tmp_path: Path, space: dict[str, Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        made(RecallSearcher(planted_history(tmp_path), target=TARGET), space)


def test_metric_given_twice_is_refused(tmp_path: Path) -> None:
    searcher = RecallSearcher(planted_history(tmp_path), target=TARGET, metric="accuracy", mode="max")
    assert not searcher.set_search_properties("accuracy", "max", SPACE)


def test_an_empty_space_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="config"):
        RecallSearcher(planted_history(tmp_path), target=TARGET).suggest("t0")


@dataclass
class Seen:
    """What an extraction gives."""

    features: np.ndarray
    probabilities: np.ndarray | None


def samples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    return labels[:, None] + rng.normal(size=(60, 4)), labels


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_proxies_are_computed_by_tasks_and_kept(tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    def extract(model: str, inputs: np.ndarray) -> Seen:
        with calls.open("a") as lines:
            lines.write(f"{model} {len(inputs)}\n")
        if model == "m05":
            raise RuntimeError("a broken checkpoint")
        noise = np.random.default_rng(1).normal(size=inputs.shape) * MODELS.index(model)
        return Seen(features=inputs + noise, probabilities=None)

    history = planted_history(tmp_path, datasets=())
    target = Target(TARGET, samples=samples)

    def ranked(*proxies: str) -> Any:
        searcher = RecallSearcher(
            history,
            target=target,
            proxies=proxies,
            top_k=3,
            extract=extract,
            max_samples=30,
            proxy_resources={"cpu": 0.5},
        )
        made(searcher)
        assert searcher.suggest("t0") is None, "pending scores do not block Tune"
        while (config := searcher.suggest("t0")) is None:
            time.sleep(0.05)
        assert config["model"] == searcher.shortlist.models[0]
        return searcher.shortlist

    shortlist = ranked("leep", "logme")
    assert shortlist.proxies == ("logme",), "no model has a source head, so leep cannot be had"
    assert set(shortlist.models) == {"m00", "m01", "m02"}
    assert "Without some proxy scores: " in shortlist.regime
    assert "m05 (cannot be scored: RuntimeError: a broken checkpoint)" in shortlist.regime
    assert len(calls.read_text().splitlines()) == 12
    assert {line.split()[1] for line in calls.read_text().splitlines()} == {"30"}
    kept = history.proxies()
    assert set(kept["model"]) == set(MODELS) - {"m05"}
    assert kept["seconds"].gt(0).all()
    assert ranked("logme").models == shortlist.models
    again = calls.read_text().splitlines()[12:]
    assert [line.split()[0] for line in again] == ["m05"], "what is in the history is not computed again"
