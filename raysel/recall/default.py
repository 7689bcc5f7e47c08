"""raysel's own recall: mean z-scores, proxies as far as the history shows that they can be trusted, and diversity.

Notation: p the prior (the shrunk mean z-score, `raysel.recall.prior`), q_j the z-score of a score of proxy j among the
models that it scored on the target, b and t_j the trust in them (`raysel.recall.trust`).

The recall score is b p + sum_j t_j q_j: the expected z-score of a model's final. In place of the prior of a model
without history stands where models like it are (`raysel.recall.kinship`). The shortlist is the best by it; or, where
choosing for diversity would have found better models on the benchmark datasets, each left out in turn, the one whose
best is expected to be best (`raysel.recall.diversity`). A share of it may be kept for models without history: those
that would be best if they were better than expected by a deviation of what is not known of them.
"""

from dataclasses import replace

import numpy as np

from raysel.arrays import FloatArray, IntArray
from raysel.history import PerformanceMatrix
from raysel.recall.clustering import Clustering, ward
from raysel.recall.diversity import diverse, residuals
from raysel.recall.evidence import Evidence, Propagate, counted
from raysel.recall.front import Front, z_scores
from raysel.recall.kinship import Placed
from raysel.recall.prior import prior, standardise, uncertainty
from raysel.recall.shortlist import Recalled
from raysel.recall.trust import MIN_MODELS, Trust, learn, unlearned
from raysel.recall.weights import diversity


def standing(matrix: PerformanceMatrix) -> FloatArray:
    """(n_models,) the prior, which is how good each model is on average on any scales."""
    return prior(z_scores(matrix))


def grouped(matrix: PerformanceMatrix, tau: float | None) -> tuple[IntArray, float]:
    """(n_models,) cluster numbers and the tau in force: Ward's linkage of what the prior leaves of the z-scores."""
    return ward(residuals(z_scores(matrix)), tau)


def to_score(clustering: Clustering, propagate: Propagate) -> tuple[str, ...]:
    """The representative of every cluster, singletons too: each stands for itself; every member for `own`."""
    return tuple(clustering.number) if propagate == "own" else clustering.representatives


def rank(evidence: Evidence) -> tuple[list[Recalled], str]:
    """All candidates, the recalled first, each part best first, and what the ranking rests on.

    A model takes its own score of a proxy, else that of its cluster's representative (unless `propagate` is `own`). One
    without either counts as average, q = 0. Ties go by name, and models without history come last among equals; these
    go by the proxies, in equal shares, where nothing has shown what the proxies are worth and nothing else tells them
    apart.
    """
    matrix, clustering = evidence.matrix, evidence.clustering
    known = evidence.kinship.elsewhere
    if not clustering.clusters:
        trust = unlearned(evidence.proxies)
    else:
        trust = evidence.weights.trust if evidence.weights else learn(matrix, evidence.recorded, known)
    z = z_scores(matrix)
    p = dict(zip(matrix.models, prior(z).tolist(), strict=True))
    mean = dict(zip(matrix.models, np.nanmean(z, axis=1).tolist(), strict=True)) if matrix.models else {}
    count = dict(zip(matrix.models, (~np.isnan(z)).sum(axis=1).tolist(), strict=True))
    wide = dict(zip(matrix.models, uncertainty(z).tolist(), strict=True))
    q = {
        proxy: dict(zip(scores, standardise(np.array([*scores.values()])).tolist(), strict=True))
        for proxy, scores in evidence.scores.items()
    }

    seen = []
    for model, number in sorted(clustering.number.items()):
        representative = clustering.representatives[number]
        sources = {
            proxy: model if model in scores or evidence.propagate == "own" else representative
            for proxy, scores in evidence.scores.items()
        }
        had = {proxy: source for proxy, source in sources.items() if source in evidence.scores[proxy]}
        reason = f"mean z-score {mean[model]:+.2f} over {counted(count[model], 'dataset')}, as prior {p[model]:+.2f}"
        for proxy, source in had.items():
            of = "" if source == model else f" of its representative {source}"
            reason += f"; {_standing_of(evidence, q, proxy, source, of)}, trusted {trust.beside_prior[proxy]:.2f}"
        if evidence.scores and not had:
            reason += f"; no {' or '.join(evidence.proxies)} was had, so it counts as average (0 deviations)"
        told = sum(trust.beside_prior[proxy] * q[proxy][source] for proxy, source in had.items())
        seen.append(
            Recalled(
                model=model,
                cluster=number,
                representative=representative,
                proxies={proxy: evidence.scores[proxy][source] for proxy, source in had.items()},
                score=trust.prior * p[model] + told,
                reason=reason,
                uncertainty=wide[model],
            )
        )
    widest = float(uncertainty(np.vstack([z, np.full(z.shape[1], np.nan)]))[-1])
    unseen = [_unseen(evidence, q, trust, model, widest) for model in evidence.unseen]
    if not trust.n_datasets:
        unseen.sort(key=lambda entry: -round(sum(q[proxy][entry.model] for proxy in entry.proxies), 12))
    entries = sorted([*seen, *unseen], key=lambda entry: -round(entry.score, 12))
    recalled = sum(entry.cluster is not None for entry in entries[: evidence.top_k])
    # One model cannot be diverse, and where all with history are recalled there is nothing to choose.
    choice = 1 < recalled < len(seen)
    better, tried = _diversity(evidence) if choice else (0.0, 0)
    if better > 0:
        entries = _diversified(entries, evidence, z)
    entries = _widened(_explored(entries, evidence), evidence, q, trust)
    return entries, _regime(evidence, trust, better, tried)


def _unseen(evidence: Evidence, q: dict[str, dict[str, float]], trust: Trust, model: str, widest: float) -> Recalled:
    place = evidence.kinship.placed.get(model, Placed(expected=0.0, uncertainty=widest, kin=()))
    had = [proxy for proxy in evidence.proxies if model in evidence.scores[proxy]]
    told = "; ".join(
        f"{_standing_of(evidence, q, proxy, model, '')}, trusted {trust.alone[proxy]:.2f}" for proxy in had
    )
    return Recalled(
        model=model,
        cluster=None,
        representative=None,
        proxies={proxy: evidence.scores[proxy][model] for proxy in had},
        score=trust.kinship * place.expected + sum(trust.alone[proxy] * q[proxy][model] for proxy in had),
        reason="; ".join(filter(None, (_unseen_because(model, place, bool(had)), told))),
        uncertainty=place.uncertainty,
    )


def _unseen_because(model: str, place: Placed, scored: bool) -> str:
    if older := [kin for kin in place.kin if kin.rpartition("@")[0] == model]:
        others = "" if len(place.kin) == len(older) else f", and {next(kin for kin in place.kin if kin not in older)}"
        return (
            f"no history since it was uploaded again: as {' and '.join(older)} stood{others}, prior "
            f"{place.expected:+.2f} ± {place.uncertainty:.2f}"
        )
    if place.kin:
        return (
            f"no history: as models like {' and '.join(place.kin)} stand, prior {place.expected:+.2f} "
            f"± {place.uncertainty:.2f}"
        )
    if scored:
        return "no history, prior 0"
    return "neither history nor proxy score: average (0), and placed among its like at random"


def _standing_of(evidence: Evidence, q: dict[str, dict[str, float]], proxy: str, source: str, of: str) -> str:
    score = evidence.scores[proxy][source]
    return f"{proxy} {score:.4g}{of}, {q[proxy][source]:+.2f} deviations from average"


def _diversity(evidence: Evidence) -> tuple[float, int]:
    if evidence.weights is not None:
        return evidence.weights.diversity, evidence.weights.tried
    return diversity(evidence.matrix, top_k=evidence.top_k, seed=evidence.seed, alike=evidence.alike)


def _diversified(entries: list[Recalled], evidence: Evidence, z: FloatArray) -> list[Recalled]:
    """The recalled with history exchanged for as many that are good for different reasons."""
    names = evidence.matrix.datasets
    z = z[:, [j for j, name in enumerate(names) if evidence.alike is None or name in evidence.alike]]
    recalled, rest = entries[: evidence.top_k], entries[evidence.top_k :]
    known = [entry for entry in (*recalled, *rest) if entry.cluster is not None]
    chosen = diverse(
        np.array([entry.score for entry in known]),
        z[[evidence.matrix.row[entry.model] for entry in known]],
        np.array([entry.cluster for entry in known]),
        top_k=sum(entry.cluster is not None for entry in recalled),
        seed=evidence.seed,
    )
    kept = {known[index].model for index in chosen} | {entry.model for entry in recalled if entry.cluster is None}
    return [e for e in entries if e.model in kept] + [e for e in entries if e.model not in kept]


def _explored(entries: list[Recalled], evidence: Evidence) -> list[Recalled]:
    """The last of the recalled that have history give way to models without, until those are as many as asked for."""
    recalled, rest = entries[: evidence.top_k], entries[evidence.top_k :]
    lacking = evidence.explored - sum(entry.cluster is None for entry in recalled)
    new = [entry for entry in rest if entry.cluster is None]
    new.sort(key=lambda entry: -round(entry.score + (entry.uncertainty or 0.0), 12))
    taken = [entry.model for entry in new[: max(0, lacking)]]
    seen = [entry.model for entry in recalled if entry.cluster is not None]
    out = seen[len(seen) - len(taken) :]
    why = f"; recalled to explore: {evidence.explored} of {evidence.top_k} places are for models without history"
    return [
        *(entry for entry in recalled if entry.model not in out),
        *(replace(entry, reason=entry.reason + why) for entry in new[: len(taken)]),
        *(entry for entry in recalled if entry.model in out),
        *(entry for entry in rest if entry.model not in taken),
    ]


def _widened(
    entries: list[Recalled], evidence: Evidence, q: dict[str, dict[str, float]], trust: Trust
) -> list[Recalled]:
    """The recalled, and behind them as many more as are wanted: the best by what the proxies say without history."""

    def said(entry: Recalled) -> float:
        source = {proxy: entry.model if entry.model in q[proxy] else entry.representative for proxy in entry.proxies}
        return sum(trust.alone[proxy] * q[proxy][str(model)] for proxy, model in source.items())

    recalled, rest = entries[: evidence.top_k], entries[evidence.top_k :]
    more = sorted(rest, key=lambda entry: -round(said(entry), 12))[: evidence.wider]
    taken = {entry.model for entry in more}
    why = "; recalled by what its proxies say alone, as the target is like no benchmark"
    return [
        *recalled,
        *(replace(entry, reason=entry.reason + why) if entry.proxies else entry for entry in more),
        *(entry for entry in rest if entry.model not in taken),
    ]


def _regime(evidence: Evidence, trust: Trust, better: float, tried: int) -> str:
    n_seen, proxies = len(evidence.clustering.number), " and ".join(evidence.proxies)
    if not n_seen:
        if evidence.scores:
            rank = "ranks" if len(evidence.proxies) == 1 else "rank"
            return (
                f"Day one: no candidate has history, so {proxies} alone {rank} them. Every selection adds to the "
                "history."
            )
        return (
            "Day one: no candidate has history and there is no proxy score, so they are drawn at random (from the "
            "seed). A proxy on the target would rank them; every selection adds to the history."
        )
    benchmarks = counted(len(evidence.matrix.datasets), "benchmark dataset")
    sentences = [f"{counted(n_seen, 'candidate')} ranked by mean z-score on {benchmarks}"]
    if isinstance(evidence.matrix, Front) and evidence.matrix.beyond:
        sentences[0] += f" (those that lead, of {n_seen + evidence.matrix.beyond:,}: too many to compare every two)"
    if any(place.kin for place in evidence.kinship.placed.values()):
        share = 100 * evidence.kinship.share
        sentences[0] += f", {len(evidence.unseen)} without history placed by what is known of them"
        sentences[0] += f" (with which {share:.0f} % of how models differ goes)" if share else ""
    elif evidence.unseen:
        sentences[0] += f", {len(evidence.unseen)} without history taken as average"
    if not evidence.scores:
        sentences.append("No proxy score on the target: one may tell models apart here")
    elif not trust.n_datasets:
        sentences.append(
            f"{proxies} not trusted (0.00) beside the history, since no benchmark dataset has {MIN_MODELS} models "
            "scored: recording proxies there would show what they are worth"
        )
    else:
        weights = ", ".join(f"{proxy} {trust.beside_prior[proxy]:.2f}" for proxy in evidence.proxies)
        alone = ", ".join(f"{proxy} {trust.alone[proxy]:.2f}" for proxy in evidence.proxies)
        sentences.append(
            f"Trusted beside the history (itself {trust.prior:.2f}): {weights}; without: {alone}, as learned on "
            f"{counted(trust.n_datasets, 'benchmark dataset')}"
        )
    if better > 0:
        sentences.append(
            f"Chosen across clusters: on {counted(tried, 'benchmark dataset')}, each left out in turn, the best "
            f"recalled is {better:.2f} deviations better so than by score alone"
        )
    return ". ".join(sentences) + "."
