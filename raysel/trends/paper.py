"""The paper's fine selection: drop what a better trial is predicted to stay ahead of, then halve.

Cui, Shi, Tao, Lu, Du, "A Two-Phase Recall-and-Select Framework for Fast Model Selection", arXiv 2404.00069. A model's
past runs that stood alike at some step form a *convergence trend*; a new run follows the trend it stands nearest to.

Notation
    x (n_runs,)     a model's validation scores at the stage in past runs
    y (n_runs,)     the finals of those runs
    c (n_clusters,) centres of the 1-D k-means clusters of x
    v               the target's validation score at the stage
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from raysel.arrays import FloatArray
from raysel.trends.decision import Decision, Progress
from raysel.trends.mining import Trends
from raysel.trends.stages import Stage, going_on

_CLUSTERS = 4
# A few points are no work to share; on a machine whose cores are busy with trials, threads that wait for each other
# make k-means twenty times slower.
_THREADS = ThreadpoolController()


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvergenceTrends:
    """The convergence trends of one model at one stage.

    Args:
        centres: (n_clusters,) validation scores that the trends gather round, ascending.
        finals: (n_clusters,) the mean final of the runs of each trend.
    """

    centres: FloatArray
    finals: FloatArray

    def final(self, score: float) -> float:
        """The mean final of the trend nearest a score, the lower of two as near; NaN where there is no trend."""
        return float(self.finals[np.argmin(np.abs(self.centres - score))]) if len(self.centres) else float("nan")


def convergence_trends(trends: Trends, model: str, *, fraction: float, seed: int) -> ConvergenceTrends:
    """The convergence trends of a model at a fraction of the planned steps.

    1-D k-means over x with 4 clusters, or as many as there are distinct points (scikit-learn, `n_init=10`); the final
    of a trend is the mean of y over its cluster. Runs without a final help to place the clusters; a cluster of such
    runs alone predicts nothing and is passed over.

    Args:
        trends: What past runs did.
        model: The model.
        fraction: The part of the planned steps, in (0, 1].
        seed: Seeds k-means.
    """
    rows = trends.rows(model)
    scores, finals = trends.at(fraction, rows), trends.finals[rows]
    scores, finals = scores[~np.isnan(scores)], finals[~np.isnan(scores)]
    if np.all(np.isnan(finals)):
        return ConvergenceTrends(centres=np.empty(0), finals=np.empty(0))
    # A power of two changes no digit, and the squares of a diverged run's scores then stay finite.
    exponent = int(np.frexp(np.abs(scores).max())[1])
    scaled = np.ldexp(scores, -exponent)
    clusters = min(_CLUSTERS, len(np.unique(scaled)))
    with _THREADS.limit(limits=1, user_api="openmp"), warnings.catch_warnings():
        # Points that differ in the last bits may fall into fewer clusters, of which the others are then empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(clusters, n_init=10, random_state=seed).fit(scaled[:, None])
    centres = np.ldexp(fitted.cluster_centers_[:, 0], exponent)
    # By ascending centre, since k-means numbers its clusters at random.
    members = [finals[(fitted.labels_ == cluster) & ~np.isnan(finals)] for cluster in range(clusters)]
    ordered = [cluster for cluster in np.argsort(centres) if len(members[cluster])]
    return ConvergenceTrends(
        centres=centres[ordered], finals=np.array([members[cluster].mean() for cluster in ordered])
    )


def judge(stage: Stage, *, margin: float, seed: int) -> tuple[dict[str, Decision], int]:
    """Decides on the trials of a stage as the paper does.

    From the worst validation score up, drop a trial if one with a better validation score has a predicted final above
    its own by more than `margin`. Then, while more than max(1, n // 2) of the n that began remain, drop the worst by
    validation score. The best is never dropped; of equal ones the better recalled stays.

    A model without past runs at this fraction has no predicted final: the trend filter neither drops it nor drops
    others for its sake, so that it is only halved. Predicted finals have no interval, since the paper gives none.

    Args:
        stage: The live trials.
        margin: By how much a predicted final must be exceeded; at least 0 (released: 0).
        seed: Seeds k-means.

    Returns:
        One decision a trial, and how many trials go on.
    """
    predicted = {p.trial: _predicted(stage, p, seed) for p in stage.live}
    ranked = sorted(stage.live, key=lambda p: -p.score)
    overtaken = _overtaken(ranked, predicted, margin)
    kept = {p.trial for p in [p for p in ranked if p.trial not in overtaken][: stage.keep]}
    going = going_on(len(kept), stage.size)

    decisions = {}
    places = {p.trial: place for place, p in enumerate(ranked, start=1)}
    for index in stage.asked([p.trial in kept for p in stage.live]):
        p = stage.live[index]
        final = predicted[p.trial]
        told = stage.standing(p, "no final predicted" if np.isnan(final) else f"predicted final {stage.shown(final)}")
        if p.trial in kept:
            reason = f"goes on: {told}; {going}"
        elif p.trial in overtaken:
            rival = overtaken[p.trial]
            further = f", more than the margin of {margin:g} above" if margin else ""
            reason = (
                f"stopped: {told}; {rival.model} is ahead with {stage.shown(rival.score)} and is predicted to end at "
                f"{stage.shown(predicted[rival.trial])}{further}; {going}"
            )
        else:
            reason = f"stopped: {told}; number {places[p.trial]} of {stage.size} by score; {going}"
        decisions[p.trial] = Decision(
            action="continue" if p.trial in kept else "stop",
            reason=reason,
            predicted_final=None if np.isnan(final) else final,
        )
    return decisions, len(kept)


def _predicted(stage: Stage, progress: Progress, seed: int) -> float:
    """The predicted final of one trial, or NaN."""
    model, fraction = progress.model, stage.fraction
    mined = stage.trends.cached(
        ("convergence trends", model, fraction, seed),
        lambda: convergence_trends(stage.trends, model, fraction=fraction, seed=seed),
    )
    return mined.final(progress.score)


def _overtaken(ranked: Sequence[Progress], predicted: Mapping[str, float], margin: float) -> dict[str, Progress]:
    """The trials that the trend filter drops, each with the better-scored one whose predicted final is highest.

    Dropping from the worst up takes away none that a later comparison needs, so one pass from the best down finds the
    same trials. A predicted final of NaN compares as false on either side.
    """
    overtaken: dict[str, Progress] = {}
    rival: Progress | None = None
    for _, group in groupby(ranked, key=lambda p: p.score):
        equals = list(group)
        if rival is not None:
            highest = predicted[rival.trial]
            overtaken |= {p.trial: rival for p in equals if highest > predicted[p.trial] + margin}
        for p in equals:
            if not np.isnan(predicted[p.trial]) and (rival is None or predicted[p.trial] > predicted[rival.trial]):
                rival = p
    return overtaken
