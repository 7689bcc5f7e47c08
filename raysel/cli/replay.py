"""`raysel replay`: what would a selection have cost and lost on our own past?"""

import logging

import click

from raysel.cli.output import console, json_option, print_json, say
from raysel.errors import OptionError


@click.command()
@click.argument("history")
@click.option(
    "--methods",
    metavar="NAME,...",
    help="The methods to replay, of those below.  [default: all that the history has what it takes for]",
)
@click.option(
    "--gpus",
    metavar="N,...",
    default="1,4,16",
    show_default=True,
    help="How many trials can run at a time, each number in turn; regret and steps are those of the first.",
)
@click.option(
    "--leave-out",
    metavar="DATASET",
    multiple=True,
    help="A dataset to be the target; any number of times.  [default: all with more than --top-k models]",
)
@click.option("--seeds", type=int, default=1, show_default=True, help="How many seeds to average over, at least 1.")
@click.option("--top-k", type=int, default=10, show_default=True, help="How many models to recall, at least 1.")
@click.option("--chart", metavar="FILE", help="Draw regret against cost, a mark a method, to FILE.png or FILE.svg.")
@json_option
def replay(
    history: str,
    methods: str | None,
    gpus: str,
    leave_out: tuple[str, ...],
    seeds: int,
    top_k: int,
    chart: str | None,
    as_json: bool,
) -> None:
    """What would a selection have cost and lost on the past that HISTORY records? Nothing is trained.

    Each dataset becomes the target in turn. What is known of it is left out, each method runs on a virtual cluster
    with its real searcher and scheduler, and a trial reports what the model's completed run has on record. The clock
    advances by recorded seconds, or by one unit a step where there are none.

    How to read it. regret: the best final of all models minus that of the selected model; 0 is a perfect choice.
    Methods whose 95 % intervals overlap widely cannot be told apart on this history. of random: the regret as a part
    of what a choice at random loses, which is comparable where datasets have different metrics. to all: the regret
    measured from the model that fine-tuning all would have selected; below 0 the method chose better than that.
    trainings: steps spent, by those of one whole run. best dropped: how often the best model was stopped or never
    proposed. The least regret for the trainings that you can pay is what to look for.

    \b
    default          raysel's recall and fine selection
    default-async    the same, each trial judged when it arrives
    default-own      default, each model scored by the proxy itself
    paper            recall and fine selection of arXiv 2404.00069
    fine-tune-all    every model trained to its end
    best-by-history  the first of the recalled, trained to its end
    halving-all      successive halving at five equal stages, on all
    halving-k        the same on the recalled
    random-k         the same on as many drawn at random
    largest-k        the same on as many with the most parameters
    one-stage-k      a fifth of the steps on the recalled, then the best
    asha-2-all       Ray's ASHA, reduction 2 (also 3 and 4), on all
    asha-2-k         the same on the recalled (also 3 and 4)
    tpe-asha-3       Optuna's TPE proposing as many trials as models, with ASHA
    hyperband-all    Ray's HyperBand on all
    median-all       Ray's median stopping rule on all

    JSON: `rows`, one a method, target and seed, with `method`, `target`, `seed`, `models` (to choose from),
    `selected`, `regret`, `relative_regret`, `regret_to_all`, `steps`, `trainings`, `seconds` (null without recorded),
    `proxy_seconds` (in them), `makespan` (by number of GPUs), `best_dropped`, `best_dropped_at` (a step; 0 if never
    proposed, null if it came to its end), `mean_final` (of the proposed models, higher is better) and `ended`;
    `summary`, one a method, with `method`, `targets`, `mean_regret`, `ci95`, `mean_relative_regret`,
    `mean_regret_to_all`, `ci95_to_all`, `mean_steps`, `mean_trainings`, `mean_seconds`, `mean_makespan`,
    `best_dropped` (a fraction) and `mean_final`.
    """
    from raysel.history import History
    from raysel.replay.comparison import compare
    from raysel.replay.methods import lacking
    from raysel.replay.metrics import Row, summarise
    from raysel.replay.snapshot import Snapshot
    from raysel.report.replay_chart import check_chart, replay_chart
    from raysel.report.replay_plain import plain_replay
    from raysel.report.replay_table import replay_table

    if chart is not None:
        check_chart(chart)
    # Ray's HyperBand tells of every trial that it has not heard of yet.
    logging.getLogger("ray.tune.schedulers").setLevel(logging.WARNING)
    begun: list[str] = []

    def told(row: Row) -> None:
        if row.target not in begun:
            begun.append(row.target)
            say(f"replaying on {row.target} ({row.models} models)")

    snapshot = Snapshot(History(history))
    rows = compare(
        snapshot,
        methods=None if methods is None else [name.strip() for name in methods.split(",")],
        leave_out=leave_out,
        gpus=_numbers(gpus),
        seeds=seeds,
        top_k=top_k,
        told=told,
    )
    if methods is None:
        for name, reason in lacking(snapshot).items():
            say(f"{name} is left out: {reason}")
    summary = summarise(rows)
    if chart is not None:
        replay_chart(summary, chart, title=f"{len(begun)} datasets of {history}, each left out in turn")
    if as_json:
        print_json(plain_replay(rows, summary))
    else:
        console().print(replay_table(summary, uri=history))


def _numbers(listed: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(number) for number in listed.split(",")))
    except ValueError:
        raise OptionError("gpus", listed, "whole numbers, with commas between them") from None
