"""Successive halving: after each fifth of the budget the better half goes on, judged a little in favour of the prior.

Nothing is fitted: it is what the default falls back to where past runs are too few to learn from. A score is one noisy
reading of a trial, so it is pulled towards what recall expected of the model.

Jamieson, Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016, with equal
stages in place of geometric ones: one early step is a poor judge.

Notation
    s (n_live,)  validation scores at the stage, higher is better
    p (n_live,)  recall scores, standardised over the shortlist
    z            s standardised, see `raysel.trends.outlook.standardised`
    z + p / 2    what the live trials are ranked by
"""

import numpy as np

from raysel.arrays import FloatArray
from raysel.trends.decision import Decision
from raysel.trends.outlook import outlook, standardised
from raysel.trends.stages import Stage, going_on

_PRIOR_WEIGHT = 0.5
_FIFTHS = 5
_SLACK = 1e-9  # 3 steps of 5 and 0.6 differ in the last bit


def worth(stage: Stage) -> FloatArray:
    """(n_live,) z + p / 2 of the live trials."""
    priors: FloatArray = np.array([p.prior for p in stage.live])
    return standardised(np.array([p.score for p in stage.live])) + _PRIOR_WEIGHT * priors


def judge(stage: Stage) -> tuple[dict[str, Decision], int]:
    """Decides on the trials of a stage: the best by z + p / 2 go on, of equal ones the better recalled.

    Of n trials that began at most max(1, n // 2^k) go on after k fifths of the budget.

    Args:
        stage: The live trials.

    Returns:
        One decision a trial that is asked about, and how many trials go on.
    """
    places = np.empty(len(stage.live), dtype=int)
    places[np.argsort(-worth(stage), kind="stable")] = np.arange(1, len(stage.live) + 1)
    kept = min(max(1, stage.began >> int(_FIFTHS * stage.fraction + _SLACK)), len(places))
    going = going_on(kept, stage.size)
    decisions = {}
    for index in stage.asked((places <= kept).tolist()):
        p, place = stage.live[index], places[index]
        seen = outlook(stage, p)
        decisions[p.trial] = Decision(
            action="continue" if place <= kept else "stop",
            reason=f"{'goes on' if place <= kept else 'stopped'}: {stage.standing(p, seen.told)}; number {place} of "
            f"{stage.size} by score and recall prior ({p.prior:+.2f}); {going}",
            predicted_final=seen.final,
            interval=seen.interval,
        )
    return decisions, kept
