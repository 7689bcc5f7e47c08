"""A selection with metrics and Tune's TensorBoard callback, in a Ray of its own; prints what Prometheus would read.

python -m tests.ray.watched FOLDER PORT
"""

import sys
import time
import urllib.request
from pathlib import Path

import ray
from ray import tune
from ray.tune.logger import TBXLoggerCallback

from raysel import HistoryRecorder, RecallSearcher, TrendScheduler
from raysel.tune.metrics import SelectionMetrics
from tests.ray.table import STEPS, TARGET, planted_history, table_trainable, target_table


def main(folder: Path, port: int) -> None:
    ray.init(
        address="local",
        num_cpus=3,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100_000_000,
        _metrics_export_port=port,
    )
    history = planted_history(folder)
    scheduler = TrendScheduler(history, target=TARGET, max_t=STEPS)
    tune.run(
        table_trainable(target_table()),
        config={"model": tune.choice(list(target_table()))},
        search_alg=RecallSearcher(history, target=TARGET, top_k=3),
        scheduler=scheduler,
        metric="accuracy",
        mode="max",
        num_samples=-1,
        reuse_actors=True,
        storage_path=str(folder / "results"),
        callbacks=[
            HistoryRecorder(history, target=TARGET, scheduler=scheduler),
            SelectionMetrics(scheduler, target=TARGET),
            TBXLoggerCallback(),
        ],
        verbose=0,
    )
    found: list[str] = []
    deadline = time.monotonic() + 60
    # Ray exports every ten seconds: what is there at first may be of the middle of the run.
    while not any('standing="live"' in line and line.endswith(" 0.0") for line in found):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        found = [line for line in answer.splitlines() if line.startswith("ray_raysel_")]
    print("\n".join(found))  # noqa: T201
    ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
