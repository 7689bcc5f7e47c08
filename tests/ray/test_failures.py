"""Trials that hang, go backwards, report nothing or die, and proxies that die: the selection goes on and says why."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune

from raysel import History, HistoryRecorder, RecallSearcher, Target, TrendScheduler
from raysel.tune import run_selection
from tests.ray.table import FEW, MODELS, STEPS, TARGET, planted_history, target_table
from tests.ray.test_searcher import Seen, samples

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("local_ray")]
PATIENCE = 30.0
"""Seconds for a step: a process that starts on a busy machine needs some."""


def misbehaving(config: dict[str, Any]) -> None:
    """Only m00 does well; the first of ten stages is at epoch 2, which none of the others reaches."""
    model = config["model"]
    if model == "m03":
        return
    if model == "m05":
        raise RuntimeError("weights do not fit")
    tune.report({"accuracy": 0.5, "epoch": 1})
    if model == "m01":
        time.sleep(3600)
    if model == "m04":
        os._exit(1)
    while model == "m02":
        time.sleep(0.5)
        tune.report({"accuracy": 0.99, "epoch": 0.5})
    for epoch in range(2, 21):
        tune.report({"accuracy": 0.6, "epoch": epoch})


def test_whatever_trials_do_the_selection_ends_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    history, target = planted_history(tmp_path, datasets=FEW), Target(TARGET)
    with pytest.warns(UserWarning, match="no checkpoint"):  # which is none of what this is about
        selected = run_selection(
            misbehaving,
            searcher=RecallSearcher(history, target=target, top_k=6),
            scheduler=TrendScheduler(history, target=target, max_t=20, time_attr="epoch", report_timeout=PATIENCE),
            history=history,
            target=target,
            models=MODELS,
            metric="accuracy",
            mode="max",
            space={},
            storage_path=str(tmp_path / "results"),
        )
    assert selected.selected == "m00"
    assert selected.winner.curve[-1] == (20, 0.6)
    told = {trial.model: trial.reason for trial in selected.trials if trial.model != "m00"}
    assert told["m01"] == told["m02"] == f"hung: no step beyond 1 within {PATIENCE:g} s (report_timeout)"
    assert told["m03"] == "failed: it ended without a result"
    assert "worker process has died" in told["m04"]
    assert told["m05"] == "failed: RuntimeError: weights do not fit"
    assert next(trial.curve for trial in selected.trials if trial.model == "m02") == ((1, 0.5),)
    assert caplog.text.count("hung: no step beyond 1") == 2
    assert "reports step 0.5 after step 1: it does not count" in caplog.text
    runs = History(tmp_path / "history").runs().query("dataset == @TARGET").set_index("model")
    assert set(runs["status"].drop("m00")) == {"failed"}
    assert dict(runs["reason"].drop("m00")) == told


def test_a_trial_that_hangs_once_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    table, once = target_table(), tmp_path / "once"

    def trainable(config: dict[str, Any]) -> None:
        checkpoint, begun = tune.get_checkpoint(), 0
        if checkpoint:
            with checkpoint.as_directory() as folder:
                begun = int((Path(folder) / "step").read_text())
        for step in range(begun + 1, STEPS + 1):
            if step == 3 and not once.exists():
                once.touch()
                time.sleep(3600)
            (tmp_path / "step").write_text(str(step))
            tune.report({"accuracy": table["m00"][step - 1]}, checkpoint=tune.Checkpoint.from_directory(saved(step)))

    def saved(step: int) -> str:
        folder = tmp_path / f"saved{step}"
        folder.mkdir(exist_ok=True)
        (folder / "step").write_text(str(step))
        return str(folder)

    history, target = planted_history(tmp_path), Target(TARGET)
    selected = run_selection(
        trainable,
        searcher=RecallSearcher(history, target=target),
        scheduler=TrendScheduler(history, target=target, max_t=STEPS, report_timeout=PATIENCE),
        history=history,
        target=target,
        models=["m00"],
        metric="accuracy",
        mode="max",
        space={},
        storage_path=str(tmp_path / "results"),
        max_failures=1,
    )
    assert [step for step, _ in selected.winner.curve] == [1, 2, 3, 4, 5]
    assert History(tmp_path / "history").runs().query("dataset == @TARGET")["status"].tolist() == ["completed"]


def dying(model: str, inputs: np.ndarray) -> Seen:
    if model == "m00":
        os._exit(1)
    return Seen(features=inputs, probabilities=None)


def test_a_proxy_task_that_dies_ends_no_selection(tmp_path: Path) -> None:
    history = planted_history(tmp_path)
    target = Target(TARGET, samples=samples)
    searcher = RecallSearcher(history, target=target, proxies=["logme"], propagate="own", top_k=3, extract=dying)
    scheduler = TrendScheduler(history, target=target, max_t=STEPS, policy="async")
    table = target_table()

    def trainable(config: dict[str, Any]) -> None:
        for value in table[config["model"]]:
            tune.report({"accuracy": value})

    analysis = tune.run(
        trainable,
        search_alg=searcher,
        scheduler=scheduler,
        config={"model": tune.choice(list(MODELS))},
        metric="accuracy",
        mode="max",
        num_samples=-1,
        storage_path=str(tmp_path / "results"),
        callbacks=[HistoryRecorder(history, target=target, scheduler=scheduler)],
        verbose=0,
    )
    assert len(analysis.trials) == 3
    assert all(trial.status == "TERMINATED" for trial in analysis.trials)
    shortlist = searcher.shortlist
    assert shortlist is not None
    assert "Without some proxy scores: m00 (cannot be scored: its process died)." in shortlist.regime
    assert set(history.proxies().query("dataset == @TARGET")["model"]) == set(MODELS) - {"m00"}
