"""Small histories and live trials that tests are written in."""

from collections.abc import Mapping, Sequence

import numpy as np

from raysel.history import Curve
from raysel.trends import Progress, Trends, mine

STEPS = 5


def run(
    model: str,
    values: Sequence[float],
    final: float | None,
    *,
    dataset: str = "d",
    status: str = "completed",
    planned_steps: float = STEPS,
    lower_is_better: bool = False,
) -> Curve:
    """A run measured at steps 1, 2, ...; scores and final as the user has them."""
    sign = -1.0 if lower_is_better else 1.0
    return Curve(
        run_id=f"{model}/{dataset}",
        model=model,
        dataset=dataset,
        status=status,
        planned_steps=planned_steps,
        steps=np.arange(1.0, len(values) + 1),
        values=sign * np.array(values, dtype=float),
        final=None if final is None else sign * final,
        lower_is_better=lower_is_better,
    )


def past(pairs: Mapping[str, Sequence[tuple[float, float]]], *, lower_is_better: bool = False) -> Trends:
    """A history of flat curves: by model, (score at every step, final) on datasets d00, d01, ..."""
    return mine(
        [
            run(model, [score] * STEPS, final, dataset=f"d{index:02}", lower_is_better=lower_is_better)
            for model, runs in pairs.items()
            for index, (score, final) in enumerate(runs)
        ],
        lower_is_better=lower_is_better,
    )


def trials(
    scores: Sequence[float], priors: Sequence[float] | None = None, *, models: str | None = None
) -> list[Progress]:
    """Live trials t0, t1, ... in the order of the shortlist; models named by one letter each, `a` by default."""
    return [
        Progress(
            trial=f"t{rank}",
            model="a" if models is None else models[rank],
            score=score,
            rank=rank,
            prior=0.0 if priors is None else priors[rank],
        )
        for rank, score in enumerate(scores)
    ]


def going_on(decisions) -> str:
    """The numbers of the trials that go on, such as `02`."""
    return "".join(sorted(name[1:] for name, decision in decisions.items() if decision.action == "continue"))
