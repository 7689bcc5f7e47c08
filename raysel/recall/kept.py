"""The zoo that a target's models are ranked in, from no more of the history than that takes.

Of few candidates their own rows are read. For many, the front of the whole history and its clusters are kept beside it
(`raysel.history.derived`): a target needs no more than these. What newer parts say is worked in on the way, in
milliseconds for a few models: a new model that leads joins its nearest cluster or founds one
(`raysel.recall.clustering.join`), and the scale of each dataset moves. When that would go too far (`_DRIFT`) everything
is worked out anew, with the reason.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from raysel.arrays import FloatArray
from raysel.errors import HistoryError
from raysel.history import History, PerformanceMatrix
from raysel.history.derived import Kept, values_of
from raysel.history.reading import Changes, of_results
from raysel.recall.clustering import Clustering, join
from raysel.recall.diversity import residuals
from raysel.recall.embeddings import Embed
from raysel.recall.evidence import Propagate
from raysel.recall.front import EXACT, Front, front, leaders, z_scores
from raysel.recall.moments import Moments
from raysel.recall.prior import prior
from raysel.recall.rank import EXPLORE, Method, cluster, rank, to_score, told
from raysel.recall.shortlist import Shortlist
from raysel.recall.weights import weights

logger = logging.getLogger(__name__)
_KIND = "front"
_ENOUGH = 1_000
"""Of the front so many models must be candidates; of fewer, the front among the candidates is looked for."""

_DRIFT = 0.1
"""Clusters are made anew when a larger share of the leading models is new or changed since they were made, or when
z-scores of the others moved by more (root mean square, in deviations)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Zoo:
    """What the candidates are ranked in.

    Args:
        matrix: The candidates' matrix, or the front of a larger zoo.
        clustering: Its clusters.
        candidates: The candidates that are in it or have no history; those beyond the front are left out.
        method: The method that they are ranked by.
        without: The dataset that is left out, the target.
        alike: The datasets that models are compared on; `None` for all.
        told: Where clusters of a large zoo come from, as a sentence; empty where all is worked out each time.
    """

    matrix: PerformanceMatrix
    clustering: Clustering
    candidates: tuple[str, ...]
    method: Method
    without: str | None = None
    alike: frozenset[str] | None = None
    told: str = ""

    def to_score(self, propagate: Propagate) -> tuple[str, ...]:
        """The candidates that need a proxy score on the target; see `raysel.recall.to_score`."""
        return to_score(self.matrix, self.candidates, self.clustering, method=self.method, propagate=propagate)

    def rank(
        self,
        history: History,
        *,
        top_k: int,
        proxy_scores: Mapping[str, Mapping[str, float]],
        propagate: Propagate,
        explore: float = EXPLORE,
        embed: Embed | None = None,
        seed: int,
        store: bool = False,
        tell: Callable[[str], None] = logger.info,
    ) -> Shortlist:
        """The candidates most worth fine-tuning on the target; see `raysel.recall.rank`.

        Args:
            history: The one that the zoo came from, which knows recorded proxy scores and describes models.
            top_k: As for `raysel.recall.rank`, like all that follow.
            proxy_scores: Scores on the target.
            propagate: Whose scores members take.
            explore: The share for models without history.
            embed: Embeds what is known of these and of others.
            seed: Seeds what is drawn.
            store: Keep weights that had to be learned for a large zoo beside the history.
            tell: Told in a sentence where these come from.
        """
        matrix, scores = self.matrix, told(proxy_scores, self.candidates)
        recorded = {proxy: history.proxy_scores(proxy, models=matrix.models, without=self.without) for proxy in scores}
        learned = None
        if isinstance(matrix, Front):
            learned, whence = weights(history, matrix, recorded, top_k=top_k, seed=seed, alike=self.alike, store=store)
            tell(whence)
        return rank(
            matrix,
            self.candidates,
            clustering=self.clustering,
            method=self.method,
            top_k=top_k,
            proxy_scores=scores,
            propagate=propagate,
            recorded=recorded,
            facts=history.described,
            explore=explore,
            embed=embed,
            alike=self.alike,
            weights=learned,
            seed=seed,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Leading:
    """The front of a history, its clusters, and what it takes to bring them up to date.

    Args:
        matrix: The front.
        clustering: Its clusters.
        apart: Its datasets on which they do not compare models.
        moments: Those of the whole history.
        parts: The parts that they came from.
        told: Where they come from, as a sentence.
        measured: All models with results, where they are at hand; else those to which newer parts gave some.
        is_all: Which of the two.
    """

    matrix: Front
    clustering: Clustering
    apart: frozenset[str]
    moments: Moments
    parts: frozenset[str]
    told: str
    measured: Collection[str] = ()
    is_all: bool = False


def zoo(
    history: History,
    candidates: Collection[str] | None = None,
    *,
    without: str | None = None,
    method: Method = "default",
    tau: float | None = None,
    task: str = "",
    across_tasks: bool = False,
    store: bool = False,
) -> Zoo:
    """The zoo that the candidates are ranked in.

    Models are compared, which is what makes clusters, on the datasets with the target's type of output, and on those
    of which none is recorded.

    Up to 5,000 candidates are compared with one another and with nobody else, and so are all for the paper's method.
    More are ranked by the front of the whole history, with their z-scores among all its models.

    Args:
        history: The past runs.
        candidates: The models to choose from; by default all that lead the history.
        without: A dataset to leave out (the target).
        method: As for `cluster`.
        tau: As for `cluster`.
        task: The target's type of output; by default what the history records for it. Where that is nothing models are
            compared on all datasets.
        across_tasks: Compare them on all datasets, whatever their types of output.
        store: Where a front had to be worked out, keep it beside the history; if that cannot be written to, a warning
            says so.

    Raises:
        OptionError: If there are too many models for the paper's method.
        DataError: If the paper's method is given scores that are not in [0, 1].
    """
    few = candidates is not None and len(candidates) <= EXACT
    tasks = {} if across_tasks else history.tasks()
    task = task or tasks.get(without or "", "")
    apart = frozenset(dataset for dataset, of in tasks.items() if task and of != task)
    led = None if few or method == "paper" else _led(history, task=task, apart=apart, store=store)
    if led is None:
        # What an older upload did tells what to expect of a candidate; the paper knows nothing of that.
        older = history.uploads(candidates) if candidates is not None and method == "default" else ()
        named = None if candidates is None else {*candidates, *older}
        matrix = history.matrix(without=without, models=named if few else None)
        matrix = matrix if named is None else matrix.restricted(named)
        alike = _alike(matrix, apart)
        return Zoo(
            matrix=matrix,
            clustering=cluster(matrix, method=method, tau=tau, alike=alike),
            candidates=tuple(candidates or matrix.models),
            method=method,
            without=without,
            alike=alike,
        )
    compared: PerformanceMatrix = led.matrix
    for dataset in sorted(history.left_out(without)) if without is not None else ():
        compared = compared.without(dataset)
    as_kept = compared is led.matrix and tau is None
    wanted = [*compared.models] if candidates is None else _within(history, led, compared, candidates)
    if candidates is not None and len(compared.row.keys() & set(wanted)) < _ENOUGH:
        whole = history.matrix(without=without)
        among = np.array([row for model, row in whole.row.items() if model in set(candidates)], dtype=np.int64)
        compared, as_kept = front(whole, among=among), False
        wanted = [m for m in candidates if m in compared.row or m not in whole.row]
    alike = _alike(compared, apart)
    return Zoo(
        matrix=compared,
        clustering=led.clustering if as_kept else cluster(compared, tau=tau, alike=alike),
        candidates=tuple(wanted),
        method=method,
        without=without,
        alike=alike,
        told=led.told,
    )


def _alike(matrix: PerformanceMatrix, apart: frozenset[str]) -> frozenset[str] | None:
    """The datasets of the matrix that models are compared on; `None` for all."""
    return frozenset(matrix.datasets) - apart if apart.intersection(matrix.datasets) else None


def _within(history: History, led: _Leading, compared: PerformanceMatrix, candidates: Collection[str]) -> list[str]:
    """The candidates in the front, and those without history."""
    others = [model for model in candidates if model not in compared.row]
    unknown = frozenset(others).difference(led.measured)
    if unknown and not led.is_all:
        unknown = history.unmeasured(unknown, since=led.parts)
    return [model for model in candidates if model in compared.row or model in unknown]


def _led(history: History, *, task: str, apart: frozenset[str], store: bool) -> _Leading | None:
    """The front as it is now; `None` of a history that is small enough to be its own.

    Clusters are kept for each type of output, where a history has several.
    """
    parts = frozenset(of_results(history.parts()))
    kind = f"{_KIND}_{blake2b(task.encode(), digest_size=8).hexdigest()}" if apart else _KIND
    why, found = "none were kept", history.derived(kind)
    kept = None if found is None else _read(found)
    if kept is not None and kept.apart != apart.intersection(kept.matrix.datasets):
        why, kept = "another type of output is on record for a dataset", None
    if kept is not None:
        if kept.parts == parts and not history.again:
            return kept
        changes = history.changes(kept.parts)
        why = "the metric of a dataset may have changed, or the matrix that they came from is gone"
        if changes is not None:
            after = _updated(kept, changes, apart)
            if isinstance(after, _Leading):
                return after
            why = after
    whole = history.matrix()
    leading = front(whole)
    if not isinstance(leading, Front):
        return None
    number = len(leading.models) + leading.beyond
    told = f"Clusters of the {len(leading.models):,} of {number:,} models that lead were made anew: {why}"
    logger.info("%s", told)
    led = _Leading(
        matrix=leading,
        clustering=cluster(leading, alike=_alike(leading, apart)),
        apart=apart.intersection(leading.datasets),
        moments=Moments.of(whole.values),
        parts=parts,
        told=told,
        measured=whole.row.keys(),
        is_all=True,
    )
    # A part that was published while the matrix was read may be in it.
    if store and parts == frozenset(of_results(history.parts())):
        try:
            history.matrix(store=True)
            history.derive(kind, _written(led))
            if kind != _KIND:  # for whoever asks without a target, as past shortlists do
                history.derive(_KIND, _written(replace(led, clustering=cluster(leading), apart=frozenset())))
        except HistoryError as error:
            logger.warning("the models that lead could not be kept: %s", error)
    return led


def _updated(led: _Leading, changes: Changes, apart: frozenset[str]) -> _Leading | str:
    """The front with changed models' rows put in, or why everything is to be worked out anew."""
    old = led.matrix
    datasets = tuple(sorted({*old.datasets, *changes.after.datasets}))
    lower = dict(zip(old.datasets, old.lower_is_better, strict=True))
    lower |= dict(zip(changes.after.datasets, changes.after.lower_is_better, strict=True))
    moments = Moments(
        count=_placed(led.moments.count[None], old.datasets, datasets, 0.0)[0],
        mean=_placed(led.moments.mean[None], old.datasets, datasets, 0.0)[0],
        spread=_placed(led.moments.spread[None], old.datasets, datasets, 0.0)[0],
    ).exchanged(
        _placed(changes.before.values, changes.before.datasets, datasets, np.nan),
        _placed(changes.after.values, changes.after.datasets, datasets, np.nan),
    )
    same = [row for row, model in enumerate(old.models) if model not in set(changes.models)]
    values = np.vstack(
        [
            _placed(old.values[same], old.datasets, datasets, np.nan),
            _placed(changes.after.values, changes.after.datasets, datasets, np.nan),
        ]
    )
    models = np.array([*(old.models[row] for row in same), *changes.after.models], dtype=object)
    numbers = np.array(
        [*(led.clustering.number[old.models[row]] for row in same), *(-1 for _ in changes.after.models)], dtype=np.int64
    )
    z = moments.standardised(values)
    moved = z[: len(same)] - _placed(old.z[same], old.datasets, datasets, np.nan)
    shift = float(np.sqrt(np.nanmean(moved**2))) if np.isfinite(moved).any() else 0.0
    kept = leaders(z, most=min(EXACT, len(z)))
    kept = kept[np.argsort(models[kept])]
    joined = int((numbers[kept] < 0).sum())
    if joined > _DRIFT * len(kept):
        return f"{joined / len(kept):.0%} of those that lead are new or changed, more than {_DRIFT:.0%}"
    if shift > _DRIFT:
        return f"new runs moved the z-scores of the others by {shift:.2f} deviations, more than {_DRIFT:g}"
    measured = int((~np.isnan(changes.before.values)).any(axis=1).sum())
    leading = Front(
        models=tuple(models[kept]),
        datasets=datasets,
        values=values[kept],
        lower_is_better=tuple(lower[dataset] for dataset in datasets),
        z=z[kept],
        beyond=max(0, len(old.models) + old.beyond - measured + len(changes.after.models) - len(kept)),
    )
    compared = [j for j, dataset in enumerate(datasets) if dataset not in apart]
    placed = join(residuals(leading.z[:, compared]), numbers[kept], led.clustering.tau)
    founded = len(set(placed.tolist()) - set(numbers[kept].tolist()))
    told = f"{joined} new or changed models among those that lead have joined their clusters, {founded} founded"
    return replace(
        led,
        measured=frozenset(changes.after.models),
        matrix=leading,
        clustering=_clusters(leading, placed.tolist(), led.clustering.tau),
        apart=apart.intersection(datasets),
        moments=moments,
        told=told,
    )


def _placed(values: FloatArray, columns: tuple[str, ...], among: tuple[str, ...], otherwise: float) -> FloatArray:
    """(n, len(among)) the columns where they belong among more."""
    placed = np.full((len(values), len(among)), otherwise)
    place = {name: j for j, name in enumerate(among)}
    shared = [(i, place[name]) for i, name in enumerate(columns) if name in place]
    placed[:, [j for _, j in shared]] = values[:, [i for i, _ in shared]]
    return placed


def _clusters(matrix: Front, numbers: list[int], tau: float) -> Clustering:
    groups: list[list[str]] = [[] for _ in range(max(numbers, default=-1) + 1)]
    for model, number in zip(matrix.models, numbers, strict=True):
        groups[number].append(model)
    standing = dict(zip(matrix.models, prior(z_scores(matrix)).tolist(), strict=True))
    return Clustering.of(groups, standing, method="default", tau=tau)


def _written(led: _Leading) -> Kept:
    matrix, n = led.matrix, len(led.matrix.datasets)
    columns = {str(j): pa.array(column, from_pandas=True) for j, column in enumerate(matrix.values.T)}
    columns |= {str(n + j): pa.array(column, from_pandas=True) for j, column in enumerate(matrix.z.T)}
    clusters = pa.array([led.clustering.number[model] for model in matrix.models])
    notes = {
        "datasets": matrix.datasets,
        "lower_is_better": matrix.lower_is_better,
        "beyond": matrix.beyond,
        "tau": led.clustering.tau,
        "apart": sorted(led.apart),
        "moments": {name: values.tolist() for name, values in vars(led.moments).items()},
        "told": led.told,
    }
    return Kept(rows=pa.table({"model": matrix.models, "cluster": clusters, **columns}), parts=led.parts, notes=notes)


def _read(found: Kept) -> _Leading | None:
    """What was kept; `None` where that is something else, for anybody may have written it."""
    try:
        return _parsed(found)
    except (pa.ArrowException, AttributeError, LookupError, TypeError, ValueError, MemoryError):
        return None


def _parsed(found: Kept) -> _Leading:
    notes, n = found.notes, len(found.notes["datasets"])
    both = values_of(found.rows, 2 * n)
    matrix = Front(
        models=tuple(found.rows["model"].to_pylist()),
        datasets=tuple(notes["datasets"]),
        values=both[:, :n],
        lower_is_better=tuple(notes["lower_is_better"]),
        z=both[:, n:],
        beyond=notes["beyond"],
    )
    return _Leading(
        matrix=matrix,
        clustering=_clusters(matrix, found.rows["cluster"].to_pylist(), notes["tau"]),
        apart=frozenset(notes["apart"]),
        moments=Moments(**{name: np.array(values) for name, values in notes["moments"].items()}),
        parts=found.parts,
        told=f"Clusters of the {len(matrix.models):,} models that lead were kept",
    )
