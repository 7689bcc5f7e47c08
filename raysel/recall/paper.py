"""The paper's recall, exactly: mean performance weighted by a proxy on the representatives.

Cui et al. 2024, "A Two-Phase Recall-and-Select Framework for Fast Model Selection" (arXiv 2404.00069).

Notation: P (n_models, n_datasets) performance in [0, 1], m a model, r a representative of two models or more, w the
weight of a proxy score: exp(LEEP), or any other proxy scaled over the scored models to [1/e, 1].

    in a cluster of two or more:  score(m) = mean_d P[m, d] · w
    alone in its cluster:         score(m) = mean_d P[m, d] · mean_r cosine(P[m], P[r]) · w_r

If every cluster is a singleton, every model is its own representative, so that the first line holds with its own w.
"""

from collections.abc import Mapping

import numpy as np

from raysel.arrays import FloatArray, IntArray
from raysel.errors import DataError, OptionError
from raysel.history import PerformanceMatrix
from raysel.recall import similarity
from raysel.recall.clustering import Clustering, cut
from raysel.recall.evidence import Evidence, Propagate, counted
from raysel.recall.shortlist import Recalled

LIMIT = 20_000
"""Models that are compared with one another at most: 13 GiB, and minutes."""

_BYTES = 36  # a pair: four tables of 8 bytes at the peak, and flags
_SLACK = 1e-9  # a perfect score may be off in its last bits


def scaled(matrix: PerformanceMatrix) -> FloatArray:
    """P: a higher-is-better column as it is, a lower-is-better one as 1 - value / its largest value.

    Values below 0 are kept (a correlation may be; they count in means, not in distances).

    Raises:
        DataError: If a higher-is-better value is above 1, or a lower-is-better one below 0.

    >>> scaled(PerformanceMatrix(models=("a", "b"), datasets=("accuracy", "error"), lower_is_better=(False, True),
    ...                          values=np.array([[0.9, -0.5], [0.8, -2.0]]))).tolist()
    [[0.9, 0.75], [0.8, 0.0]]
    """
    scaled = matrix.values.copy()
    for j, dataset in enumerate(matrix.datasets):
        column = scaled[:, j]  # negated where lower is better
        if matrix.lower_is_better[j]:
            if np.nanmax(column, initial=0.0) > 0:
                rule = "at least 0 where lower is better, for the paper's method"
                raise DataError(dataset, -float(np.nanmax(column)), rule)
            largest = -np.nanmin(column, initial=0.0)
            scaled[:, j] = 1 + column / largest if largest > 0 else 1 + column
        elif np.nanmax(column, initial=0.0) > 1 + _SLACK:
            rule = "at most 1 for the paper's method (import percentages with a scale of 0.01)"
            raise DataError(dataset, float(np.nanmax(column)), rule)
    return scaled


def standing(matrix: PerformanceMatrix) -> FloatArray:
    """(n_models,) mean performance over the datasets measured."""
    mean: FloatArray = np.nanmean(scaled(matrix), axis=1) if matrix.models else np.empty(0)
    return mean


def distances(matrix: PerformanceMatrix) -> FloatArray:
    """(n_models, n_models) the paper's distance; as in the released code, a score of 0 or less counts as missing."""
    P = scaled(matrix)
    return similarity.distances(np.where(P > 0, P, np.nan))


def grouped(matrix: PerformanceMatrix, tau: float | None) -> tuple[IntArray, float]:
    """(n_models,) cluster numbers and the tau in force: average linkage, cut at tau or by the best silhouette.

    Raises:
        OptionError: If there are more models than `LIMIT`.
    """
    if (n := len(matrix.models)) > LIMIT:
        rule = (
            f"'default' for more than {LIMIT:,} models, and {n:,} have history here: the paper's average linkage "
            f"compares every two, which would take {_BYTES * n**2 / 2**30:.0f} GiB (or give fewer candidates)"
        )
        raise OptionError("method", "paper", rule)
    return cut(distances(matrix), tau)


def weights(proxy: str | None, scores: Mapping[str, float]) -> dict[str, float]:
    """The weight of each scored model: exp(LEEP), or another proxy scaled to [1/e, 1] (1 where all are equal).

    >>> weights("logme", {"a": 1.0, "b": 3.0})
    {'a': 0.367..., 'b': 1.0}
    """
    if proxy == "leep":
        return {model: float(np.exp(score)) for model, score in scores.items()}
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    least = float(np.exp(-1))
    return {
        model: least + (1 - least) * (score - low) / (high - low) if high > low else 1.0
        for model, score in scores.items()
    }


def to_score(clustering: Clustering, propagate: Propagate) -> tuple[str, ...]:
    """Representatives of two models or more (every model if each is alone); with `own` all members of such clusters."""
    standing_for_others = clustering.standing_for_others
    if propagate == "representative":
        return standing_for_others
    return tuple(m for r in standing_for_others for m in clustering.clusters[clustering.number[r]])


def rank(evidence: Evidence) -> tuple[list[Recalled], str]:
    """All candidates, best first, and what the ranking rests on.

    Where the proxy score that a weight needs is missing, the weight is the mean of those that were had; without any,
    every weight is 1. A cosine is taken over shared datasets, and is 0 where none is shared. Models without history
    come after those with. Ties by mean performance, then by name.
    """
    clustering = evidence.clustering
    name = next(iter(evidence.proxies), None)
    scores = evidence.scores[name] if name is not None else {}
    used = {model: scores[model] for model in to_score(clustering, evidence.propagate) if model in scores}
    weight = weights(name, used)
    otherwise = float(np.mean([*weight.values()])) if weight else 1.0
    mean = dict(zip(evidence.matrix.models, standing(evidence.matrix).tolist(), strict=True))
    several = clustering.standing_for_others
    lonely = [m for m in clustering.representatives if m not in several]
    spoken = np.array([weight.get(r, otherwise) for r in several])
    likeness = _cosines(evidence.matrix, lonely, several) @ spoken / max(1, len(several))
    by_likeness = dict(zip(lonely, likeness.tolist(), strict=True))

    seen = []
    for model, number in clustering.number.items():
        representative = clustering.representatives[number]
        source = representative if evidence.propagate == "representative" else model
        proxy = None if model in by_likeness else used.get(source)
        factor = by_likeness.get(model, weight.get(source, otherwise))
        if model in by_likeness:
            why = f"the mean of cosine x weight over {counted(len(several), 'representative')}, as it is like no other"
        elif proxy is None:
            why = "the weight of an average model, as no proxy score was had"
        else:
            why = f"the weight of {name} {proxy:.4g}"
            why += "" if source == model else f" of its representative {source}"
        seen.append(
            Recalled(
                model=model,
                cluster=number,
                representative=representative,
                proxies={} if proxy is None or name is None else {name: proxy},
                score=mean[model] * factor,
                reason=f"mean performance {mean[model]:.4f} x {factor:.4f}, {why}",
            )
        )
    seen.sort(key=lambda e: (-round(e.score, 12), -round(mean[e.model], 12), e.model))
    unseen = [
        Recalled(
            model=model,
            cluster=None,
            representative=None,
            proxies={} if name is None or model not in scores else {name: scores[model]},
            score=0.0,
            reason="no history, mean performance unknown (0); "
            + (
                f"ranked after the others by {name} {scores[model]:.4g}"
                if model in scores
                else "no proxy score either, so placed last at random"
            ),
        )
        for model in sorted(evidence.unseen, key=lambda model: -scores.get(model, -np.inf))
    ]
    return [*seen, *unseen], _regime(evidence, name, used)


def _cosines(matrix: PerformanceMatrix, models: list[str], others: tuple[str, ...]) -> FloatArray:
    """(len(models), len(others)) cosine over the datasets that both were measured on; 0 where there is none."""
    P = scaled(matrix)
    filled, measured = np.nan_to_num(P), (~np.isnan(P)).astype(float)
    a, b = [matrix.row[m] for m in models], [matrix.row[m] for m in others]
    dot = filled[a] @ filled[b].T
    norms = np.sqrt((filled[a] ** 2 @ measured[b].T) * (measured[a] @ (filled[b] ** 2).T))
    cosine: FloatArray = np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0)
    return cosine


def _regime(evidence: Evidence, name: str | None, used: Mapping[str, float]) -> str:
    n_seen, n_unseen = len(evidence.clustering.number), len(evidence.unseen)
    if not n_seen:
        by = f"{name} alone ranks them" if name is not None else "they are drawn at random (from the seed)"
        return f"Day one: no candidate has history, so {by}. Every selection adds to the history."
    benchmarks = counted(len(evidence.matrix.datasets), "benchmark dataset")
    regime = f"{counted(n_seen, 'candidate')} ranked by mean performance on {benchmarks} "
    if used:
        regime += f"x the weight of {name}, had for {counted(len(used), 'model')}."
    else:
        regime += "alone: without a proxy score on the target every weight is 1."
    if n_unseen:
        regime += f" {n_unseen} without history come after them."
    return regime
