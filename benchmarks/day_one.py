"""Day one: selection with an empty history, replayed on the mini zoo with its history hidden.

\b
    python benchmarks/day_one.py

Writes day_one.md into benchmarks/results. Every dataset of the zoo is the target in turn, and of all the others nothing
is known: neither runs nor what proxies were worth there. Only the recorded proxy scores on the target itself are left,
which `raysel select` would compute.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from page import difference, mean, number, table

from raysel import History, zoo
from raysel.proxies import PROXIES
from raysel.replay.comparison import compare
from raysel.replay.methods import METHODS, Method, trend
from raysel.replay.metrics import Row
from raysel.replay.snapshot import Snapshot

RESULTS = Path(__file__).parent / "results"
TOP_K: Mapping[zoo.Inputs, int] = {"images": 10, "texts": 3}
SEEDS = 3
DEFAULT = "raysel select"
OTHERS = "best proxy of the other datasets, halving"

HEAD = """# Day one: no history at all

Made by `python benchmarks/day_one.py`. Each dataset of the mini zoo is the target in turn, with the whole history
hidden: recall rests on the recorded proxy scores of all models on the target, fine selection on no past curve.
`raysel select` is what the command does then: LogME on every model, the best by it fine-tuned, and the default fine
selection, which halves at each fifth of the budget. `best of K by P, halving` ranks by the proxy P alone and halves as
often. Which P is best nobody knows on day one: `best proxy of the other datasets` takes for each dataset the one that
loses least on the others, which is more than a team without a history could. `all, halving` and `K at random, halving`
are there for scale.

*loses*: the best final of all models minus the selected one's, as a part of what a model at random loses; the mean over
datasets of the means over {seeds} seeds, with its bootstrap 95 % interval. *budget*: the trainings that are spent, as a
multiple of those of `raysel select`; 1.00 is the same budget. *difference*: `raysel select` less the method, paired by
dataset, below 0 where `raysel select` is better; **bold** where the interval has not 0 in it.
"""


def methods() -> dict[str, Method]:
    """What is compared, by name."""

    def by_proxy(name: str, scheduler: str) -> Method:
        return Method(
            told=f"the best by {name}",
            searcher=lambda setting: setting.recalling("default", propagate="own", proxies=[name]),
            scheduler=trend("default") if scheduler == DEFAULT else METHODS["halving-k"].scheduler,
        )

    return {
        DEFAULT: by_proxy("logme", DEFAULT),
        **{f"best of K by {name}, halving": by_proxy(name, "halving") for name in PROXIES},
        "all, halving": METHODS["halving-all"],
        "K at random, halving": METHODS["random-k"],
    }


def hidden(inputs: zoo.Inputs) -> tuple[Snapshot, tuple[str, ...]]:
    """The zoo's history, where who leaves out a target leaves out everything; and its datasets."""
    history = History(zoo.history_path(inputs))
    names = tuple(one.dataset for one in history.summary().datasets)
    return Snapshot(history, together=[names]), names


def by_target(rows: Sequence[Row], method: str, of: str = "relative_regret") -> np.ndarray:
    """(n_targets,) relative regrets, or what else rows have, each the mean over seeds."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.method == method:
            found.setdefault(row.target, []).append(getattr(row, of))
    return np.array([np.mean(of_seeds) for of_seeds in found.values()])


def told_by_others(lost: np.ndarray) -> np.ndarray:
    """(n_targets,) for each the row of (n_proxies, n_targets), a proxy, that loses least on the other targets."""
    return np.array([np.delete(lost, target, axis=1).mean(axis=1).argmin() for target in range(lost.shape[1])])


def compared(rows: Sequence[Row]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By method what is lost and what is spent on each target."""
    names = list(dict.fromkeys(row.method for row in rows))
    found = {name: (by_target(rows, name), by_target(rows, name, "trainings")) for name in names}
    proxies = [found[name] for name in names if name.startswith("best of K by")]
    lost, spent = (np.array(values) for values in zip(*proxies, strict=True))
    chosen, targets = told_by_others(lost), np.arange(lost.shape[1])
    return found | {OTHERS: (lost[chosen, targets], spent[chosen, targets])}


def page(rows: Mapping[zoo.Inputs, Sequence[Row]]) -> str:
    """The page, a table a zoo."""
    text = HEAD.format(seeds=SEEDS)
    for inputs, found in rows.items():
        methods = compared(found)
        ours, spent = methods[DEFAULT]
        order = sorted(methods, key=lambda name: (name != DEFAULT, float(methods[name][0].mean())))
        cells = [
            (
                name,
                mean(methods[name][0].tolist(), 3),
                number(float(methods[name][1].mean()), 1),
                number(float(methods[name][1].mean() / spent.mean()), 2),
                "" if name == DEFAULT else difference((ours - methods[name][0]).tolist(), 3),
            )
            for name in order
        ]
        models = max(row.models for row in found)
        text += f"\n## {inputs.capitalize()}: {len(ours)} datasets, {models} models, K = {TOP_K[inputs]}\n\n"
        text += table(("method", "loses", "full trainings", "budget", "difference"), cells)
    return text


@click.command(help=__doc__)
def main() -> None:
    rows: dict[zoo.Inputs, Sequence[Row]] = {}
    for inputs, top_k in TOP_K.items():
        history, names = hidden(inputs)
        rows[inputs] = compare(history, methods=methods(), leave_out=names, seeds=SEEDS, top_k=top_k)
    (RESULTS / "day_one.md").write_text(page(rows))


if __name__ == "__main__":
    main()
