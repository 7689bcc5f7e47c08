import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.history import Described, PerformanceMatrix
from raysel.recall import kinship as module
from raysel.recall import rank
from raysel.recall.kinship import MIN_MODELS, kinship

NAN = np.nan
MAKERS = ("good", "fair", "poor")


def families(seed: int = 0, *, members: int = 6, n_datasets: int = 10) -> tuple[tuple[str, ...], np.ndarray]:
    """Models whose maker, which their names tell, says how good they are; scores differ by luck beside it."""
    rng = np.random.default_rng(seed)
    models = tuple(f"{maker}/net{letter}" for maker in MAKERS for letter in "abcdefgh"[:members])
    level = np.repeat([0.9, 0.6, 0.3], members)[:, None]
    return models, level + rng.normal(scale=0.05, size=(len(models), n_datasets))


def expected(found) -> dict[str, float]:
    return {model: place.expected for model, place in found.placed.items()}


def test_a_new_model_stands_where_its_kin_do():
    models, values = families()
    found = kinship(models, values, ["good/netz", "poor/netz", "zzz"])
    place = found.placed
    assert place["good/netz"].expected > 0.8
    assert place["poor/netz"].expected < -0.8
    assert place["zzz"].expected == pytest.approx(0.0, abs=0.05)
    assert all(name.startswith("good/") for name in place["good/netz"].kin)
    # The less is akin, the less is known.
    assert place["good/netz"].uncertainty < place["zzz"].uncertainty


@pytest.mark.parametrize(
    "fact",
    [
        lambda maker: {"source": f"{maker}data"},
        lambda maker: {"family": f"{maker}net"},
        lambda maker: {"card": f"Trained by {maker} people on many a page."},
        lambda maker: {"parameters": {"good": 1e9, "fair": 1e8, "poor": 1e7, "zzz": None}[maker]},
    ],
    ids=["source", "family", "card", "size"],
)
def test_each_fact_can_tell(fact):
    models, values = families()
    names = [chr(0x4E00 + i) for i in range(len(models) + 3)]  # which say nothing
    makers = [name.split("/")[0] for name in models] + ["good", "poor", "zzz"]
    told = {name: Described(model=name, **fact(maker)) for name, maker in zip(names, makers, strict=True)}
    good, poor, other = names[-3:]
    place = expected(kinship(names[:-3], values, names[-3:], facts=lambda _: told))
    assert place[good] > 0.4
    assert place[poor] < -0.4
    assert place[poor] < place[other] < place[good]
    assert expected(kinship(names[:-3], values, names[-3:])) == {good: 0, poor: 0, other: 0}


def test_facts_are_asked_once_for_known_and_new():
    models, values = families()
    asked = []
    kinship(models, values, ["new"], facts=lambda names: asked.append(list(names)) or {})
    assert asked == [[*models, "new"]]


def test_where_names_tell_nothing_a_new_model_is_average():
    rng = np.random.default_rng(3)
    models = [f"{chr(0x4E00 + i)}" for i in range(30)]
    found = kinship(models, rng.normal(size=(30, 8)), ["new", models[0] + models[1]])
    assert found.share == 0
    assert expected(found) == {"new": 0.0, models[0] + models[1]: 0.0}
    assert all(place.kin == () and place.uncertainty > 0 for place in found.placed.values())


@pytest.mark.parametrize(
    ("models", "new"),
    [((), ["x"]), (tuple("abcd"), ["x"]), (tuple("abcdef"), [])],
    ids=["day one", f"fewer than {MIN_MODELS}", "nobody new"],
)
def test_nobody_is_placed(models, new):
    found = kinship(models, np.arange(2.0 * len(models)).reshape(-1, 2), new)
    assert (found.placed, found.share, found.elsewhere) == ({}, 0.0, {})


@pytest.mark.parametrize("values", [np.ones((6, 3)), np.tile([[1.0, -1.0], [-1.0, 1.0]], (3, 1))])
def test_nobody_is_placed_where_all_stand_alike(values):
    assert kinship([*"abcdef"], values, ["x"]).placed == {}


@pytest.mark.parametrize("names", [["-", "+", "*", "/", "=", "!"], [" ", "  ", "   ", "    ", "\t", "\n"], [*"abcdef"]])
def test_names_without_words(names):
    found = kinship(names[:5], np.arange(10.0).reshape(5, 2), names[5:])
    assert np.isfinite(found.placed[names[5]].expected)


def test_left_out_is_as_if_the_model_were_new():
    # Its own runs, and those on the dataset, have no part in it: what `elsewhere` says is what placing it anew says.
    models, values = families()
    values[0] = 5.0  # what its kin cannot know
    found = kinship(models, values, ["new"])
    assert max(abs(found.elsewhere["good/neta"])) < 3
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    assert z[0].mean() > 3


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_laws(seed):
    rng = np.random.default_rng(seed)
    models, values = families(seed % 7)
    values = np.where(rng.random(values.shape) < 0.3, NAN, values)
    values[:, 0] = rng.random(len(values))  # no empty row
    new = ["good/netz", "poor/netz"]
    found = kinship(models, values, new)
    assert all(0 <= place.uncertainty < 1.5 for place in found.placed.values())
    # The order of models and datasets, and the scale of a dataset, change nothing.
    rows, columns = rng.permutation(len(models)), rng.permutation(values.shape[1])
    other = kinship([models[i] for i in rows], (values * rng.uniform(1, 9, values.shape[1]))[rows][:, columns], new)
    assert expected(other) == pytest.approx(expected(found), abs=1e-6)
    for model in new:
        assert other.placed[model].uncertainty == pytest.approx(found.placed[model].uncertainty, abs=1e-6)


def test_a_new_upload_inherits_from_the_old_one():
    # Names tell nothing here, and yet the old upload says what to expect of the new one.
    rng = np.random.default_rng(3)
    models = [chr(0x4E00 + i) for i in range(20)]
    values = rng.normal(size=(20, 8)) + rng.normal(scale=2, size=(20, 1))
    best = int(values.mean(axis=1).argmax())
    models[best] = "net@2024"
    found = kinship(models, values, ["net", "other"])
    assert found.share == 0
    assert found.placed["net"].kin == ("net@2024",)
    assert found.placed["net"].expected > 0.5
    assert found.placed["net"].uncertainty < found.placed["other"].uncertainty
    zoo = PerformanceMatrix(models=tuple(models), datasets=tuple(f"d{j}" for j in range(8)), values=values)
    new, old = rank(zoo, ["net", "net@2024"]).entries[::-1]
    assert (new.model, old.model) == ("net", "net@2024")
    assert new.uncertainty > old.uncertainty  # its runs are not the new one's own


def test_in_a_large_zoo_a_part_teaches(monkeypatch):
    models, values = families(members=8)
    monkeypatch.setattr(module, "_LOOKED_AT", 20)
    monkeypatch.setattr(module, "_TAUGHT_BY", 8)
    found = kinship(models, values, ["good/netz"])
    # Those that teach are those most akin to the new one.
    assert {name.split("/")[0] for name in found.elsewhere} >= {"good"}
    assert len(found.elsewhere) == 8
    assert found.placed == kinship(models, values, ["good/netz"]).placed


# In a recall --------------------------------------------------------------------------------------------------------


def zoo() -> PerformanceMatrix:
    models, values = families()
    return PerformanceMatrix(models=models, datasets=tuple(f"d{j}" for j in range(values.shape[1])), values=values)


def test_a_new_model_is_recalled_for_its_kin():
    shortlist = rank(zoo(), [*zoo().models, "good/netz", "poor/netz"], top_k=8)
    entry = next(e for e in shortlist.entries if e.model == "good/netz")
    assert "poor/netz" not in shortlist.models
    assert entry.cluster is None
    assert entry.score > 0.8
    assert entry.reason.startswith("no history: as models like good/net")
    known = next(e for e in shortlist.entries if e.cluster is not None)
    assert entry.uncertainty is not None
    assert known.uncertainty is not None
    assert entry.uncertainty > known.uncertainty
    assert "2 without history placed by what is known of them" in shortlist.regime


@pytest.mark.parametrize(("explore", "places"), [(0.0, 0), (0.2, 1), (0.5, 2), (1.0, 3)])
def test_exploring_keeps_places_for_models_without_history(explore, places):
    new = ["poor/netx", "poor/nety", "poor/netz"]
    shortlist = rank(zoo(), [*zoo().models, *new], top_k=4, explore=explore)
    cold = [entry for entry in shortlist.entries if entry.cluster is None]
    assert len(cold) == places
    assert len(shortlist.entries) == 4
    assert all("recalled to explore" in entry.reason for entry in cold)
    # Those with history that are left are the best of them, in the same order.
    plain = [m for m in rank(zoo(), [*zoo().models, *new], top_k=4).models if m not in new]
    assert [e.model for e in shortlist.entries if e.cluster is not None] == plain[: 4 - places]


def test_whoever_is_recalled_anyway_counts_as_explored():
    candidates = [*zoo().models, "good/netz", "poor/netz"]
    plain = rank(zoo(), candidates, top_k=8)
    assert rank(zoo(), candidates, top_k=8, explore=0.125) == plain


def test_exploring_takes_the_one_that_may_be_best():
    # zzz is like nobody: average, but it may be far better than that; poor/netz is known to be poor.
    shortlist = rank(zoo(), [*zoo().models, "poor/netz", "zzz"], top_k=4, explore=0.25)
    assert [e.model for e in shortlist.entries if e.cluster is None] == ["zzz"]


def test_proxies_move_a_new_model_from_where_its_kin_stand():
    models, values = families()
    recorded = {(m, f"d{j}"): values[i, j] for i, m in enumerate(models) for j in range(values.shape[1])}
    candidates = [*models, "good/netz", "good/nety"]
    found = rank(
        zoo(),
        candidates,
        top_k=20,
        proxy_scores={"p": {**dict(zip(models, values[:, 0].tolist(), strict=True)), "good/netz": 9, "good/nety": -9}},
        recorded={"p": recorded},
    )
    score = {e.model: e.score for e in found.entries}
    plain = {e.model: e.score for e in rank(zoo(), candidates, top_k=20).entries}
    assert score["good/netz"] > score["good/nety"]
    assert plain["good/netz"] == pytest.approx(plain["good/nety"], abs=0.2)
