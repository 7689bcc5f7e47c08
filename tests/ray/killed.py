"""A run to be killed and restored: `python -m tests.ray.killed FOLDER begin|restore` (test_restore starts it)."""

import sys
from pathlib import Path

import ray
from ray import tune

from raysel import History, HistoryRecorder, RecallSearcher, TrendScheduler
from tests.ray.table import MODELS, STEPS, TARGET, noisy_table, table_trainable

SEED = 5


def main(folder: Path, what: str) -> None:
    ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    trainable = table_trainable(noisy_table(SEED), log=folder / "log", pause=0.3)
    experiment = folder / "results" / "run"
    if what == "restore":
        tuner = tune.Tuner.restore(str(experiment), trainable=trainable)
    else:
        history = History(str(folder / "history"))
        scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS, policy="sync")
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
                callbacks=[HistoryRecorder(history, target=TARGET, scheduler=scheduler, publish_every=1)],
            ),
        )
    tuner.fit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
