"""A selection on two nodes with fake GPUs: `python -m tests.ray.clustered FOLDER` (test_cluster starts it)."""

import json
import sys
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.cluster_utils import Cluster

from raysel import HistoryRecorder, RecallSearcher, TrendScheduler
from tests.ray.table import FEW, MODELS, STEPS, TARGET, planted_history, table_trainable, target_table


def main(folder: Path) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=2, num_gpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    history = planted_history(folder, datasets=FEW)
    places = folder / "places"
    steps = table_trainable(target_table(), pause=0.3)

    def trainable(config: dict[str, Any]) -> None:
        with places.open("a") as lines:
            lines.write(f"{ray.get_runtime_context().get_node_id()} {ray.get_gpu_ids()}\n")
        steps(config)

    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS)
    analysis = tune.run(
        trainable,
        search_alg=RecallSearcher(history, target=TARGET, top_k=6),
        scheduler=scheduler,
        config={"model": tune.choice(list(MODELS))},
        metric="accuracy",
        mode="max",
        num_samples=-1,
        max_concurrent_trials=4,
        resources_per_trial={"cpu": 1, "gpu": 0.5},
        storage_path=str(folder / "results"),
        callbacks=[HistoryRecorder(history, target=TARGET, scheduler=scheduler)],
        verbose=0,
    )
    answer = {
        "selected": analysis.best_config["model"],
        "nodes": sorted({line.split()[0] for line in places.read_text().splitlines()}),
        "steps": sorted(trial.last_result["training_iteration"] for trial in analysis.trials),
    }
    (folder / "answer.json").write_text(json.dumps(answer))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
