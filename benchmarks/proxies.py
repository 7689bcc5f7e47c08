"""How long proxies take and how much memory, beside a logistic regression of scikit-learn on the same arrays.

    python benchmarks/proxies.py > benchmarks/results/proxies.md

Each is timed in a process of its own, which has the arrays and all libraries before the clock starts; rounds take
turns, so that what else the machine does meets all alike. Memory is the most that the process has held beyond that.
On a machine that others use the processor's time on one thread says more than the clock.
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

SIZES = {"features": (10_000, 768), "probabilities": (50_000, 1_000)}
CLASSES, SEED = 100, 0
YARDSTICK = "LogisticRegression"
LIMITS = {"logme": "3 s, 4 times the input", "leep": "2 s", "knn": "5 s"}
NEEDS = {"leep": "probabilities"}


def arrays(needs: str) -> tuple[Any, Any]:
    """float32 inputs in which the classes lie apart, and labels. Directions differ in size, as those of networks do."""
    rng = np.random.default_rng(SEED)
    n, width = SIZES[needs]
    labels = rng.permutation(np.arange(n) % CLASSES)
    inputs = rng.normal(size=(n, width)).astype(np.float32)
    inputs += 0.2 * rng.normal(size=(CLASSES, width)).astype(np.float32)[labels]
    inputs *= (np.arange(1, width + 1) ** -0.5).astype(np.float32)
    if needs == "probabilities":
        inputs = np.exp(inputs, out=inputs)
        inputs /= inputs.sum(axis=1, keepdims=True)
    return inputs, labels


def formula(name: str) -> Callable[[Any, Any], object]:
    """What is timed."""
    from sklearn.linear_model import LogisticRegression

    from raysel.proxies import PROXIES

    if name == YARDSTICK:
        return lambda inputs, labels: LogisticRegression(max_iter=100).fit(inputs, labels)
    return lambda inputs, labels: PROXIES[name].score(inputs, labels, task="classification")


def measure(name: str) -> tuple[float, float, float]:
    """Seconds of the processor and of the clock, and the most memory as a multiple of the inputs'."""
    inputs, labels = arrays(NEEDS.get(name, "features"))
    score, process = formula(name), psutil.Process()
    score(inputs[: 4 * CLASSES], labels[: 4 * CLASSES])  # libraries load parts of themselves at the first call
    held = most = process.memory_info().rss
    ended = threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.002):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.process_time(), time.perf_counter()
    score(inputs, labels)
    busy, clock = time.process_time() - began[0], time.perf_counter() - began[1]
    ended.set()
    watcher.join()
    return busy, clock, (most - held) / inputs.nbytes


def measured_alone(name: str, threads: int) -> tuple[float, ...]:
    """`measure` in a process of its own."""
    limit = {key: str(threads) for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, __file__, "--measure", name]
    done = subprocess.run(command, env={**os.environ, **limit}, check=True, capture_output=True, text=True)
    return tuple(map(float, done.stdout.split()))


def main() -> None:
    """Print the table."""
    from raysel.proxies import PROXIES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="How often each is timed; the median counts.")
    parser.add_argument("--threads", type=int, default=1, help="Threads of the linear algebra library.")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(*measure(given.measure))
        return

    names = [*PROXIES, YARDSTICK]
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    loads = [os.getloadavg()[0]]
    for _ in range(given.rounds):
        for name in names:
            found[name].append(measured_alone(name, given.threads))
        loads.append(os.getloadavg()[0])
    busy = {name: statistics.median(one[0] for one in found[name]) for name in names}
    print("# How long proxies take\n")
    print(
        f"Made by `python benchmarks/proxies.py --rounds {given.rounds} --threads {given.threads} > "
        f"benchmarks/results/proxies.md`. float32 arrays, {CLASSES} classes, {os.cpu_count()} cores, linear algebra on "
        f"{given.threads} of them, load average {min(loads):.1f} to {max(loads):.1f} (what else the machine did "
        f"included). Of {given.rounds} rounds the median, for the clock the fastest and the slowest. Shares are of the "
        "yardstick's processor time. Peak memory beyond the input itself, as a multiple of it, the most of the rounds. "
        "The yardstick is scikit-learn's "
        f"`{YARDSTICK}(max_iter=100).fit` on the features that the proxies see.\n"
    )
    print("| | arrays | processor, s | clock, s | share of the yardstick | peak memory | asked |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        _, clock, memory = zip(*found[name], strict=True)
        n, width = SIZES[NEEDS.get(name, "features")]
        share = f"{busy[name] / busy[YARDSTICK]:.2f}"
        cells = (name, f"{n:,} x {width:,}", f"{busy[name]:.2f}", f"{min(clock):.2f} to {max(clock):.2f}", share)
        print(f"| {' | '.join(cells)} | {max(memory):.1f} | {LIMITS.get(name, '')} |")


if __name__ == "__main__":
    main()
