"""What the default recall learns from the benchmark datasets, each left out in turn, kept where it takes long.

That is how far to trust each proxy (`raysel.recall.trust`) and whether to choose for diversity
(`raysel.recall.diversity`). Both are pure functions of the zoo's z-scores; trust also of the recorded proxy scores,
diversity of the length of the shortlist, the datasets of the target's type and the seed.

In a large zoo they take seconds, and a new target changes none of it: so they are kept beside the history with
fingerprints of all that they came from. What still has its fingerprint is used again, the other is learned anew.
"""

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from raysel.errors import HistoryError
from raysel.history import History, PerformanceMatrix
from raysel.history.derived import Kept
from raysel.history.reading import of_results
from raysel.recall.diversity import gain
from raysel.recall.front import z_scores
from raysel.recall.trust import Recorded, Trust, learn, scores_of

logger = logging.getLogger(__name__)
_KIND = "weights"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What ranking needs to know of the benchmark datasets as a whole.

    Args:
        trust: In the prior and in proxies.
        diversity: By how many deviations the best recalled was better where the shortlist was chosen for diversity.
        tried: On how many datasets that was tried.
    """

    trust: Trust
    diversity: float = 0.0
    tried: int = 0


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Fingerprints of what weights came from.

    Args:
        zoo: Of models, datasets and z-scores.
        recorded: Of the recorded scores, by proxy.
        shortlist: Its length, the seed and the datasets of the target's type.
    """

    zoo: str
    recorded: Mapping[str, str]
    shortlist: str

    def unlike(self, other: "_Origin") -> str:
        """What is not as it was, as a clause."""
        if self.zoo != other.zoo:
            return "the models that lead, or what they scored, have changed"
        if self.recorded.keys() != other.recorded.keys():
            return "other proxies were asked for"
        if changed := [proxy for proxy in sorted(self.recorded) if self.recorded[proxy] != other.recorded[proxy]]:
            return f"recorded scores of {' and '.join(changed)} have changed"
        return "another shortlist was asked for"


def diversity(
    matrix: PerformanceMatrix, *, top_k: int, seed: int, alike: Collection[str] | None = None
) -> tuple[float, int]:
    """`raysel.recall.diversity.gain` on the datasets of the target's type: they alone tell who is good for what reason.

    Args:
        matrix: The history, the target left out.
        top_k: How many models are recalled.
        seed: Draws the noise.
        alike: The datasets of the target's type; by default all.
    """
    kind = [j for j, name in enumerate(matrix.datasets) if alike is None or name in alike]
    return gain(z_scores(matrix)[:, kind], top_k=top_k, seed=seed)


def weights(
    history: History,
    matrix: PerformanceMatrix,
    recorded: Recorded,
    *,
    top_k: int,
    seed: int,
    alike: Collection[str] | None = None,
    store: bool = False,
) -> tuple[Weights, str]:
    """Weights for the front of a large zoo: those that were kept, as far as nothing that they came from has changed.

    Args:
        history: Beside which they are kept.
        matrix: The front, the target left out.
        recorded: Scores by proxy and (model, dataset), of the proxies that score models on the target.
        top_k: How many models are recalled, at least 1.
        seed: Draws noise.
        alike: As for `diversity`.
        store: Keep what had to be learned; if the history cannot be written to, a warning says so.

    Returns:
        The weights, and in a sentence where they come from.
    """
    now = _Origin(
        zoo=_digest(matrix.models, matrix.datasets, z_scores(matrix)),
        recorded={proxy: _digest(scores_of(found, matrix)) for proxy, found in recorded.items()},
        shortlist=_digest(top_k, seed, None if alike is None else sorted(set(alike) & set(matrix.datasets))),
    )
    kept = history.derived(_KIND)
    known = None if kept is None else _read(kept)
    if known is not None and known[1] == now:
        return known[0], "The weights of proxies and of diversity were kept"
    trust = divers = None
    if known is not None and known[1].zoo == now.zoo:
        old, was = known
        trust = old.trust if was.recorded == now.recorded else None
        divers = (old.diversity, old.tried) if was.shortlist == now.shortlist else None
    better, tried = divers or diversity(matrix, top_k=top_k, seed=seed, alike=alike)
    found = Weights(trust=trust or learn(matrix, recorded), diversity=better, tried=tried)
    why = "none were kept" if known is None else known[1].unlike(now)
    told = f"The weights of proxies and of diversity were learned anew: {why}"
    if store:
        try:
            history.derive(_KIND, _written(found, now, of_results(history.parts())))
        except HistoryError as error:
            logger.warning("the weights of recall could not be kept: %s", error)
    return found, told


def _digest(*of: Any) -> str:
    """A fingerprint of arrays, by their bytes, and of plain data."""
    hashed = blake2b(digest_size=16)
    for one in of:
        # Which of the many NaNs a cell holds, nobody means to say.
        array = isinstance(one, np.ndarray)
        hashed.update(np.where(np.isnan(one), np.nan, one).tobytes() if array else json.dumps(one).encode())
    return hashed.hexdigest()


def _written(found: Weights, origin: _Origin, parts: Collection[str]) -> Kept:
    proxies, trust = sorted(found.trust.beside_prior), found.trust
    rows = pa.table(
        {
            "proxy": pa.array(proxies, type=pa.string()),
            "beside_prior": pa.array([trust.beside_prior[proxy] for proxy in proxies], type=pa.float64()),
            "alone": pa.array([trust.alone[proxy] for proxy in proxies], type=pa.float64()),
        }
    )
    notes = {
        "origin": asdict(origin),
        "trust": {"prior": trust.prior, "kinship": trust.kinship, "n_datasets": trust.n_datasets},
        "diversity": found.diversity,
        "tried": found.tried,
    }
    return Kept(rows=rows, parts=frozenset(parts), notes=notes)


def _read(kept: Kept) -> tuple[Weights, _Origin] | None:
    """What was kept; `None` where that is something else, for anybody may have written it."""
    try:
        notes, columns = kept.notes, kept.rows.to_pydict()
        beside, alone = (
            {str(proxy): float(weight) for proxy, weight in zip(columns["proxy"], columns[name], strict=True)}
            for name in ("beside_prior", "alone")
        )
        trust = Trust(**{"beside_prior": beside, "alone": alone, **notes["trust"]})
        found = Weights(trust=trust, diversity=float(notes["diversity"]), tried=int(notes["tried"]))
        numbers = [trust.prior, trust.kinship, trust.n_datasets, found.diversity, *beside.values(), *alone.values()]
        return (found, _Origin(**notes["origin"])) if np.isfinite(numbers).all() else None
    except (pa.ArrowException, AttributeError, LookupError, TypeError, ValueError):
        return None
