"""selection.md and its charts, from the rows that selection.py keeps.

python benchmarks/selection_page.py
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from page import difference, mean, number, table

from raysel.arrays import FloatArray

RESULTS = Path(__file__).parent / "results"
ORDER = ("mini_zoo", "olml_nlp", "lcdb11", "taskset_text", "llm_finetune_scaling")
BRIEF = ("default", "paper", "halving-k", "halving-all", "asha-3-all", "fine-tune-all")
AGAINST = {"halving-all": "random-k", "asha-3-all": "asha-3-random", "fine-tune-all": "fine-tune-some"}
"""What raysel's methods are compared with, and the curve of the same on fewer models, drawn at random."""
OURS = ("default", "default-async", "paper")
RESAMPLES = 2000

HEAD = """# Selection: what each method spends and loses on recorded runs

Made by `RAYSEL_DATA=../shared/data python benchmarks/selection.py`; every row is in `selection.parquet`, and `python
benchmarks/selection_page.py` makes this page from it again. Each dataset of a set is the target in turn, what is known
of it (and of its near-duplicates) left out; the real searcher and scheduler of each method run on a virtual cluster
against the recorded runs, with {seeds} seeds. `raysel replay --help` says what each method does.

How to read it. *regret*: the best final of all models minus that of the selected model, in the metric's unit. *of
random*: the same as a part of what a choice at random loses. *to default*: the paired difference to raysel's default on
the same targets, above 0 where the default is better, **bold** where its interval has not 0 in it. *to all*: regret
from what fine-tuning all would have selected. *trainings*: steps by those of one whole run. In brackets: bootstrap 95 %
intervals over targets, each the mean of its seeds. *never tried*, *stopped*: on how much of the targets the best model
was not proposed, or dropped, and the part of a run after which (median). *mean final*: of all models that were
proposed, higher is better. Makespans are in seconds, or in steps where a set has recorded none. Where targets have
different metrics (mini_zoo), read the relative columns.

"""


def write_page(frame: pd.DataFrame, folder: Path) -> None:
    """Write the page and its charts into a folder."""
    names = [name for name in ORDER if name in set(frame["set"])]
    parts = [HEAD.format(seeds=frame["seed"].max() + 1)]
    parts += ["## In brief\n\nRegret (relative on mini_zoo) @ full trainings.\n\n", in_brief(frame, names), "\n"]
    parts += ["## Speed-up\n\n", SPEED_UP, "\n", speed_ups(frame, names), "\n"]
    for name in names:
        parts += section(frame[frame["set"] == name], name, folder)
    (folder / "selection.md").write_text("".join(parts).rstrip() + "\n")


def judged_by(rows: pd.DataFrame) -> str:
    """The column that a set's methods are compared by."""
    return "relative_regret" if rows["mixed"].iloc[0] else "regret"


def by_target(rows: pd.DataFrame, column: str) -> FloatArray:
    """(n_targets,) the mean over seeds, targets by name."""
    return rows.groupby("target")[column].mean().to_numpy(dtype=float)


def in_brief(frame: pd.DataFrame, names: Sequence[str]) -> str:
    """The methods that matter on every set."""
    rows = []
    for name in names:
        of_set = frame[(frame["set"] == name) & (frame["part"] == "table")]
        cells = [name, str(of_set["target"].nunique())]
        for method in BRIEF:
            its = of_set[of_set["method"] == method]
            cells.append(
                f"{number(its[judged_by(of_set)].mean())} @ {its['trainings'].mean():.1f}" if len(its) else "-"
            )
        rows.append(cells)
    return table(("set", "targets", *BRIEF), rows)


# Speed-up -----------------------------------------------------------------------------------------------------------

SPEED_UP = """What others spend by what raysel's methods spend, in trainings (on mini_zoo also in seconds, proxies
included). *on all*: halving, ASHA with reduction 3, or fine-tuning on all models, by what the method spends, and their
regret minus the method's, paired. The others on fewer models, drawn at random, trace a curve: *at its regret* is what
they have to spend to lose no more than the method, by what it spends (`never` where even all models do not do), and *at
its cost* their regret minus the method's where they spend as much. (The paper's headline, on all, is about 3 and 5.)
"""


def speed_ups(frame: pd.DataFrame, names: Sequence[str]) -> str:
    """Each of raysel's methods against halving and fine-tuning, on every set."""
    rows = []
    for name in names:
        of_set = frame[frame["set"] == name]
        judged = judged_by(of_set)
        costs = ["trainings"] if of_set["seconds"].isna().any() else ["trainings", "seconds"]
        for method in ("default", "paper"):
            mine = of_set[(of_set["part"] == "table") & (of_set["method"] == method)]
            for other, family in AGAINST.items():
                theirs = of_set[(of_set["part"] == "table") & (of_set["method"] == other)]
                curve = of_set[(of_set["part"] == "curve") & (of_set["method"] == family)]
                if not (len(mine) and len(theirs) and len(curve)):
                    continue
                lost = by_target(theirs, judged) - by_target(mine, judged)
                for cost in costs:
                    plain, reached, at_cost = against(mine, theirs, curve, judged, cost)
                    rows += [[name, method, other, cost, plain, difference(lost), reached, at_cost]]
    head = ("set", "method", "against", "cost", "on all", "their regret", "at its regret", "at its cost")
    return table(head, rows)


def against(mine: pd.DataFrame, theirs: pd.DataFrame, curve: pd.DataFrame, judged: str, cost: str) -> list[str]:
    """How many times the cost on all and at the same regret, and the regret at the same cost, with their intervals."""
    spent, loss = by_target(mine, cost), by_target(mine, judged)
    plain = by_target(theirs, cost)
    wide = {column: curve.pivot_table(index="target", columns="top_k", values=column) for column in (judged, cost)}
    # A target with few models has no wider choice than all of them.
    losses, costs = (wide[column].ffill(axis=1).to_numpy(dtype=float) for column in (judged, cost))

    def found(chosen: FloatArray) -> tuple[float, float, float]:
        price, lost = spent[chosen].mean(), loss[chosen].mean()
        theirs_lost, theirs_spent = losses[chosen].mean(axis=0), costs[chosen].mean(axis=0)
        reached = cost_at(lost, theirs_lost, theirs_spent)
        return plain[chosen].mean() / price, reached / price, loss_at(price, theirs_lost, theirs_spent) - lost

    drawn = np.random.default_rng(0).integers(len(spent), size=(RESAMPLES, len(spent)))
    values = np.array([found(np.arange(len(spent))), *(found(chosen) for chosen in drawn)])
    low, high = np.percentile(values[1:, 2], [2.5, 97.5])
    told = f"{values[0, 2]:+.4f} [{low:+.4f}, {high:+.4f}]"
    ratios = [times(values[0, column], values[1:, column]) for column in (0, 1)]
    return [*ratios, f"**{told}**" if low > 0 or high < 0 else told]


def loss_at(cost: float, losses: FloatArray, costs: FloatArray) -> float:
    """What a curve loses at a cost, between its points in a line over log cost; beyond its ends as there."""
    order = np.argsort(costs)
    return float(np.interp(np.log(cost), np.log(costs[order]), losses[order]))


def cost_at(loss: float, losses: FloatArray, costs: FloatArray) -> float:
    """The least cost at which a curve loses no more, between its points in a line over log cost; `inf` if nowhere."""
    least = np.minimum.accumulate(losses)
    reached = np.flatnonzero(least <= loss)
    if not len(reached):
        return float("inf")
    index = reached[0]
    if not index:
        return float(costs[0])
    part = (least[index - 1] - loss) / (least[index - 1] - least[index])
    low, high = np.log(costs[index - 1 : index + 1])
    return float(np.exp(low + part * (high - low)))


def times(value: float, resampled: FloatArray) -> str:
    """A ratio and its interval."""
    low, high = np.percentile(resampled, [2.5, 97.5], method="nearest")
    return f"{ratio(value)} [{ratio(low)}, {ratio(high)}]"


def ratio(value: float) -> str:
    """A ratio in words."""
    return f"{value:.1f}x" if np.isfinite(value) else "never"


# Sets ---------------------------------------------------------------------------------------------------------------


def section(of_set: pd.DataFrame, name: str, folder: Path) -> Iterator[str]:
    """A set's part of the page."""
    rows = of_set[of_set["part"] == "table"]
    first, judged = rows.iloc[0], judged_by(of_set)
    count, models = rows["target"].nunique(), rows["models"]
    yield f"## {name}\n\n{first['told']}; {count} targets, {models.min()} to {models.max()} models. Regret is in: "
    yield f"{first['unit']}.\n\n{methods_table(rows)}\n"
    if rows["tiny"].any():
        tiny = ", ".join(sorted(set(rows["target"][rows["tiny"]])))
        yield f"Without the tiny datasets ({tiny}):\n\n{methods_table(rows[~rows['tiny']])}\n"
    label = "regret" if judged == "regret" else "regret, as a part of what a choice at random loses"
    chart(of_set, folder / f"selection_{name}.svg", cost="trainings", judged=judged, labels=("full trainings", label))
    yield f"![regret against trainings on {name}](selection_{name}.svg)\n\n"
    if not rows["seconds"].isna().any():
        timed = of_set.assign(multiple=of_set["seconds"] / of_set["winner_seconds"])
        file = f"selection_{name}_seconds.svg"
        labels = ("seconds, proxies included, by those of training the winner once", label)
        chart(timed, folder / file, cost="multiple", judged=judged, labels=labels)
        yield "In multiples of the seconds of training the winner once, proxies included:\n\n"
        yield f"{multiples(timed, judged)}\n"
        yield f"![regret against seconds on {name}]({file})\n\n"


def methods_table(rows: pd.DataFrame) -> str:
    """Every method, the least regret first."""
    judged = judged_by(rows)
    order = rows.groupby("method")[judged].mean().sort_values(kind="stable").index
    default = rows[rows["method"] == "default"]

    def to_default(its: pd.DataFrame, column: str) -> str:
        if not len(default) or its["method"].iloc[0] == "default":
            return "-"
        return difference(by_target(its, column) - by_target(default, column))

    timed = not rows["seconds"].isna().any()
    columns: dict[str, Callable[[pd.DataFrame], str]] = {
        "regret": lambda its: mean(by_target(its, "regret")),
        "to default": lambda its: to_default(its, "regret"),
        "of random": lambda its: mean(by_target(its, "relative_regret"), 3),
        "of random, to default": lambda its: to_default(its, "relative_regret"),
        "to all": lambda its: mean(by_target(its, "regret_to_all")),
        "trainings": lambda its: f"{its['trainings'].mean():.2f}",
        "steps": lambda its: number(its["steps"].mean(), 1),
    }
    if timed:
        columns["seconds"] = lambda its: number(its["seconds"].mean(), 1)
    for gpus in (1, 4, 16):
        unit = "s" if timed else "steps"
        columns[f"{unit} on {gpus} GPU{'s' if gpus > 1 else ''}"] = lambda its, gpus=gpus: number(
            its[f"makespan_{gpus}"].mean(), 1
        )
    columns["never tried"] = lambda its: f"{100 * (its['best_dropped_at'] == 0).mean():.0f} %"
    columns["stopped"] = stopped
    columns["mean final"] = lambda its: number(its["mean_final"].mean(), 3)
    found = []
    for method in order:
        its = rows[rows["method"] == method]
        hung = " (hung)" if (its["ended"] != "finished").any() else ""
        found.append([method + hung, *(made(its) for made in columns.values())])
    return table(("method", *columns), found)


def stopped(its: pd.DataFrame) -> str:
    """How often the best model was tried and stopped, and when."""
    dropped = its[its["best_dropped_at"] > 0]
    if not len(dropped):
        return "0 %"
    when = (dropped["best_dropped_at"] / (dropped["steps"] / dropped["trainings"])).median()
    return f"{100 * len(dropped) / len(its):.0f} % (at {when:.2f})"


def multiples(timed: pd.DataFrame, judged: str) -> str:
    """The points of the families' curves, and the methods beside them."""
    curves, others = timed[timed["part"] == "curve"], timed[timed["part"] == "table"]
    others = others[~others["method"].isin(set(curves["method"]))]
    rows = [
        (str(method), "" if str(method).endswith("-all") else f"{breadth}", point)
        for (method, breadth), point in curves.groupby(["method", "top_k"])
    ]
    rows.sort(key=lambda row: (row[0] if row[1] else row[0].split("-")[0], row[2]["multiple"].mean()))
    rows += [(str(method), "", its) for method, its in others.groupby("method")]
    cells = [
        (method, breadth, mean(by_target(its, judged), 3), mean(by_target(its, "multiple"), 1))
        for method, breadth, its in rows
    ]
    return table(("method", "models", "regret, of random", "seconds by the winner's"), cells)


LINES = {
    "default": ("C3", "default, by models recalled"),
    "random-k": ("C0", "halving on random models"),
    "asha": ("C2", "ASHA on all, by reduction"),
    "asha-3-random": ("C1", "ASHA, reduction 3, on random models"),
    "fine-tune-some": ("0.5", "fine-tuning random models"),
}


def chart(of_set: pd.DataFrame, file: Path, *, cost: str, judged: str, labels: tuple[str, str]) -> None:
    """Regret against cost: a line a family, a mark a method."""
    # A fixed salt, and no date in the file: the same rows give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "raysel", "svg.fonttype": "none", "font.size": 9.0}):
        figure = Figure(figsize=(9.5, 5.5), layout="constrained")
        axes = figure.add_subplot()
        curves = of_set[of_set["part"] == "curve"]
        family = curves["method"].where(~curves["method"].str.fullmatch(r"asha-\d+-all"), "asha")
        for name, (colour, label) in LINES.items():
            points = curves[family == name].groupby(["method", "top_k"])[[cost, judged]].mean().sort_values(cost)
            if len(points):
                axes.plot(points[cost], points[judged], ".-", color=colour, label=label, linewidth=1.2)
        table_rows = of_set[of_set["part"] == "table"]
        means = table_rows.groupby("method")[[cost, judged]].mean().sort_values(judged)
        for place, (method, point) in enumerate(means.iterrows()):
            colour = f"C{place % 10}"
            axes.plot(
                [point[cost]],
                [point[judged]],
                marker="osD^v<>PX*hpd8H"[place % 15],
                markerfacecolor=colour if method in OURS else "white",
                color=colour,
                linestyle="none",
                label=f"{method}  {number(point[judged])} @ {point[cost]:.1f}",
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.15 * max(means[judged].max(), means[judged].get("default", 0.0)))
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.grid(visible=True, which="both", alpha=0.2)
        figure.legend(loc="outside right upper", frameon=False)
        figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    write_page(pd.read_parquet(RESULTS / "selection.parquet"), RESULTS)
