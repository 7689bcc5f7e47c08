"""The paper's released matrices and recall (skipped without the public data)."""

import pandas as pd
import pytest

from raysel.history import PerformanceMatrix
from raysel.recall import cluster, rank, to_score

ZOOS = [("NLP", 0.09, [7, 5, 5, 4, 3, 3, 2, 2] + [1] * 8), ("CV", 0.03, [14, 7, 4, 2, 2, 1])]


@pytest.fixture(params=ZOOS, ids=["text", "image"])
def released(request, public_data):
    domain, tau, sizes = request.param
    tables = {}
    for name in ("matrix", "proxies", "released_recall"):
        table = pd.read_csv(public_data / "two_phase_paper" / f"{name}.csv")
        tables[name] = table[table.domain == domain]
    wide = tables["matrix"].pivot_table(index="model", columns="dataset", values="value")
    zoo = PerformanceMatrix(models=tuple(wide.index), datasets=tuple(wide.columns), values=wide.to_numpy(dtype=float))
    leep = dict(zip(tables["proxies"].model, tables["proxies"].value, strict=True))
    return zoo, tau, sizes, leep, tables["released_recall"].sort_values("rank")


def test_clusters(released):
    zoo, tau, sizes, _, _ = released
    clustering = cluster(zoo, method="paper", tau=tau)
    assert [len(c) for c in clustering.clusters] == sizes
    assert len(to_score(zoo, zoo.models, clustering, method="paper")) == sum(size > 1 for size in sizes)


def test_released_recall(released):
    zoo, tau, _, leep, expected = released
    shortlist = rank(zoo, zoo.models, method="paper", tau=tau, top_k=15, proxy_scores={"leep": leep}, propagate="own")
    assert [e.score for e in shortlist.entries] == pytest.approx(expected.score.tolist(), rel=1e-12)
    # The released program leaves equal scores in another order.
    place = expected.set_index("model").score.round(12)
    assert [place[m] for m in shortlist.models] == place.tolist()


def test_spread_scores_give_another_image_list(released):
    zoo, tau, sizes, leep, expected = released
    options = {"method": "paper", "tau": tau, "top_k": 15}
    shortlist = rank(zoo, zoo.models, proxy_scores={"leep": leep}, **options)
    assert ({*shortlist.models} == {*expected.model}) == (len(sizes) == 16)
    # Only the representatives' scores are looked at.
    wanted = to_score(zoo, zoo.models, cluster(zoo, method="paper", tau=tau), method="paper")
    assert rank(zoo, zoo.models, proxy_scores={"leep": {m: leep[m] for m in wanted}}, **options) == shortlist
