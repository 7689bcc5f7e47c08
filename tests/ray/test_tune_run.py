"""The public objects in `tune.run` and `tune.Tuner`, on curves that are known beforehand."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune import TuneError

from raysel import History, HistoryRecorder, RecallSearcher, TrendScheduler
from raysel.trends import Selection, mine, stages
from tests.ray.table import (
    BENCHMARKS,
    FEW,
    MODELS,
    STEPS,
    TARGET,
    noisy_table,
    planted_history,
    table_trainable,
    target_table,
)

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]
SPACE = {"model": tune.choice(list(MODELS)), "lr": tune.loguniform(1e-5, 1e-3)}


def run(folder: Path, trainable: Any, searcher: Any, scheduler: Any, **options: Any) -> Any:
    history = options.pop("record", None)
    callbacks = [HistoryRecorder(history, target=TARGET, scheduler=scheduler, publish_every=0)] if history else None
    return tune.run(
        trainable,
        search_alg=searcher,
        scheduler=scheduler,
        config=options.pop("config", SPACE),
        num_samples=options.pop("num_samples", -1),
        metric="accuracy",
        mode="max",
        storage_path=str(folder / "results"),
        callbacks=callbacks,
        verbose=0,
        reuse_actors=options.pop("reuse_actors", True),
        resources_per_trial={"cpu": 1},
        max_concurrent_trials=options.pop("max_concurrent_trials", 4),
        **options,
    )


def steps_by_model(analysis: Any) -> dict[str, int]:
    return {trial.config["model"]: trial.last_result["training_iteration"] for trial in analysis.trials}


def pure_steps(table: dict[str, list[float]], history: History, shortlist: Any, *, method: str) -> dict[str, int]:
    """What the same decisions give without Ray: every live trial makes a step, then stages are judged."""
    selection = Selection(
        method=method,
        policy="sync",
        stages=stages(method=method, max_t=STEPS),
        trends=mine(history.curves(without=TARGET), lower_is_better=False),
    )
    for rank, model in enumerate(shortlist.models):
        selection.add(model, model=model, rank=rank, prior=shortlist.priors[model])
    for step in range(1, STEPS + 1):
        for model in shortlist.models:
            if selection.standing(model) == "live":
                selection.report(model, step, table[model][step - 1])
        selection.judge(arrivals=False)
    return {model: int(max(selection.curve(model))) for model in shortlist.models}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["default", "paper"])
@pytest.mark.parametrize("limit", [None, 2])
def test_sync_selection_is_the_pure_one_whatever_the_slots(tmp_path: Path, method: str, limit: int | None) -> None:
    history, table = planted_history(tmp_path), noisy_table(3)
    searcher = RecallSearcher(history, target=TARGET, method=method, top_k=8)
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS, method=method, policy="sync")
    analysis = run(tmp_path, table_trainable(table), searcher, scheduler, max_concurrent_trials=limit)
    assert steps_by_model(analysis) == pure_steps(table, history, searcher.shortlist, method=method)
    stopped = {t.config["model"] for t in analysis.trials if t.last_result["training_iteration"] < STEPS}
    for trial in analysis.trials:
        if trial.config["model"] in stopped:
            decision = scheduler.decisions[trial.trial_id]
            assert decision.action == "stop"
            assert any(character.isdigit() for character in decision.reason)


@pytest.mark.parametrize("policy", ["sync", "async"])
def test_the_planted_best_wins_and_everything_is_recorded_once(tmp_path: Path, policy: str) -> None:
    history, log = planted_history(tmp_path), tmp_path / "log"
    searcher = RecallSearcher(history, target=TARGET, top_k=6)
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS, policy=policy)
    trainable = table_trainable(target_table(), log=log)
    analysis = run(tmp_path, trainable, searcher, scheduler, record=history, max_concurrent_trials=4)
    assert analysis.best_config["model"] == "m00"
    assert {t.config["model"] for t in analysis.trials} == set(MODELS[:6])
    made = [tuple(line.split()) for line in log.read_text().splitlines()]
    assert max(Counter((model, step) for model, _, step in made).values()) == 1, "no step is made twice"
    recorded = [curve for curve in history.curves() if curve.dataset == TARGET]
    assert {(c.model, int(s)) for c in recorded for s in c.steps} == {(model, int(step)) for model, _, step in made}
    status = {c.model: c.status for c in recorded}
    assert status.pop("m00") == "completed"
    assert "stopped" in status.values()
    assert next(c.final for c in recorded if c.model == "m00") == pytest.approx(target_table()["m00"][-1] - 0.01)


def test_tuner_takes_the_same_objects(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS)
    tuner = tune.Tuner(
        table_trainable(target_table()),
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            search_alg=RecallSearcher(history, target=TARGET, top_k=3),
            scheduler=scheduler,
            metric="accuracy",
            mode="max",
            num_samples=-1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            storage_path=str(tmp_path / "results"),
            verbose=0,
            callbacks=[HistoryRecorder(history, target=TARGET, scheduler=scheduler)],
        ),
    )
    results = tuner.fit()
    assert results.get_best_result().config["model"] == "m00"
    assert len(results) == 3
    assert {c.model for c in history.curves(dataset=TARGET)} == set(MODELS[:3])


def test_lower_is_better_turns_everything_round(tmp_path: Path) -> None:
    history = History.create(str(tmp_path / "history"))
    table = {model: [1 - value for value in curve] for model, curve in target_table().items()}
    analysis = tune.run(
        table_trainable(table),
        search_alg=RecallSearcher(history, target=TARGET, top_k=12),
        scheduler=TrendScheduler(history, target=TARGET, max_t=STEPS),
        config=SPACE,
        num_samples=-1,
        metric="accuracy",
        mode="min",
        storage_path=str(tmp_path / "results"),
        verbose=0,
        reuse_actors=True,
    )
    assert analysis.best_config["model"] == "m00"
    assert sorted(steps_by_model(analysis).values()) == [1] * 6 + [2] * 3 + [3] * 2 + [5]


def test_without_checkpoints_sync_refuses_and_auto_falls_back(tmp_path: Path) -> None:
    history, trainable = planted_history(tmp_path), table_trainable(target_table(), checkpoints=False)
    with pytest.raises(TuneError, match="policy='async'"):
        run(
            tmp_path,
            trainable,
            RecallSearcher(history, target=TARGET, top_k=3),
            TrendScheduler(history, target=TARGET, max_t=STEPS, policy="sync"),
        )
    with pytest.warns(UserWarning, match="no checkpoint"):
        analysis = run(
            tmp_path,
            trainable,
            RecallSearcher(history, target=TARGET, top_k=4),
            TrendScheduler(history, target=TARGET, max_t=STEPS),
        )
    assert analysis.best_config["model"] == "m00"
    assert all(trial.status == "TERMINATED" for trial in analysis.trials)


def test_faults_never_stall_a_stage(tmp_path: Path) -> None:
    history, table = planted_history(tmp_path, datasets=FEW), target_table()
    table["m01"] = [float("nan")] * STEPS  # diverges
    table["m02"] = table["m02"][:2]  # ends early
    (tmp_path / "once").mkdir()

    def fault(model: str, step: int) -> None:
        if model == "m03" and step == 2:
            raise RuntimeError("broken for good")
        if model == "m00" and step == 3 and not (tmp_path / "once" / "m00").exists():
            (tmp_path / "once" / "m00").touch()
            raise RuntimeError("broken once")

    searcher = RecallSearcher(history, target=TARGET, top_k=6)
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS)
    log = tmp_path / "log"
    analysis = run(
        tmp_path,
        table_trainable(table, fault=fault, log=log),
        searcher,
        scheduler,
        record=history,
        max_failures=1,
        raise_on_failed_trial=False,
        reuse_actors=False,
    )
    assert scheduler.selection.winner() == next(t.trial_id for t in analysis.trials if t.config["model"] == "m00")
    status = {c.model: c.status for c in history.curves(dataset=TARGET)}
    assert status["m00"] == "completed"
    assert status["m03"] == "failed"
    made = [tuple(line.split()) for line in log.read_text().splitlines()]
    assert [m for m in made if m[0] == "m00" and m[2] == "3"] == [("m00", "2", "3")], "the retry went on from step 2"


def test_another_searcher_may_count_paused_trials(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    analysis = run(
        tmp_path,
        table_trainable(target_table()),
        None,
        TrendScheduler(history, target=TARGET, max_t=STEPS),
        config={"model": tune.grid_search(["m03", "m00", "m01"])},
        num_samples=1,
        max_concurrent_trials=2,
    )
    assert analysis.best_config["model"] == "m00"
    assert all(trial.status == "TERMINATED" for trial in analysis.trials)


def test_what_runs_when_time_is_up_counts_as_stopped(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    run(
        tmp_path,
        table_trainable(target_table(), pause=30),
        RecallSearcher(history, target=TARGET, top_k=2),
        TrendScheduler(history, target=TARGET, max_t=STEPS),
        record=history,
        time_budget_s=1,
    )
    runs = history.runs()
    assert set(runs[runs["dataset"] == TARGET]["status"]) == {"stopped"}


def test_a_metric_that_is_missing_now_and_then_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    history, table = planted_history(tmp_path), target_table()

    def trainable(config: dict[str, Any]) -> None:
        for step, value in enumerate(table[config["model"]], start=1):
            tune.report({"other": 1.0} if step == 2 else {"accuracy": value})

    analysis = run(
        tmp_path,
        trainable,
        RecallSearcher(history, target=TARGET, top_k=4),
        TrendScheduler(history, target=TARGET, max_t=STEPS, policy="async"),
    )
    assert analysis.best_config["model"] == "m00"


def test_the_recorded_reason_is_the_decision(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS)
    analysis = run(
        tmp_path,
        table_trainable(target_table()),
        RecallSearcher(history, target=TARGET, top_k=4),
        scheduler,
        record=history,
    )
    reasons = {d.reason for d in scheduler.decisions.values() if d.action == "stop"}
    runs = history.runs()
    assert set(runs[(runs["dataset"] == TARGET) & (runs["status"] == "stopped")]["reason"]) == reasons
    configs = {json.loads(c)["lr"] for c in runs[runs["dataset"] == TARGET]["config"]}
    assert configs == {analysis.trials[0].config["lr"]}, "every model was tried with the same draw"
    assert not [curve for curve in history.curves(without=TARGET) if curve.dataset not in BENCHMARKS]
