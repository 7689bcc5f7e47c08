"""The card of a selected model: what it is, what it was chosen from, and why."""

from typing import TYPE_CHECKING

from raysel.report.sparkline import sparkline
from raysel.report.units import other_metrics

if TYPE_CHECKING:
    from raysel.finetune import Data
    from raysel.tune.run import Selected


def model_card(selected: "Selected", data: "Data", *, licence: str | None, answers: str, versions: str) -> str:
    """Markdown with the head that model hubs read.

    Args:
        selected: The selection.
        data: What it was made on.
        licence: Of the pre-trained model, where known.
        answers: How to read what the model answers.
        versions: Of the software.
    """
    winner, metric = selected.winner, selected.metric
    scores = [score for trial in selected.trials for _, score in trial.curve]
    low, high = min(scores), max(scores)
    test = (
        "" if selected.test_score is None else f", {selected.test_score:.4f} on {len(data.test)} held out for testing"
    )
    recipe = ", ".join(f"{key} {value}" for key, value in sorted(winner.config.items()))
    head = ["---", f"base_model: {selected.selected}", *([f"license: {licence}"] if licence else []), "---"]
    lines = [
        *head,
        f"# {selected.selected}, fine-tuned on {data.name}",
        "",
        f"Chosen by raysel among {len(selected.shortlist.entries)} recalled models: {metric} "
        f"{selected.validation_score:.4f} on {len(data.val)} {data.modality} for validation{test}.",
        f"Trained on {len(data.train)} {data.modality} ({data.task}). {answers}",
        "",
        *([f"- Other metrics: {other_metrics(selected.other_metrics)}."] if selected.other_metrics else []),
        f"- Recipe: {recipe}.",
        f"- Licence of the pre-trained model: {licence or 'not known, look it up'}.",
        f"- Data: fingerprint {data.fingerprint}.",
        f"- Spent: {selected.steps:g} epochs in {selected.seconds:.0f} s. {versions}.",
        "",
        "## Recalled",
        "",
        selected.shortlist.regime,
        "",
        *_table(
            ("", "model", "score", "why"),
            [
                (str(place), entry.model, f"{entry.score:.4f}", entry.reason)
                for place, entry in enumerate(selected.shortlist.entries, start=1)
            ],
        ),
        "",
        "## Fine-tuned",
        "",
        *_table(
            ("model", "curve", metric, "epochs", "why it ended"),
            [
                (
                    trial.model,
                    sparkline([score for _, score in trial.curve], low=low, high=high),
                    f"{trial.curve[-1][1]:.4f}" if trial.curve else "-",
                    f"{trial.curve[-1][0]:g}" if trial.curve else "0",
                    trial.reason,
                )
                for trial in selected.trials
            ],
        ),
    ]
    if data.class_names:
        lines += ["", "## Classes", "", ", ".join(data.class_names)]
    return "\n".join(lines) + "\n"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    cells = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
