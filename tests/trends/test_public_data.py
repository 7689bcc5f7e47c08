"""Fine selection on the paper's own released curves: the table of DESIGN section 6, from its recall to its regret."""

import numpy as np
import pandas as pd
import pytest

from raysel.history import Curve
from raysel.replay import fine_tune_all, successive_halving
from raysel.trends import Progress, decide, mine, stages, winner
from raysel.trends.outlook import past_gain, predict

EPOCHS, TOP_K = 5, 10


@pytest.fixture(scope="module")
def curves(public_data):
    table = pd.read_csv(public_data / "olml_nlp" / "curves.csv")
    table = table[table.dataset != "amazon"]  # nearly empty
    finals = table[table.split == "test"].set_index(["model", "dataset"]).value
    return [
        Curve(
            run_id=f"{model}/{dataset}",
            model=model,
            dataset=dataset,
            status="completed",
            planned_steps=EPOCHS,
            steps=run.epoch.to_numpy(float),
            values=run.value.to_numpy(),
            final=finals[model, dataset],
        )
        for (model, dataset), run in table[table.split == "val"].groupby(["model", "dataset"])
    ]


@pytest.fixture(scope="module")
def targets(curves):
    """By target: its curves, all others, and the recall prior of its models (sum of z-scores / (number + 2))."""
    finals = pd.DataFrame([(c.model, c.dataset, c.final) for c in curves], columns=["model", "dataset", "final"])
    matrix = finals.pivot_table(index="model", columns="dataset", values="final")
    found = {}
    for target in matrix.columns[matrix.notna().sum() >= 39]:
        rest = matrix.drop(columns=target)
        z = (rest - rest.mean()) / rest.std(ddof=0)
        own = {c.model: c for c in curves if c.dataset == target}
        prior = (z.sum(axis=1) / (z.notna().sum(axis=1) + 2))[sorted(own)].sort_values(ascending=False, kind="stable")
        found[target] = own, [c for c in curves if c.dataset != target], prior
    assert len(found) == 30
    return found


def fine_selection(own, rest, prior, *, method):
    """The final of the selected model and the epochs spent on the models recalled."""
    top = prior.head(TOP_K)
    z = (top - top.mean()) / top.std(ddof=0)
    trends = mine(rest, lower_is_better=False)
    live, spent, before = list(top.index), 0.0, 0.0
    opening = [own[m].at(1 / EPOCHS) for m in live]
    for stage in stages(method=method, max_t=EPOCHS):
        spent += len(live) * (stage - before)
        progress = [
            Progress(trial=m, model=m, score=own[m].at(stage / EPOCHS), rank=top.index.get_loc(m), prior=z[m])
            for m in live
        ]
        decisions = decide(
            progress,
            method=method,
            fraction=stage / EPOCHS,
            trends=trends,
            ahead=[epoch / EPOCHS for epoch in range(int(stage) + 1, EPOCHS + 1)],
            opening=opening,
            first=1 / EPOCHS,
        )
        live, before = [m for m in live if decisions[m].action == "continue"], stage
    return own[winner([p for p in progress if p.trial in live])].final, spent


def mean_regret_and_epochs(targets, choose):
    """Over all targets, for a function of (own curves, past curves, prior) to (final, epochs)."""
    found = []
    for own, rest, prior in targets.values():
        final, epochs = choose(own, rest, prior)
        found.append((max(c.final for c in own.values()) - final, epochs))
    return np.mean(found, axis=0)


# k-means started ten times, as defined; started three times the paper's method has .042 @ 15.6.
@pytest.mark.parametrize(("method", "regret", "epochs"), [("paper", 0.043, 15.3), ("default", 0.026, 15.5)])
def test_fine_selection_on_the_ten_recalled(targets, method, regret, epochs):
    found = mean_regret_and_epochs(targets, lambda *task: fine_selection(*task, method=method))
    assert found[0] == pytest.approx(regret, abs=0.001)
    assert found[1] == pytest.approx(epochs, abs=0.3)


# The table breaks equal scores by recall, these by name.
@pytest.mark.parametrize(
    ("baseline", "regret", "epochs"), [(fine_tune_all, 0.027, 241), (successive_halving, 0.025, 92)]
)
def test_the_baselines_on_all_models(targets, baseline, regret, epochs):
    def choose(own, *_):
        outcome = baseline(list(own.values()))
        return outcome.score, outcome.steps

    found = mean_regret_and_epochs(targets, choose)
    assert found[0] == pytest.approx(regret, abs=0.004)
    assert found[1] == pytest.approx(epochs, abs=0.5)


@pytest.mark.parametrize("epoch", [1, 2, 5])
def test_the_default_predicts_no_worse_than_the_last_score_and_its_intervals_hold(targets, epoch):
    last, predicted, within = [], [], []
    for own, rest, _ in targets.values():
        gain = past_gain(mine(rest, lower_is_better=False), epoch / EPOCHS)
        for curve in own.values():
            score = curve.at(epoch / EPOCHS)
            final, (low, high) = predict(gain, score)
            last.append(abs(score - curve.final))
            predicted.append(abs(final - curve.final))
            within.append(low <= curve.final <= high)
    assert np.mean(predicted) < np.mean(last) + 0.0005
    assert np.mean(within) == pytest.approx(0.8, abs=0.03)
