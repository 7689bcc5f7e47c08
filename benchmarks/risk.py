"""Calibrated risk: how often selection with a risk drops the winner on targets that it was not calibrated on.

\b
    RAYSEL_DATA=../shared/data python benchmarks/risk.py

Writes risk.parquet (a tidy row a target, tolerance and risk) and risk.md into benchmarks/results. Without RAYSEL_DATA
only the mini zoo is there.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd
from page import mean, number, table
from public_sets import CURVE_SETS, CurveSet, data_folder, mini_zoo
from ray.tune.search.sample import Categorical
from scipy.stats import binomtest

from raysel.recall import Shortlist
from raysel.replay.methods import Setting
from raysel.replay.tasks import Task, task
from raysel.trends import Selection, Trends, mine, stages

RESULTS = Path(__file__).parent / "results"
RISKS = (None, 0.05, 0.1, 0.2, 0.3)
TOLERANCES = (0.0, 0.01)
TOP_K = 10
SHOWN_RISK = 0.1  # where the page names the targets that lost
VALUES = ("floor", "price", "past", "loss", "regret", "relative_regret", "trainings")
TABLE = (
    "tolerance",
    "risk",
    "past datasets",
    "floor",
    "lost",
    "achieved",
    "on the past",
    "price",
    "stops nobody",
    "trainings",
    "regret",
    "of random",
)

HEAD = f"""# Calibrated risk: achieved against nominal

Made by `RAYSEL_DATA=../shared/data python benchmarks/risk.py`; every row is in `risk.parquet`. Each dataset of a set is
the target in turn; it is left out, with its near-duplicates, of what is recalled, learned and calibrated by. The
{TOP_K} models that the default recalls go through the default fine selection (`Selection(risk=..., tolerance=...)`,
judged at each stage when all have reached it) on their recorded curves.

*lost*: the targets on which the model that would have won, had all the recalled been trained to their end (the best
last validation score), was dropped, and its final is more than *tolerance* (in the metric's own unit) above the
selected one's. *achieved*: their share, with the exact (Clopper-Pearson) 95 % interval; **bold** where all of the
interval is above the risk asked for. Targets of a set calibrate for one another, so that they are not independent draws
and the interval is a guide. *on the past*: the share of past datasets that lost at the price taken, which is what the
calibration went by; mean over targets. *floor*: 1 / (n + 1) for n past datasets whose whole shortlist is on record: the
least risk that they can certify. *stops nobody*: on how many targets everything was trained to the end, for a risk
below the floor or too few past datasets (fell back), or since no price above 0 kept the risk (price 0). *price*: its
median. *trainings*: full ones, {TOP_K} without stopping. *regret*: the best final of all the target's models minus the
selected one's; *of random*: as a part of what a model at random loses. The risk `none` is the default with its own
price, which promises nothing.

"""

ASSUMPTION = """## What this rests on

The bound of `raysel.trends.risk` (conformal risk control) holds on average over targets that are *exchangeable* with
the past datasets: drawn as they were, so that any of them could as well have been the target. It says nothing of one
target. What is known to depart from it here:

- The rule is not fixed beforehand but learned: on n - 1 datasets where a past dataset is replayed, on n for the target.
  The theorem is for a fixed rule; leave-one-out replay comes near it where n is large.
- Past shortlists are taken by history alone; the target's are those of the default recall, with clusters and, on
  mini_zoo, proxies.
- Past datasets with a shortlist that is not measured at every stage are left out of the calibration, targets are not.
- Near-duplicates (the sts sets, mnli and xnli of olml_nlp) are left out together with a target, but the calibration
  replays each with the others at hand: it knows more of a past dataset than of the target.
- One tolerance for metrics of different units (mini_zoo, and losses of different size in taskset_text) is not one loss.
- A past dataset is replayed at its own scores, interpolated at the stages; a target reports at its own steps, and its
  score counts from the first one at or after a stage.

Where it shows: on lcdb11 more targets lose than the risk allows at .1 and .2, though no interval is above it. In good
part the 40 drawn targets are unlike the other datasets: where the calibration itself replays all datasets at tolerance
0, the 36 of the 40 that it can judge lose in .167 at a price of .039 (.250 at .287), the 208 others in .072 (.178). Of
the 4 that it would have left out, 1 is lost at a risk of .1 and 2 at .2. On olml_nlp nothing is stopped up to a risk of
.2, since the lowest price above 0 already loses more on the past.
"""


def sets() -> Iterator[CurveSet]:
    """Every curve set that is there, loaded one by one."""
    yield mini_zoo()
    folder = data_folder()
    if folder is not None:
        for load in CURVE_SETS.values():
            yield load(folder)


def recall(its: Task) -> Shortlist:
    """What the default recalls on a task."""
    searcher = Setting(task=its, top_k=TOP_K, seed=0).recalling("default")
    searcher.set_search_properties("score", "max", {"model": Categorical(list(its.runs))})
    searcher.suggest("first")
    if searcher.shortlist is None:
        raise RuntimeError(f"nothing was recalled on {its.target}")
    return searcher.shortlist


def select(its: Task, shortlist: Shortlist, trends: Trends, *, risk: float | None, tolerance: float) -> Selection:
    """The fine selection of a shortlist, at its end; steps are counted as the replay does."""
    selection = Selection(
        method="default",
        policy="sync",
        stages=stages(max_t=its.max_t / its.unit),
        trends=trends,
        risk=risk,
        tolerance=tolerance if risk is not None else 0.0,
    )
    reports = {}
    for rank, model in enumerate(shortlist.models):
        selection.add(model, model=model, rank=rank, prior=shortlist.priors[model])
        run = its.runs[model]
        reports[model] = zip((run.steps / its.unit).tolist(), run.values.tolist(), strict=True)
    while live := [m for m in reports if selection.standing(m) == "live" and not selection.at_end(m)]:
        for model in live:
            while not (selection.waiting(model) or selection.at_end(model)):
                selection.report(model, *next(reports[model]))
        selection.judge(arrivals=False)
    return selection


def rows(one: CurveSet, target: str) -> Iterator[dict[str, object]]:
    """A row a tolerance and risk."""
    its = task(one.history, target)
    shortlist, finals = recall(its), its.finals
    lower = its.runs[its.best].lower_is_better
    trends = mine(one.history.curves(without=target), lower_is_better=lower)
    would = max(shortlist.models, key=lambda model: its.runs[model].values[-1])
    best, average = max(finals.values()), float(np.mean(list(finals.values())))
    for tolerance in TOLERANCES:
        for risk in RISKS:
            selection = select(its, shortlist, trends, risk=risk, tolerance=tolerance)
            chosen = str(selection.winner())
            calibration = None if risk is None else selection.calibration(risk)
            dropped = selection.standing(would) == "stopped"
            loss = finals[would] - finals[chosen] if dropped else 0.0
            steps = sum(max(selection.curve(model)) for model in shortlist.models)
            yield {
                "set": one.name,
                "target": target,
                "tolerance": tolerance,
                "risk": np.nan if risk is None else risk,
                "n": -1 if calibration is None else calibration.n_datasets,
                "floor": np.nan if calibration is None else calibration.floor,
                "fell_back": calibration is not None and not calibration.certified,
                "price": np.nan if calibration is None else calibration.price,
                "past": np.nan if calibration is None else calibration.achieved,
                "would_win": would,
                "selected": chosen,
                "dropped": dropped,
                "loss": loss,
                "lost": dropped and loss > tolerance,
                "regret": best - finals[chosen],
                "relative_regret": (best - finals[chosen]) / (best - average) if best > average else 0.0,
                "trainings": steps / selection.max_t,
            }


# The page -----------------------------------------------------------------------------------------------------------


def page(frame: pd.DataFrame, told: dict[str, str]) -> str:
    """The page in Markdown; of each set what it is."""
    parts = [HEAD, "## In short\n\n", short(frame), "\n", ASSUMPTION]
    for name, words in told.items():
        of_set = frame[frame["set"] == name]
        here = of_set[of_set["risk"] == SHOWN_RISK]
        lost = {t: sorted(here.loc[here["lost"] & (here["tolerance"] == t), "target"]) for t in TOLERANCES}
        parts.append(f"\n## {name}\n\n{words}\n\n{set_table(of_set)}\n")
        parts.append(f"Lost at a risk of {SHOWN_RISK:g}")
        parts += [f"; more than {tolerance:g}: {', '.join(names) or 'none'}" for tolerance, names in lost.items()]
        parts.append(".\n")
    return "".join(parts)


def short(frame: pd.DataFrame) -> str:
    """Targets lost of all, by set and risk, beside what the risk allows on average."""
    cells = []
    for (name, tolerance), part in frame.groupby(["set", "tolerance"], sort=False):
        found = [name, f"{tolerance:g}"]
        for risk in RISKS:
            here = with_risk(part, risk)
            allowed = "" if risk is None else f", {risk * len(here):.1f} allowed"
            nobody = " (stops nobody)" if (here["fell_back"] | (here["price"] == 0)).all() else ""
            found.append(f"{here['lost'].sum()} of {len(here)}{allowed}{nobody}")
        cells.append(found)
    return table(("set", "tolerance", *map(risk_told, RISKS)), cells)


def set_table(of_set: pd.DataFrame) -> str:
    """A row a tolerance and risk."""
    cells = []
    for tolerance in TOLERANCES:
        for risk in RISKS:
            here = with_risk(of_set[of_set["tolerance"] == tolerance], risk)
            past = ["-"] * 5
            if risk is not None:
                floors, zero = here["floor"], (here["price"] == 0) & ~here["fell_back"]
                past = [
                    span(here["n"].tolist(), 0),
                    span(floors.tolist(), 3),
                    number(here["past"].mean(), 3),
                    f"{here['price'].median():g}",
                    f"{here['fell_back'].sum()} fell back, {zero.sum()} price 0",
                ]
            n, floor, on_past, price, nobody = past
            cells.append(
                [
                    f"{tolerance:g}",
                    risk_told(risk),
                    n,
                    floor,
                    f"{here['lost'].sum()} of {len(here)}",
                    achieved(int(here["lost"].sum()), len(here), risk),
                    on_past,
                    price,
                    nobody,
                    f"{here['trainings'].mean():.2f}",
                    mean(here["regret"].to_numpy()),
                    mean(here["relative_regret"].to_numpy(), 3),
                ]
            )
    return table(TABLE, cells)


def with_risk(frame: pd.DataFrame, risk: float | None) -> pd.DataFrame:
    """The rows of a nominal risk."""
    return frame[frame["risk"].isna() if risk is None else frame["risk"] == risk]


def risk_told(risk: float | None) -> str:
    """A nominal risk in words."""
    return "none" if risk is None else f"{risk:g}"


def achieved(lost: int, targets: int, risk: float | None) -> str:
    """A share with its exact 95 % interval; bold where all of that is above the risk."""
    bounds = binomtest(lost, targets).proportion_ci(method="exact")
    told = f"{lost / targets:.3f} [{bounds.low:.3f}, {bounds.high:.3f}]"
    return f"**{told}**" if risk is not None and bounds.low > risk else told


def span(values: Sequence[float], digits: int) -> str:
    """The least and the largest."""
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


@click.command(help=__doc__)
@click.option("--results", default=str(RESULTS), type=click.Path(file_okay=False), help="Where to write.")
def main(results: str) -> None:
    found: list[dict[str, object]] = []
    told = {}
    for one in sets():
        told[one.name] = f"{one.told}; unit: {one.unit}."
        for done, target in enumerate(one.targets, start=1):
            began = time.perf_counter()
            found += rows(one, target)
            seconds = time.perf_counter() - began
            click.echo(f"{done}/{len(one.targets)} {one.name}: {target} ({seconds:.1f} s)", err=True)
    frame = pd.DataFrame(found)
    frame = frame.assign(**{name: [float(f"{value:.6g}") for value in frame[name]] for name in VALUES})
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "risk.parquet", compression="zstd", index=False)
    (folder / "risk.md").write_text(page(frame, told))


if __name__ == "__main__":
    main()
