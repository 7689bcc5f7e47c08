"""Coarse recall as pure functions of values: cluster the zoo, say whom to score, rank the candidates."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from math import isfinite
from typing import Literal, Protocol, get_args

import numpy as np

from raysel.arrays import FloatArray, IntArray
from raysel.errors import NothingToRecallError, OptionError, UnknownNameError
from raysel.history import PerformanceMatrix
from raysel.recall import default, paper
from raysel.recall.clustering import Clustering
from raysel.recall.embeddings import Embed
from raysel.recall.evidence import PROPAGATIONS, Evidence, Propagate
from raysel.recall.front import EXACT, Front, front
from raysel.recall.kinship import Facts, Kinship, inherited, kinship
from raysel.recall.resemblance import resemblance
from raysel.recall.shortlist import Recalled, Shortlist
from raysel.recall.weights import Weights

EXPLORE = 0.0
"""The share of a shortlist that models without history have by default, whatever is expected of them."""

WIDER = 0.5
"""By what share of itself a shortlist widens for a target that is like no benchmark."""

Method = Literal["default", "paper"]
METHODS: tuple[Method, ...] = get_args(Method)


class _Rules(Protocol):
    """What a method's module has: how good each model is on average, its clusters, whom to score, how to rank."""

    def standing(self, matrix: PerformanceMatrix) -> FloatArray: ...
    def grouped(self, matrix: PerformanceMatrix, tau: float | None) -> tuple[IntArray, float]: ...
    def to_score(self, clustering: Clustering, propagate: Propagate) -> tuple[str, ...]: ...
    def rank(self, evidence: Evidence) -> tuple[list[Recalled], str]: ...


_RULES: dict[str, _Rules] = {"default": default, "paper": paper}


def cluster(
    matrix: PerformanceMatrix,
    *,
    method: Method = "default",
    tau: float | None = None,
    alike: Collection[str] | None = None,
) -> Clustering:
    """Cluster the models of a history by what they scored.

    Models on which nothing was measured are left out, and so are, by `default`, those beyond the front of a zoo of more
    than 5,000 models (`raysel.recall.front`). The order of models and datasets does not matter.

    Args:
        matrix: The history, the target left out.
        method: `default` compares z-scores, so that columns may be on any scale; `paper` compares scores in [0, 1].
        tau: The linkage distance up to which clusters merge; by default the method's own cut: `default` has a cluster
            to every four models, `paper` the one with the best silhouette.
        alike: The datasets that models are compared on, those with the target's type of output; by default all. Where
            the matrix has none of them each model is a cluster of its own.

    Raises:
        UnknownNameError: If the method is unknown.
        OptionError: If tau is not a positive number.
        DataError: If the paper's method is given scores that are not in [0, 1].

    >>> matrix = PerformanceMatrix(models=("a", "b", "c"), datasets=("x",), values=np.array([[0.5], [0.52], [0.9]]))
    >>> cluster(matrix, method="paper").clusters
    (('b', 'a'), ('c',))
    """
    rules = _rules(method)
    matrix, _ = _compared(matrix, method)
    compared = _on(matrix, alike)
    if compared.datasets or not matrix.models:
        numbers, tau = rules.grouped(compared, tau)
    else:
        numbers, tau = np.arange(len(matrix.models)), 0.0
    groups: list[list[str]] = [[] for _ in range(numbers.max(initial=-1) + 1)]
    for model, number in zip(matrix.models, numbers, strict=True):
        groups[number].append(model)
    return Clustering.of(groups, _standing(rules, matrix), method=method, tau=tau)


def to_score(
    matrix: PerformanceMatrix,
    candidates: Iterable[str],
    clustering: Clustering,
    *,
    method: Method = "default",
    propagate: Propagate = "representative",
) -> tuple[str, ...]:
    """The candidates that need a proxy score on the target: those that stand for others, and those without history.

    Args:
        matrix: The history, the target left out.
        candidates: The models to choose from.
        clustering: What `cluster` made of `matrix` with the same method. Only candidates represent a cluster.
        method: `default` has every representative scored, `paper` those of two models or more.
        propagate: With `own`, members are scored themselves.

    Raises:
        UnknownNameError: If method or propagate is unknown.
        OptionError: If the clustering was made by another method, or lacks a candidate that has history.

    >>> matrix = PerformanceMatrix(models=("a", "b", "c"), datasets=("x",), values=np.array([[0.5], [0.52], [0.9]]))
    >>> to_score(matrix, ["a", "b", "c", "new"], cluster(matrix, method="paper"), method="paper")
    ('b', 'new')
    """
    rules = _rules(method)
    _check_propagate(propagate)
    matrix, wanted = _compared(matrix, method, set(candidates))
    clustering, unseen = _split(rules, matrix, wanted, clustering, method)
    return (*rules.to_score(clustering, propagate), *unseen)


def rank(
    matrix: PerformanceMatrix,
    candidates: Iterable[str],
    *,
    clustering: Clustering | None = None,
    method: Method = "default",
    top_k: int = 10,
    proxy_scores: Mapping[str, Mapping[str, float]] | None = None,
    propagate: Propagate = "representative",
    recorded: Mapping[str, Mapping[tuple[str, str], float]] | None = None,
    facts: Facts | None = None,
    embed: Embed | None = None,
    explore: float = EXPLORE,
    alike: Collection[str] | None = None,
    tau: float | None = None,
    weights: Weights | None = None,
    seed: int = 0,
) -> Shortlist:
    """The candidates most worth fine-tuning on the target, each with the reason.

    The whole matrix is the zoo that standard scores and clusters come from; candidates are chosen from it, and may have
    no row in it. Of more than 5,000 models the default ranks only the front (`raysel.recall.front`), and the regime
    says so. A candidate named twice counts once. With fewer candidates than `top_k` all are recalled, and the
    regime says so. The order of models, datasets and candidates does not matter.

    Args:
        matrix: The history, the target left out.
        candidates: The models to choose from.
        clustering: What `cluster` made of `matrix` with the same method; made here by default.
        method: `default` (`raysel.recall.default`) or `paper` (`raysel.recall.paper`).
        top_k: How many models to recall, at least 1.
        proxy_scores: Proxy scores on the target by proxy and model, higher is better. One that is missing, NaN or
            infinite counts as average. The paper's method takes one proxy; `leep` has a weight of its own there.
        propagate: `representative`: members take the score of their cluster's representative (under `default` only
            those that were not scored themselves). `own`: each model has its own score or none.
        recorded: Those proxies' scores by (model, dataset) on the benchmark datasets, from which `default` learns how
            far to trust each.
        facts: Tells what is known of models, by which, and by their names, `default` places those without history (not
            among models of which only the front is given).
        embed: Embeds what is known of models for that, in place of counting words (`raysel.recall.embeddings`).
        explore: The share of the shortlist, from 0 to 1, that `default` gives to models without history at the least,
            to those that may be best by what is not known of them.
        alike: As for `cluster`. By `default`, for a target that is like none of the benchmarks (their outputs are of
            another type, or its proxy scores go with nobody's finals: `raysel.recall.resemblance`) half as many models
            again are recalled, by the proxies alone.
        tau: As for `cluster`.
        weights: What `default` learns of the benchmark datasets, where that was done before (`raysel.recall.weights`,
            with the same matrix, recorded scores and options); made here by default.
        seed: For the order of candidates of which nothing at all is known, and what else is drawn.

    Raises:
        NothingToRecallError: If there are no candidates.
        UnknownNameError: If method or propagate is unknown.
        OptionError: If an option breaks its rule, or the clustering does not fit.
        DataError: If the paper's method is given scores that are not in [0, 1].

    >>> matrix = PerformanceMatrix(models=("a", "b", "c"), datasets=("x", "y"),
    ...                            values=np.array([[0.5, 60.0], [0.6, 70.0], [0.9, 65.0]]))
    >>> shortlist = rank(matrix, ["a", "b", "c"], top_k=2)
    >>> shortlist.models, shortlist.entries[0].reason
    (('c', 'b'), 'mean z-score +0.69 over 2 datasets, as prior +0.34')
    """
    rules = _rules(method)
    _check_propagate(propagate)
    if not isinstance(top_k, int) or top_k < 1:
        raise OptionError("top_k", top_k, "an integer of at least 1")
    if not isinstance(seed, int) or seed < 0:
        raise OptionError("seed", seed, "an integer of at least 0")
    if not 0 <= explore <= 1:
        raise OptionError("explore", explore, "from 0 to 1")
    if clustering is not None and tau is not None:
        raise OptionError("tau", tau, "left out where a clustering is given")
    candidates = set(candidates)
    if not candidates:
        raise NothingToRecallError("`candidates` is empty, but must name at least one model to choose from")
    whole = matrix
    matrix, candidates = _compared(whole, method, candidates)
    candidates = sorted(candidates)

    scores = told(proxy_scores or {}, candidates)
    if method == "paper" and len(scores) > 1:
        raise OptionError("proxy_scores", list(scores), "of one proxy for the paper's method")
    if weights is not None and weights.trust.beside_prior.keys() != scores.keys():
        raise OptionError("weights", f"of {sorted(weights.trust.beside_prior)}", f"those of {sorted(scores)}")
    clustering, unseen = _split(
        rules, matrix, candidates, clustering or cluster(matrix, method=method, tau=tau, alike=alike), method
    )
    unlike = _unlike(matrix, scores, recorded or {}, alike) if method == "default" else ""
    wider = round(WIDER * top_k) if unlike else 0
    shuffled = [unseen[i] for i in np.random.default_rng(seed).permutation(len(unseen))]
    entries, regime = rules.rank(
        Evidence(
            matrix=matrix,
            clustering=clustering,
            unseen=tuple(shuffled),
            kinship=_kinship(whole, unseen, facts, embed, seed) if method == "default" else Kinship(),
            scores=scores,
            propagate=propagate,
            recorded={proxy: (recorded or {}).get(proxy, {}) for proxy in scores},
            top_k=top_k,
            explored=round(explore * top_k),
            alike=None if alike is None else frozenset(alike),
            wider=wider,
            weights=weights,
            seed=seed,
        )
    )
    if alike is not None and 0 < (n := len(set(alike) & set(matrix.datasets))) < len(matrix.datasets):
        regime += f" Models are compared on the {n} of these with the target's type of output."
    if unlike and len(entries) > top_k:
        more = min(wider, len(entries) - top_k)
        regime += f" {unlike}: {more} more are recalled{', by the proxies alone' if scores else ''}."
    if top_k > len(entries):
        regime += f" All {len(entries)} are recalled, fewer than the {top_k} asked for."
    return Shortlist(
        method=method,
        entries=tuple(entries[: top_k + wider]),
        clusters=clustering.clusters,
        proxies=tuple(scores),
        regime=regime,
    )


def told(proxy_scores: Mapping[str, Mapping[str, float]], candidates: Iterable[str]) -> dict[str, dict[str, float]]:
    """The proxy scores that tell something: finite ones of candidates, and no proxy without any."""
    models = tuple(candidates)
    given = {
        proxy: {model: float(found[model]) for model in models if isfinite(found.get(model, np.nan))}
        for proxy, found in proxy_scores.items()
    }
    return {proxy: found for proxy, found in given.items() if found}


def _rules(method: str) -> _Rules:
    if method not in _RULES:
        raise UnknownNameError("method", method, METHODS)
    return _RULES[method]


def _check_propagate(propagate: str) -> None:
    if propagate not in PROPAGATIONS:
        raise UnknownNameError("propagate", propagate, PROPAGATIONS)


def _compared(
    matrix: PerformanceMatrix, method: str, candidates: set[str] | None = None
) -> tuple[PerformanceMatrix, set[str]]:
    """What is compared, which is the front where that is too much for the method; the candidates less those beyond it.

    A front that was made before is taken as it is: candidates without a row in it count as without history.
    """
    if isinstance(matrix, Front):
        return matrix, candidates or set()
    whole = _canonical(matrix)
    if method == "paper" or len(whole.models) <= EXACT:
        return whole, candidates or set()
    among = None
    if candidates is not None and len(candidates & whole.row.keys()) < len(whole.models):
        among = np.array([row for model, row in whole.row.items() if model in candidates], dtype=np.int64)
    compared = front(whole, among=among)
    return compared, (candidates or set()) - (whole.row.keys() - compared.row.keys())


def _canonical(matrix: PerformanceMatrix) -> PerformanceMatrix:
    """Rows and columns by name, so that order cannot decide between equals, and none of them empty."""
    measured = ~np.isnan(matrix.values)
    rows = np.argsort(np.array(matrix.models, dtype=object))
    columns = np.argsort(np.array(matrix.datasets, dtype=object))
    rows, columns = rows[np.any(measured[rows], axis=1)], columns[np.any(measured[:, columns], axis=0)]
    if np.array_equal(rows, np.arange(len(matrix.models))) and np.array_equal(columns, np.arange(len(matrix.datasets))):
        return matrix
    return replace(
        matrix,
        models=tuple(matrix.models[i] for i in rows),
        datasets=tuple(matrix.datasets[j] for j in columns),
        values=matrix.values[np.ix_(rows, columns)],
        lower_is_better=tuple(matrix.lower_is_better[j] for j in columns),
    )


def _kinship(
    whole: PerformanceMatrix, unseen: list[str], facts: Facts | None, embed: Embed | None, seed: int
) -> Kinship:
    if not unseen:
        return Kinship()
    # A front has none but leaders: by it, every model would be taken for one. Older uploads alone tell there.
    if isinstance(whole, Front):
        return Kinship(placed=inherited(whole.models, whole.z, unseen))
    known = _canonical(whole)
    return kinship(known.models, known.values, unseen, facts=facts, embed=embed, seed=seed)


def _on(matrix: PerformanceMatrix, datasets: Collection[str] | None) -> PerformanceMatrix:
    """The matrix on some datasets, with a row for every model."""
    columns = [j for j, name in enumerate(matrix.datasets) if datasets is None or name in datasets]
    if len(columns) == len(matrix.datasets):
        return matrix
    part = PerformanceMatrix(
        models=matrix.models,
        datasets=tuple(matrix.datasets[j] for j in columns),
        values=matrix.values[:, columns],
        lower_is_better=tuple(matrix.lower_is_better[j] for j in columns),
    )
    return Front(**vars(part), z=matrix.z[:, columns], beyond=matrix.beyond) if isinstance(matrix, Front) else part


def _unlike(
    matrix: PerformanceMatrix,
    scores: Mapping[str, Mapping[str, float]],
    recorded: Mapping[str, Mapping[tuple[str, str], float]],
    alike: Collection[str] | None,
) -> str:
    """Why the target is like no benchmark dataset; empty where a proxy says that it is like one, or nothing tells."""
    if not matrix.datasets:
        return ""
    if alike is not None and not set(alike) & set(matrix.datasets):
        return "The target is like no benchmark dataset, since none has its type of output"
    found = {proxy: resemblance(matrix, of, recorded.get(proxy, {})) for proxy, of in scores.items()}
    told = {proxy: like for proxy, like in found.items() if like is not None}
    if not told or not all(like.none for like in told.values()):
        return ""
    proxy, like = next(iter(told.items()))
    return (
        f"The target is like no benchmark dataset, since {proxy} goes best with the finals on {like.nearest}, and with "
        f"a correlation of {like.correlation:+.2f} alone (chance {like.chance:.2f})"
    )


def _standing(rules: _Rules, matrix: PerformanceMatrix) -> dict[str, float]:
    return dict(zip(matrix.models, rules.standing(matrix).tolist(), strict=True))


def _split(
    rules: _Rules, matrix: PerformanceMatrix, candidates: Iterable[str], clustering: Clustering, method: str
) -> tuple[Clustering, list[str]]:
    """The clusters of the candidates that have history, and the names of those that have none."""
    if clustering.method != method:
        raise OptionError("clustering", f"made by method {clustering.method}", f"made by method {method}")
    wanted = set(candidates)
    seen = wanted & matrix.row.keys()
    if absent := sorted(seen - clustering.number.keys()):
        raise OptionError("clustering", f"without {absent[0]}", "made of the matrix that the candidates are ranked by")
    return clustering.among(seen, _standing(rules, matrix)), sorted(wanted - seen)
