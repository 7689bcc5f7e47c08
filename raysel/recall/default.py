"""raysel's own recall: mean z-scores, and a proxy as far as the history shows that it can be trusted.

Notation: p the prior (the shrunk mean z-score, `raysel.recall.prior`), q the z-score of a proxy score among the models
scored on the target, t the trust in the proxy (`raysel.recall.trust`).

The recall score is p + t·q. It is in z-scores of a final: +1 is one deviation better than the average of the zoo.
"""

import numpy as np

from raysel.arrays import FloatArray
from raysel.history import PerformanceMatrix
from raysel.recall import similarity
from raysel.recall.clustering import Clustering
from raysel.recall.evidence import Evidence, Propagate, counted
from raysel.recall.prior import prior, standardise
from raysel.recall.shortlist import Recalled
from raysel.recall.trust import MIN_MODELS, Trust, learn


def standing(matrix: PerformanceMatrix) -> FloatArray:
    """(n_models,) the prior, which is how good each model is on average on any scales."""
    return prior(standardise(matrix.values))


def distances(matrix: PerformanceMatrix) -> FloatArray:
    """(n_models, n_models) the paper's distance between z-scores, so that no dataset's scale counts for more."""
    return similarity.distances(standardise(matrix.values))


def to_score(clustering: Clustering, propagate: Propagate) -> tuple[str, ...]:
    """The representative of every cluster, singletons too: each stands for itself; every member for `own`."""
    return tuple(clustering.number) if propagate == "own" else clustering.representatives


def rank(evidence: Evidence) -> tuple[list[Recalled], str]:
    """All candidates, best first, and what the ranking rests on.

    A model takes its own proxy score, else that of its cluster's representative (unless `propagate` is `own`). One
    without either counts as average, q = 0. Ties go by name, and models without history come last among equals.
    """
    matrix, clustering, scores = evidence.matrix, evidence.clustering, evidence.scores
    trust = learn(matrix, evidence.recorded)
    # Day one: there is nothing but the proxy, so how far to trust it does not arise.
    alone = trust.alone if clustering.clusters else 1.0
    z = standardise(matrix.values)
    p = dict(zip(matrix.models, prior(z).tolist(), strict=True))
    mean = dict(zip(matrix.models, np.nanmean(z, axis=1).tolist(), strict=True)) if matrix.models else {}
    count = dict(zip(matrix.models, (~np.isnan(z)).sum(axis=1).tolist(), strict=True))
    q = dict(zip(scores, standardise(np.array([*scores.values()])).tolist(), strict=True))

    seen = []
    for model, number in sorted(clustering.number.items()):
        representative = clustering.representatives[number]
        source = model if model in scores or evidence.propagate == "own" else representative
        reason = f"mean z-score {mean[model]:+.2f} over {counted(count[model], 'dataset')}, as prior {p[model]:+.2f}"
        if source in scores:
            of = "" if source == model else f" of its representative {source}"
            reason += f"; {evidence.proxy} {scores[source]:.4g}{of}, {q[source]:+.2f} deviations from average"
            reason += f", trusted {trust.beside_prior:.2f}"
        elif scores:
            reason += f"; no {evidence.proxy} was had, so it counts as average (0 deviations)"
        seen.append(
            Recalled(
                model=model,
                cluster=number,
                representative=representative,
                proxy=scores.get(source),
                score=p[model] + trust.beside_prior * q.get(source, 0.0),
                reason=reason,
            )
        )
    unseen = [
        Recalled(
            model=model,
            cluster=None,
            representative=None,
            proxy=scores.get(model),
            score=alone * q.get(model, 0.0),
            reason=f"no history, prior 0; {evidence.proxy} {scores[model]:.4g}, {q[model]:+.2f} deviations from "
            f"average, trusted {alone:.2f}"
            if model in scores
            else "neither history nor proxy score: average (0), and placed among its like at random",
        )
        for model in evidence.unseen
    ]
    entries = sorted([*seen, *unseen], key=lambda entry: -round(entry.score, 12))
    return entries, _regime(evidence, trust)


def _regime(evidence: Evidence, trust: Trust) -> str:
    n_seen, proxy = len(evidence.clustering.number), evidence.proxy
    if not n_seen:
        if evidence.scores:
            return (
                f"Day one: no candidate has history, so {proxy} alone ranks them. Every selection adds to the history."
            )
        return (
            "Day one: no candidate has history and there is no proxy score, so they are drawn at random (from the "
            "seed). A proxy on the target would rank them; every selection adds to the history."
        )
    benchmarks = counted(len(evidence.matrix.datasets), "benchmark dataset")
    sentences = [f"{counted(n_seen, 'candidate')} ranked by mean z-score on {benchmarks}"]
    if evidence.unseen:
        sentences[0] += f", {len(evidence.unseen)} without history taken as average"
    if not evidence.scores:
        sentences.append(
            f"No {'proxy' if proxy is None else proxy} score on the target: one may tell models apart here"
        )
    elif not trust.n_datasets:
        sentences.append(
            f"{proxy} is not trusted (0.00) beside the history, since no benchmark dataset has it recorded for "
            f"{MIN_MODELS} models: recording it there would show what it is worth"
        )
    else:
        sentences.append(
            f"{proxy} is trusted {trust.beside_prior:.2f} beside the history and {trust.alone:.2f} without, as learned "
            f"on {counted(trust.n_datasets, 'benchmark dataset')}; recording it on more would settle it"
        )
    return ". ".join(sentences) + "."
