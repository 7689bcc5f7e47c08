"""A selection on nodes with fake GPUs: `python -m tests.ray.clustered FOLDER CHANGE` (test_cluster starts it).

CHANGE is what happens when a few steps are made: `none`, a node is `removed`, or one is `added` to a single one. Or a
single node is replaced, again and again: it has `vanished`, or is `preempted`, which Ray was told before.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.core.generated import autoscaler_pb2

from raysel import HistoryRecorder, RecallSearcher, TrendScheduler
from tests.ray.table import FEW, MODELS, STEPS, TARGET, planted_history, table_trainable, target_table

GPU_NODE = {"num_cpus": 2, "num_gpus": 1}
AFTER = {"none": (), "removed": (3,), "added": (3,), "vanished": (2, 10, 11), "preempted": (2, 10, 11)}
"""Steps that are made before the changes."""
PAUSE = {"none": 0.3, "removed": 0.3, "added": 2.0, "vanished": 0.3, "preempted": 0.3}
"""Seconds of a step; a node takes some to come."""


class Changes(tune.Callback):  # type: ignore[misc]
    """Changes the cluster, in the driver's own thread: Ray's nodes are started from no other."""

    def __init__(self, change: Callable[[], None], after: tuple[int, ...]) -> None:
        self._change, self._after, self._steps, self.made = change, after, 0, 0

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        self._steps += 1
        if self._steps in self._after:
            self._change()
            self.made += 1


def main(folder: Path, change: str) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
    nodes = [cluster.add_node(**GPU_NODE) for _ in range(2 if change in ("none", "removed") else 1)]
    ray.init(address=cluster.address, log_to_driver=False)
    history = planted_history(folder, datasets=FEW)
    places, log = folder / "places", folder / "log"
    steps = table_trainable(target_table(), pause=PAUSE[change], log=log)

    def trainable(config: dict[str, Any]) -> None:
        with places.open("a") as lines:
            lines.write(f"{ray.get_runtime_context().get_node_id()} {ray.get_gpu_ids()}\n")
        steps(config)

    def added() -> None:
        cluster.add_node(**GPU_NODE)

    def removed() -> None:
        last = places.read_text().splitlines()[-1].split()[0]  # whichever it is, there is a trial on it
        cluster.remove_node(next(node for node in nodes if node.node_id == last), allow_graceful=False)

    def vanished() -> None:
        nodes.append(cluster.add_node(**GPU_NODE))
        node = nodes.pop(0)
        cluster.remove_node(node, allow_graceful=False)
        while any(known["Alive"] for known in ray.nodes() if known["NodeID"] == node.node_id):
            time.sleep(0.2)  # Ray takes some seconds to be sure

    def preempted() -> None:
        nodes.append(cluster.add_node(**GPU_NODE))
        node, seconds = nodes.pop(0), 2
        reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
        told = GcsClient(address=cluster.address)
        accepted, why = told.drain_node(node.node_id, reason, "spot", int((time.time() + seconds) * 1000))
        assert accepted, why
        time.sleep(seconds + 1)
        cluster.remove_node(node, allow_graceful=False)

    def none() -> None:
        """Leave the nodes as they are."""

    happens = {"none": none, "added": added, "removed": removed, "vanished": vanished, "preempted": preempted}
    changes = Changes(happens[change], AFTER[change])
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
        max_failures=1,
        callbacks=[HistoryRecorder(history, target=TARGET, scheduler=scheduler), changes],
        verbose=0,
    )
    answer = {
        "selected": analysis.best_config["model"],
        "nodes": sorted({line.split()[0] for line in places.read_text().splitlines()}),
        "steps": sorted(trial.last_result["training_iteration"] for trial in analysis.trials),
        "made": [line.split() for line in log.read_text().splitlines()],
        "changed": changes.made,
        "failures": [trial.num_failures for trial in analysis.trials],
    }
    (folder / "answer.json").write_text(json.dumps(answer))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
