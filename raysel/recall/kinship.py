"""Where models without runs stand, by what is known of them and of the models that have runs.

Siblings stand alike: checkpoints of one series, sizes of one family, models tuned on the same source. How far that
holds in this zoo is learned from the models that have runs, each left out in turn.

Notation
    m (n,)     mean z-scores of the known models, over c (n,) datasets each
    K (n, n)   how akin two models are, in [0, 1]: the cosines of what is said of them (TF-IDF of the words of names,
               sources, families and cards, and of the letters of names), averaged; and how near their sizes are.
               In place of the words' may stand the cosines of sentence embeddings (Reimers and Gurevych 2019)
    R (n, n)   1 between a model and itself, r between revisions of one: `NAME` and `NAME@REVISION`; else 0
    f (n,)     standings, f ~ N(0, v C), C = s K + (1 - s) R: v their variance, s the share that kin have in common
    w          the variance of a model's z-scores about its mean, so that m ~ N(f, w / c)

A new model's standing is then the posterior of a Gaussian process (Rasmussen and Williams 2006, equations 2.25, 2.26;
left out in turn by 5.12): the expectation is pulled to 0, the average, as far as nothing is akin to it. A model that
was uploaded again under its old name is a new one, which starts from where the old one stood.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.feature_extraction.text import TfidfVectorizer

from raysel.arrays import FloatArray, IntArray
from raysel.history import Described
from raysel.recall.embeddings import Embed, cosines
from raysel.recall.prior import standardise, within

MIN_MODELS = 5
"""Models with runs that it takes to learn what kinship is worth."""

_LOOKED_AT, _TAUGHT_BY = 5_000, 1_000
"""Of so many known models, drawn at random, the standings are learned from so many, those most akin to the new."""
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
_OCTAVES = 1.0  # sizes that differ by a factor of 2 are one deviation of the kernel apart
_REVISION = 0.8  # r; how alike uploads of one name are, no table of results tells
_NAMED = 2  # of the kin of a model, in reasons


_words = re.compile(r"[^\W\d_]+|\d+").findall


Facts = Callable[[Sequence[str]], Mapping[str, Described]]
"""What is known of models, by their names; of those that are not in the answer their names alone are."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a model without runs is expected to stand.

    Args:
        expected: Its mean z-score, in deviations of finals.
        uncertainty: The deviation of that.
        kin: The known models that are most akin to it, the nearest first; none where nothing is.
    """

    expected: float
    uncertainty: float
    kin: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Kinship:
    """What kinship is worth in a zoo, and where it puts the models without runs.

    Args:
        placed: The models without runs, by name.
        share: s, in [0, 1): 0 where kinship tells nothing.
        elsewhere: Where known models would have been put without runs of their own, and without one dataset: by model,
            (n_datasets,), a value a dataset left out.
    """

    placed: Mapping[str, Placed] = field(default_factory=dict)
    share: float = 0.0
    elsewhere: Mapping[str, FloatArray] = field(default_factory=dict)


def kinship(
    models: Sequence[str],
    values: FloatArray,
    new: Sequence[str],
    *,
    facts: Facts | None = None,
    embed: Embed | None = None,
    seed: int = 0,
) -> Kinship:
    """Place models without runs among those that have some.

    Args:
        models: n_models names, those of rows.
        values: (n_models, n_datasets) finals, higher is better, NaN where not measured; no empty row.
        new: The models without runs.
        facts: Asked once, for what is known of either.
        embed: Embeds what is said of models, of the known those that teach (`raysel.recall.embeddings`).
        seed: Draws the known models that are looked at, where there are more than 5,000.

    Returns:
        Nobody is placed where fewer than `MIN_MODELS` have runs, or all of those stand alike.

    >>> names = [f"{maker}/net-{size}" for maker in ("good", "bad") for size in "abc"]
    >>> values = np.array([[0.9, 0.8], [0.8, 0.9], [0.9, 0.9], [0.2, 0.1], [0.1, 0.2], [0.1, 0.1]])
    >>> found = kinship(names, values, ["good/net-d", "bad/net-d", "other"])
    >>> [round(place.expected, 1) for place in found.placed.values()]
    [0.9, -0.9, 0.0]
    """
    if len(models) < MIN_MODELS or not new:
        return Kinship()
    z = standardise(values)
    looked_at = np.sort(np.random.default_rng(seed).permutation(len(models))[:_LOOKED_AT])
    asked = [*(models[i] for i in looked_at), *new]
    known = facts(asked) if facts is not None else {}
    told = [known.get(name, Described(model=name)) for name in asked]
    kernels, rows = _kernels(told, len(looked_at), embed)
    rows_of = looked_at[rows]
    z, names = z[rows_of], [models[i] for i in rows_of]
    measured = ~np.isnan(z)
    count, total = measured.sum(axis=1), np.nansum(z, axis=1)
    m = total / count
    v = float(np.mean(m**2))
    if v < 1e-12:
        return Kinship()
    noise = within(z) / count
    revisions = _revisions([*names, *new], len(names))
    share, kernel = _best(kernels, revisions, m, v, noise)
    C = _together(kernel, revisions, share)
    k = C[len(names) :]
    inverse = _inverse(C[: len(names)], v, noise)
    weights = v * k @ inverse  # (n_new, n)
    left = v - np.sum(weights * v * k, axis=1)
    others = (total[:, None] - np.nan_to_num(z)) / np.maximum(count[:, None] - measured, 1)
    nearest = np.argsort(-np.round(k, 12), axis=1, kind="stable")[:, :_NAMED]
    return Kinship(
        placed={
            name: Placed(
                expected=float(expected),
                uncertainty=float(np.sqrt(max(variance, 0.0))),
                kin=tuple(names[j] for j in near if akin[j] > 0),
            )
            for name, expected, variance, near, akin in zip(new, weights @ m, left, nearest, k, strict=True)
        },
        share=share,
        elsewhere=dict(zip(names, _left_out(inverse, others), strict=True)),
    )


def inherited(models: Sequence[str], z: FloatArray, new: Sequence[str]) -> dict[str, Placed]:
    """Where models stand of which an older upload is among the leading models of a larger zoo, by that alone.

    Of a zoo of which only those that lead are at hand, v is what of the variance of z-scores, 1, is not w.

    Args:
        models: n_models names, those of rows.
        z: (n_models, n_datasets) z-scores in the whole zoo, NaN where not measured; no empty row.
        new: The models without runs; those without an older upload are not placed.

    >>> places = inherited(["net@2024", "other"], np.array([[1.0, 1.5, 2.0], [0.0, 0.5, 0.0]]), ["net", "else"])
    >>> {name: (round(place.expected, 1), place.kin) for name, place in places.items()}
    {'net': (1.1, ('net@2024',))}
    """
    wanted, older = set(new), dict[str, int]()
    count, w = (~np.isnan(z)).sum(axis=1), within(z)
    v = max(1 - w, 0.0)
    for row, name in enumerate(models):
        base = name.rpartition("@")[0]
        if base in wanted and (base not in older or count[row] > count[older[base]]):
            older[base] = row
    return {
        name: Placed(
            expected=float(_REVISION * (told := v / (v + w / count[row])) * np.nanmean(z[row])),
            uncertainty=float(np.sqrt(v * (1 - _REVISION**2 * told))),
            kin=(models[row],),
        )
        for name, row in older.items()
    }


def _best(
    kernels: Sequence[FloatArray], revisions: FloatArray, m: FloatArray, v: float, noise: FloatArray
) -> tuple[float, FloatArray]:
    """The share and the kernel that put each model best without its own runs.

    The first of equals; and share 0 unless it is better than average by a standard error (Breiman et al. 1984).
    """
    n, found, most = len(m), (0.0, kernels[0]), 0.0
    for kernel in kernels:
        for share in _SHARES:
            inverse = _inverse(_together(kernel, revisions, share)[:n], v, noise)
            gains = m**2 - (m - _left_out(inverse, m[:, None])[:, 0]) ** 2
            gain = float(gains.mean())
            if gain > most * (1 + 1e-9) and gain > gains.std() / np.sqrt(n):
                most, found = gain, (share, kernel)
    return found


def _together(kernel: FloatArray, revisions: FloatArray, share: float) -> FloatArray:
    """(n + n_new, n) C, of known and new models with the known."""
    together: FloatArray = share * kernel + (1 - share) * revisions
    return together


def _revisions(names: Sequence[str], n: int) -> FloatArray:
    """(len(names), n) R, of all with the first n."""
    number: dict[str, int] = {}
    base = np.array([number.setdefault(name.rpartition("@")[0] or name, len(number)) for name in names])
    same: FloatArray = _REVISION * (base[:, None] == base[None, :n])
    same[np.arange(n), np.arange(n)] = 1.0
    return same


def _inverse(C: FloatArray, v: float, noise: FloatArray) -> FloatArray:
    inverse: FloatArray = cho_solve(cho_factor(v * C + np.diag(noise), overwrite_a=True), np.eye(len(C)))
    return inverse


def _left_out(inverse: FloatArray, m: FloatArray) -> FloatArray:
    """(n, columns) what each row is expected to be, of all others."""
    left: FloatArray = m - inverse @ m / np.diag(inverse)[:, None]
    return left


def _kernels(told: Sequence[Described], n_known: int, embed: Embed | None) -> tuple[list[FloatArray], IntArray]:
    """(n + n_new, n) by what is said alone and, where sizes are known, by sizes too; and the n rows that teach."""
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    texts = [letters.fit_transform([one.named for one in told])]
    said = [f"{one.named} {one.card.lower()}" for one in told]
    if any(map(_words, said)):
        texts.append(TfidfVectorizer(analyzer=_words, sublinear_tf=True).fit_transform(said))
    rows = np.arange(n_known)
    if n_known > _TAUGHT_BY:
        nearest = np.zeros(n_known)
        for start in range(n_known, len(told), _TAUGHT_BY):
            near = sum((x[:n_known] @ x[start : start + _TAUGHT_BY].T).toarray() for x in texts)
            nearest = np.maximum(nearest, near.max(axis=1))
        rows = np.sort(np.argsort(-nearest.round(12), kind="stable")[:_TAUGHT_BY])
    every = np.concatenate([rows, np.arange(n_known, len(told))])
    itself = np.arange(len(rows)), np.arange(len(rows))
    akin = [(x[every] @ x[rows].T).toarray() for x in texts]
    if embed is not None:
        akin = [akin[0], cosines(embed([said[i] for i in every]), len(every))[:, : len(rows)]]
    text: FloatArray = sum(akin) / len(akin)
    text[itself] = 1.0
    size = np.log2([told[i].parameters or np.nan for i in every])
    if np.isnan(size[: len(rows)]).all():
        return [text], rows
    near = np.nan_to_num(np.exp(-0.5 * ((size[:, None] - size[None, : len(rows)]) / _OCTAVES) ** 2))
    near[itself] = 1.0
    return [text, (text + near) / 2], rows
