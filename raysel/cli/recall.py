"""`raysel recall`: which few models are worth fine-tuning, and why? Nothing is trained."""

from typing import Any

import click

from raysel.cli.output import console, json_option, print_json, say
from raysel.cli.training import across_tasks_option
from raysel.errors import OptionError

_PREFERRED = ("leep", "logme")  # by the paper's method, which takes one


@click.command()
@click.argument("history")
@click.option("--target", required=True, help="The dataset that a model is wanted for; its own runs are left out.")
@click.option(
    "--task",
    type=click.Choice(["classification", "regression"]),
    help="The target's type of output.  [default: what HISTORY records; if nothing, all datasets count alike]",
)
@across_tasks_option
@click.option(
    "--method", type=click.Choice(["default", "paper"]), default="default", show_default=True, help="How to rank."
)
@click.option("--top-k", type=int, default=10, show_default=True, help="How many models to recall, at least 1.")
@click.option(
    "--tau", type=float, help="Models merge into clusters up to this distance.  [default: the method's own cut]"
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
@click.option(
    "--explore",
    type=float,
    default=0.0,
    show_default=True,
    help="Share of the shortlist, 0 to 1, that is for models without runs at the least.",
)
@click.option(
    "--embeddings",
    metavar="MODEL",
    help="Compare what is said of models by this model of sentence-transformers, downloaded if need be.  "
    "[default: by their words]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Orders models of which nothing at all is known.")
@json_option
def recall(
    history: str,
    target: str,
    task: str | None,
    across_tasks: bool,
    method: Any,
    top_k: int,
    tau: float | None,
    proxies: str | None,
    propagate: Any,
    explore: float,
    embeddings: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Rank the models of HISTORY for a target, without training.

    The candidates are all models that the history knows, and those that FILE scores on the target. The default places
    models without runs by what the history says of them (name, source, family, size, card). Where FILE has
    several proxies for the target, the default uses them all, each as far as the history shows that it can be trusted.
    The paper's method takes one: the one that scores most models; of equals leep, then logme, then the first by name.
    Which one it is, is said on standard error.

    JSON: `method`; `shortlist`, best first, a list of `model`, `cluster` (its number in `clusters`), `representative`,
    `proxies` (the proxy scores it was ranked with, by proxy), `score` (higher is better), `reason` and `uncertainty`
    (the deviation of how good it is on average; null by the paper's method); `clusters`, lists of models.
    """
    from raysel.history import History
    from raysel.recall.embeddings import sentence_embeddings
    from raysel.recall.kept import zoo
    from raysel.report import plain_shortlist, recall_table
    from raysel.target import Target

    target = Target.of(target).name
    opened = History(history)
    scores = _read_proxies(proxies, target) if proxies is not None else {}
    if method == "paper" and len(scores) > 1:
        scores = _one_of(scores, file=str(proxies), target=target)
    known = {*opened.names(), *(m for found in scores.values() for m in found)}
    found = zoo(opened, known, without=target, method=method, tau=tau, task=task or "", across_tasks=across_tasks)
    if found.told:
        say(found.told)
    shortlist = found.rank(
        opened,
        top_k=top_k,
        proxy_scores=scores,
        propagate=propagate,
        explore=explore,
        embed=None if embeddings is None else sentence_embeddings(embeddings),
        seed=seed,
        tell=say,
    )
    if as_json:
        print_json(plain_shortlist(shortlist))
        say(shortlist.regime)
    else:
        console().print(recall_table(shortlist))


def _read_proxies(file: str, target: str) -> dict[str, dict[str, float]]:
    """The scores of a file on the target, by proxy and model."""
    from raysel.history.importers import read_tidy

    rows = read_tidy(file).rows.get("proxies")
    if rows is None:
        raise OptionError("proxies", file, "a table with the columns model, dataset, proxy and value")
    scores: dict[str, dict[str, float]] = {}
    for row in rows[rows["dataset"] == target].to_dict("records"):
        scores.setdefault(row["proxy"], {})[row["model"]] = row["value"]
    if not scores:
        raise OptionError("proxies", file, f"a table with rows of the target {target!r}")
    return scores


def _one_of(scores: dict[str, dict[str, float]], *, file: str, target: str) -> dict[str, dict[str, float]]:
    """The proxy that scores most models, alone."""
    chosen = min(scores, key=lambda proxy: (-len(scores[proxy]), *(proxy != name for name in _PREFERRED), proxy))
    counts = ", ".join(f"{proxy} ({len(scores[proxy])})" for proxy in sorted(scores))
    say(f"{file} scores models on {target} with {counts}: {chosen} is used")
    return {chosen: scores[chosen]}
