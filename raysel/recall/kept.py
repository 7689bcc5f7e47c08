"""The front of a large history and its clusters, kept beside it: a new target needs no more than these."""

import logging

import pyarrow as pa

from raysel.history import History, PerformanceMatrix
from raysel.history.derived import Kept, values_of
from raysel.history.reading import of_results
from raysel.recall.clustering import Clustering
from raysel.recall.front import Front, front, z_scores
from raysel.recall.prior import prior
from raysel.recall.rank import cluster

logger = logging.getLogger(__name__)
_KIND = "front"


def zoo(history: History, *, store: bool = False) -> tuple[PerformanceMatrix, Clustering]:
    """What the default ranks for a target that the history does not know: its matrix or front, and the clusters.

    Both go to `rank`; candidates without a row in a front count as without history.

    Args:
        history: The whole history; a target that it knows would see itself in the clusters.
        store: Where they had to be worked out, and there are more than 5,000 models, keep them beside the history.

    Raises:
        HistoryError: If they are to be kept and the history cannot be written to.
    """
    found = history.derived(_KIND)
    if found is not None:
        return _read(found)
    parts = frozenset(of_results(history.parts()))
    matrix = front(history.matrix())
    clustering = cluster(matrix)
    if isinstance(matrix, Front):
        logger.info(
            "clustered the %d of %d models that lead: none were kept for these %d parts",
            len(matrix.models),
            len(matrix.models) + matrix.beyond,
            len(parts),
        )
        # A part that was published while the matrix was read may be in it.
        if store and parts == frozenset(of_results(history.parts())):
            history.derive(_KIND, _written(matrix, clustering, parts))
    return matrix, clustering


def _written(matrix: Front, clustering: Clustering, parts: frozenset[str]) -> Kept:
    n = len(matrix.datasets)
    columns = {str(j): pa.array(column, from_pandas=True) for j, column in enumerate(matrix.values.T)}
    columns |= {str(n + j): pa.array(column, from_pandas=True) for j, column in enumerate(matrix.z.T)}
    clusters = pa.array([clustering.number[model] for model in matrix.models])
    notes = {
        "datasets": matrix.datasets,
        "lower_is_better": matrix.lower_is_better,
        "beyond": matrix.beyond,
        "tau": clustering.tau,
    }
    return Kept(rows=pa.table({"model": matrix.models, "cluster": clusters, **columns}), parts=parts, notes=notes)


def _read(found: Kept) -> tuple[Front, Clustering]:
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
    numbers = found.rows["cluster"].to_pylist()
    groups: list[list[str]] = [[] for _ in range(max(numbers) + 1)]
    for model, number in zip(matrix.models, numbers, strict=True):
        groups[number].append(model)
    standing = dict(zip(matrix.models, prior(z_scores(matrix)).tolist(), strict=True))
    return matrix, Clustering.of(groups, standing, method="default", tau=notes["tau"])
