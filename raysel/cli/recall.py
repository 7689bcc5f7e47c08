"""`raysel recall`: which few models are worth fine-tuning, and why? Nothing is trained."""

from typing import Any

import click

from raysel.cli.output import console, json_option, print_json, say
from raysel.errors import OptionError

_PREFERRED = ("leep", "logme")


@click.command()
@click.argument("history")
@click.option("--target", required=True, help="The dataset that a model is wanted for; its own runs are left out.")
@click.option(
    "--method", type=click.Choice(["default", "paper"]), default="default", show_default=True, help="How to rank."
)
@click.option("--top-k", type=int, default=10, show_default=True, help="How many models to recall, at least 1.")
@click.option(
    "--tau", type=float, help="Models merge into clusters up to this distance.  [default: the best silhouette]"
)
@click.option(
    "--proxies",
    metavar="FILE.csv",
    help="Proxy scores, with the columns model, dataset, proxy and value; only rows of the target count.",
)
@click.option(
    "--propagate",
    type=click.Choice(["representative", "own"]),
    default="representative",
    show_default=True,
    help="Whether a model takes the proxy score of its cluster's representative or only its own.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Orders models of which nothing at all is known.")
@json_option
def recall(
    history: str,
    target: str,
    method: Any,
    top_k: int,
    tau: float | None,
    proxies: str | None,
    propagate: Any,
    seed: int,
    as_json: bool,
) -> None:
    """Rank the models of HISTORY for a target, without training.

    The candidates are all models that the history knows, and those that FILE scores on the target. Where FILE has
    several proxies for the target, one is used: the one that scores most models; of equals leep, then logme, then the
    first by name. Which one it is, is said on standard error.

    JSON: `method`; `shortlist`, best first, a list of `model`, `cluster` (its number in `clusters`), `representative`,
    `proxy` (the proxy score it was ranked with), `score` (higher is better) and `reason`; `clusters`, lists of models.
    """
    from raysel.history import History
    from raysel.recall import rank
    from raysel.report import plain_shortlist, recall_table
    from raysel.target import Target

    target = Target.of(target).name
    opened = History(history)
    proxy, scores = _read_proxies(proxies, target) if proxies is not None else (None, {})
    recorded = opened.proxy_scores(proxy) if proxy else {}
    known = {*opened.runs()["model"], *opened.models()["model"], *scores}
    shortlist = rank(
        opened.matrix(without=target),
        sorted(known),
        method=method,
        top_k=top_k,
        proxy=proxy,
        proxy_scores=scores,
        propagate=propagate,
        recorded={key: score for key, score in recorded.items() if key[1] != target},
        tau=tau,
        seed=seed,
    )
    if as_json:
        print_json(plain_shortlist(shortlist))
        say(shortlist.regime)
    else:
        console().print(recall_table(shortlist))


def _read_proxies(file: str, target: str) -> tuple[str, dict[str, float]]:
    """The proxy that a file scores most models with on the target, and those scores."""
    from raysel.history.importers import read_tidy

    rows = read_tidy(file).rows.get("proxies")
    if rows is None:
        raise OptionError("proxies", file, "a table with the columns model, dataset, proxy and value")
    rows = rows[rows["dataset"] == target]
    scores: dict[str, dict[str, float]] = {}
    for row in rows.to_dict("records"):
        scores.setdefault(row["proxy"], {})[row["model"]] = row["value"]
    if not scores:
        raise OptionError("proxies", file, f"a table with rows of the target {target!r}")
    chosen = min(scores, key=lambda proxy: (-len(scores[proxy]), *(proxy != name for name in _PREFERRED), proxy))
    if len(scores) > 1:
        counts = ", ".join(f"{proxy} ({len(scores[proxy])})" for proxy in sorted(scores))
        say(f"{file} scores models on {target} with {counts}: {chosen} is used")
    return chosen, scores[chosen]
