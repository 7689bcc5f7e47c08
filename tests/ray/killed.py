"""A run to be killed and restored: `python -m tests.ray.killed FOLDER begin|restore|go [sync|async] [PAUSE]`.

`go` restores what is there, if there is anything. With RAY_ADDRESS set it runs on that cluster, which outlives it.
"""

import os
import sys
from pathlib import Path
from typing import Any

import ray
from ray import tune

from raysel import History, HistoryRecorder, RecallSearcher, TrendScheduler
from raysel.tune import mend
from tests.ray.table import MODELS, STEPS, TARGET, noisy_table, table_trainable

SEED = 5


class Seen(tune.Callback):  # type: ignore[misc]
    """Writes down what the driver was told, after those before it have dealt with it."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        with self._place.open("a") as lines:
            lines.write(f"{trial.config['model']} {result['training_iteration']}\n")


def main(folder: Path, what: str, policy: str = "sync", pause: float = 0.3) -> None:
    if "RAY_ADDRESS" in os.environ:
        ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False)
    else:
        ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    trainable = table_trainable(noisy_table(SEED), log=folder / "log", pause=pause)
    experiment = folder / "results" / "run"
    if what != "begin" and mend(str(experiment)):
        tuner = tune.Tuner.restore(str(experiment), trainable=trainable)
    else:
        history = History(str(folder / "history"))
        scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS, policy=policy)  # type: ignore[arg-type]
        recorder = HistoryRecorder(history, target=TARGET, scheduler=scheduler, publish_every=1)
        tuner = tune.Tuner(
            trainable,
            param_space={"model": tune.choice(list(MODELS)), "lr": tune.loguniform(1e-5, 1e-3)},
            tune_config=tune.TuneConfig(
                search_alg=RecallSearcher(history, target=TARGET, top_k=8),
                scheduler=scheduler,
                metric="accuracy",
                mode="max",
                num_samples=-1,
                max_concurrent_trials=3,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="run",
                storage_path=str(folder / "results"),
                verbose=0,
                callbacks=[recorder, Seen(folder / "seen")],
            ),
        )
    (folder / "ready").touch()
    tuner.fit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:4], *map(float, sys.argv[4:]))
