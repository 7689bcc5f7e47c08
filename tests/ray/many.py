"""A selection of many short trials on four nodes: `python -m tests.ray.many FOLDER TRIALS` (test_many starts it)."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import tune
from ray.cluster_utils import Cluster

from raysel import History, HistoryRecorder, RecallSearcher, TrendScheduler
from tests.ray.table import TARGET, table_trainable

STEPS = 2
SLOTS = 2
"""On each node: more would only wait for this machine's processors."""


class Memory(tune.Callback):  # type: ignore[misc]
    """What this process takes, in bytes, at the first result and at most later."""

    def __init__(self) -> None:
        self.first = self.most = 0

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        taken = psutil.Process().memory_info().rss
        self.first, self.most = self.first or taken, max(self.most, taken)


def main(folder: Path, trials: int) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(4):
        cluster.add_node(num_cpus=SLOTS)
    ray.init(address=cluster.address, log_to_driver=False)
    history = History.create(str(folder / "history"))
    table = {f"m{i:04d}": [0.9 - i / 2000, 0.95 - i / 2000] for i in range(trials)}
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS)
    memory, began = Memory(), time.monotonic()
    analysis = tune.run(
        table_trainable(table),
        search_alg=RecallSearcher(
            history, target=TARGET, proxies={model: curve[0] for model, curve in table.items()}, top_k=trials
        ),
        scheduler=scheduler,
        config={"model": tune.choice(list(table))},
        metric="accuracy",
        mode="max",
        num_samples=-1,
        max_concurrent_trials=4 * SLOTS,
        reuse_actors=True,
        storage_path=str(folder / "results"),
        callbacks=[HistoryRecorder(history, target=TARGET, scheduler=scheduler), memory],
        verbose=0,
    )
    answer = {
        "selected": analysis.best_config["model"],
        "statuses": sorted({trial.status for trial in analysis.trials}),
        "recorded": len(history.curves(dataset=TARGET)),
        "grown": memory.most - memory.first,
        "seconds": time.monotonic() - began,
    }
    (folder / "answer.json").write_text(json.dumps(answer))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
