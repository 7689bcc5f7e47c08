"""Methods on every target of a history: rows, summaries, and their agreement with plain replays."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from ray import tune

from raysel import History
from raysel.cli import main
from raysel.errors import OptionError, UnknownNameError
from raysel.history.importers import import_file
from raysel.replay import fine_tune_all, successive_halving
from raysel.replay.comparison import compare
from raysel.replay.methods import METHODS, Setting, asha, lacking
from raysel.replay.metrics import interval, row, summarise
from raysel.replay.outcome import Costs, Replay, ReplayedTrial
from raysel.replay.snapshot import Snapshot
from raysel.replay.tasks import task
from tests.replay.recorded import DATASETS, MODELS, planted, run, tables


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Snapshot(planted(tmp_path_factory.mktemp("planted")))


@pytest.fixture(scope="module")
def olml(public_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    history = History.create(str(tmp_path_factory.mktemp("olml") / "history"))
    constants = {"metric": "accuracy", "mode": "max"}
    import_file(history, public_data / "olml_nlp" / "curves.csv", mapping={"step": "epoch"}, constants=constants)
    return Snapshot(history)


def test_every_method_runs_and_those_that_know_find_the_planted_best(history):
    rows = compare(history, top_k=4, gpus=(2, 8))
    there = [method for method in METHODS if method not in lacking(history)]
    assert set(METHODS) - set(there) <= {"largest-k", "tpe-asha-3", "default-own"}
    assert [(r.target, r.method) for r in rows] == [(d, m) for d in DATASETS for m in there]
    for one in rows:
        assert one.models == len(MODELS)
        assert one.regret >= 0
        assert one.makespan[8] <= one.makespan[2]
        assert one.seconds == pytest.approx(10 * one.steps)
        assert one.trainings == one.steps / 5
        # Ray's HyperBand ends a bracket of three at its third step, so that another bracket's trials come further.
        if one.method not in ("random-k", "hyperband-all", "tpe-asha-3"):
            assert (one.selected, one.regret, one.best_dropped) == ("m00", 0, False), one.method
    spent = {one.method: one.steps for one in rows}
    assert spent["fine-tune-all"] == 40
    assert spent["best-by-history"] == 5
    assert spent["default"] == spent["halving-k"] == spent["random-k"] == 4 + 2 + 1 + 1 + 1
    assert spent["one-stage-k"] == 4 + 4
    assert spent["halving-all"] == 8 + 4 + 2 + 1 + 1


def test_model_size_alone(tmp_path):
    history = planted(tmp_path)
    assert "parameters of 8 models, among them m00" in lacking(Snapshot(history))["largest-k"]
    with pytest.raises(OptionError, match="largest-k"):
        compare(Snapshot(history), methods=["largest-k"])
    sizes = {model: 10 + place for place, model in enumerate(MODELS)}  # the best is the smallest
    history.append(models=pd.DataFrame({"model": list(sizes), "parameters": list(sizes.values())}))
    sized = Snapshot(history)
    assert "largest-k" not in lacking(sized)
    by_size, at_random = compare(sized, methods=["largest-k", "random-k"], leave_out=["a"], top_k=3)
    finals = task(sized, "a").finals
    assert by_size.selected == max(MODELS[-3:], key=lambda model: finals[model])
    assert (by_size.best_dropped_at, by_size.steps) == (0, at_random.steps)
    assert by_size.mean_final == pytest.approx(np.mean([finals[model] for model in MODELS[-3:]]))


def test_optuna_proposes_as_many_trials_as_there_are_models(history):
    rows = compare(history, methods=["tpe-asha-3"], leave_out=["a"], seeds=3)
    assert rows == compare(history, methods=["tpe-asha-3"], leave_out=["a"], seeds=3)
    assert all(len(MODELS) <= one.steps < 5 * len(MODELS) for one in rows)
    assert {one.ended for one in rows} == {"finished"}


def test_methods_of_ones_own(history):
    family = {f"asha-{reduction}": asha(reduction) for reduction in (2, 5)}
    mild, hard = compare(history, methods=family, leave_out=["a"])
    assert (mild.method, hard.method) == ("asha-2", "asha-5")
    assert mild.steps > hard.steps
    assert hard == replace(compare(history, methods={"h": family["asha-5"]}, leave_out=["a"])[0], method="asha-5")


def test_how_far_the_best_came_counts_where_it_was_proposed_twice(history):
    replays = {1: finished(("m00", 1, 1, 0.4), ("m01", 5, None, 0.5), ("m00", 5, None, 0.9))}
    assert not row(task(history, "a"), replays, method="m", seed=0).best_dropped


def test_the_same_seed_gives_the_same_rows(history):
    methods = ("random-k", "asha-2-all", "hyperband-all")
    assert compare(history, methods=methods, seeds=3) == compare(history, methods=methods, seeds=3)
    rows = compare(history, methods=("random-k",), seeds=6, top_k=2)
    assert len({one.selected for one in rows}) > 1


def test_costs_lengthen_the_makespan_and_change_nothing_else(history):
    free, dear = (
        compare(history, methods=("default",), costs=costs)[0] for costs in (Costs(), Costs(start=6, pause=1))
    )
    assert dear.makespan[1] > free.makespan[1]
    assert (dear.selected, dear.steps) == (free.selected, free.steps)


def finished(*trials, **options):
    return Replay(
        trials=tuple(
            ReplayedTrial(model=model, steps=steps, seconds=1.0, stopped_at=stopped_at, score=score)
            for model, steps, stopped_at, score in trials
        ),
        makespan=9.0,
        **options,
    )


@pytest.mark.parametrize(
    ("trials", "selected", "regret", "to_all", "dropped", "at", "mean_final"),
    [
        # finals: a 0.9, b 0.7, c 0.5; the last validation score of b is the best
        ([("a", 2, None, 0.6), ("b", 1, 1, 0.9)], "a", 0.0, -0.2, False, None, 0.8),
        ([("a", 1, 1, 0.6), ("b", 2, None, 0.9)], "b", 0.2, 0.0, True, 1, 0.8),
        ([("b", 1, 1, 0.6), ("c", 2, None, 0.5)], "c", 0.4, 0.2, True, 0, 0.6),
    ],
)
def test_a_row_by_hand(tmp_path, trials, selected, regret, to_all, dropped, at, mean_final):
    history = History.create(str(tmp_path / "history"))
    curves = [
        run("a", [0.5, 0.6], final=0.9, seconds=None),
        run("b", [0.5, 0.9], final=0.7, seconds=None),
        run("c", [0.4, 0.5], seconds=None),
    ]
    history.append(**tables(curves))
    found = row(task(Snapshot(history), "target"), {4: finished(*trials)}, method="m", seed=0)
    assert (found.selected, found.best_dropped, found.best_dropped_at) == (selected, dropped, at)
    assert (found.regret, found.regret_to_all) == (pytest.approx(regret), pytest.approx(to_all))
    assert found.relative_regret == pytest.approx(regret / 0.2), "a choice at random has a final of 0.7"
    assert (found.steps, found.trainings, found.seconds, found.makespan) == (3, 1.5, None, {4: 9.0})
    assert found.mean_final == pytest.approx(mean_final)


def test_a_row_tells_of_a_hang_on_any_number_of_gpus(history):
    replays = {1: finished(("m00", 5, None, 0.9)), 4: finished(("m00", 5, None, 0.9), ended="time budget")}
    assert row(task(history, "a"), replays, method="m", seed=0).ended == "time budget"
    assert row(task(history, "a"), {1: replays[1]}, method="m", seed=0).ended == "finished"


def test_seeds_are_averaged_before_targets(history):
    rows = compare(history, methods=("random-k",), top_k=2, seeds=4, leave_out=["a", "b"])
    (standing,) = summarise(rows)
    by_target = [np.mean([one.regret for one in rows if one.target == target]) for target in ("a", "b")]
    assert (standing.targets, standing.mean_regret) == (2, pytest.approx(np.mean(by_target)))
    assert min(by_target) <= standing.ci95[0] <= standing.mean_regret <= standing.ci95[1] <= max(by_target)
    assert standing == summarise(rows)[0]


def test_the_bootstrap_interval_is_that_of_a_mean():
    values = np.random.default_rng(0).normal(size=400).tolist()
    low, high = interval(values)
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(values) / 20, rel=0.05)
    assert low < np.mean(values) < high


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"methods": ["best"]}, UnknownNameError, "method"),
        ({"methods": []}, OptionError, "methods"),
        ({"leave_out": ["z"]}, UnknownNameError, "dataset"),
        ({"gpus": []}, OptionError, "gpus"),
        ({"gpus": [1, 0]}, OptionError, "gpus"),
        ({"seeds": 0}, OptionError, "seeds"),
        ({"top_k": -1}, OptionError, "top_k"),
        ({"top_k": True}, OptionError, "top_k"),
    ],
)
def test_bad_options_are_refused(history, options, error, words):
    with pytest.raises(error, match=words):
        compare(history, **options)


def test_a_history_without_past_cannot_be_replayed(tmp_path):
    with pytest.raises(OptionError, match="at least two models"):
        compare(Snapshot(History.create(str(tmp_path / "history"))))


def test_the_engine_and_the_plain_baselines_agree_on_real_runs(olml):
    rows = compare(
        olml, methods=("fine-tune-all", "halving-all"), leave_out=["sst2", "boolq", "cola", "stsb"], gpus=(3,)
    )
    for one in rows:
        curves = list(task(olml, one.target).runs.values())
        plain = (fine_tune_all if one.method == "fine-tune-all" else successive_halving)(curves)
        assert one.steps == plain.steps
        finals = {curve.model: curve.final for curve in curves}
        values = {curve.model: curve.values[-1] for curve in curves}
        assert one.selected == plain.selected or values[one.selected] == values[plain.selected], "equal but for ties"
        assert one.regret == pytest.approx(max(finals.values()) - finals[one.selected])


def test_the_recalled_are_those_of_the_default(olml):
    setting = Setting(task=task(olml, "sst2"), top_k=10, seed=0)
    rows = compare(olml, methods=("default", "halving-k"), leave_out=["sst2"])
    assert len(setting.recalled) == 10
    assert rows[0].mean_final == rows[1].mean_final
    assert rows[0].mean_final == pytest.approx(np.mean([setting.task.finals[model] for model in setting.recalled]))


def test_the_table_of_the_released_curves(olml):
    """By the real objects: halving on the recalled 10 costs 19 epochs and loses about 0.028."""
    datasets = sorted({curve.dataset for curve in olml.curves()} - {"amazon", "tweet_eval"})
    summary = {
        one.method: one
        for one in summarise(
            compare(olml, methods=("default", "halving-k", "one-stage-k", "best-by-history"), leave_out=datasets)
        )
    }
    assert summary["default"].mean_steps == pytest.approx(15.5, abs=0.5)
    assert {name: one.mean_steps for name, one in summary.items() if name != "default"} == {
        "halving-k": 19,
        "one-stage-k": 14,
        "best-by-history": 5,
    }
    assert summary["halving-k"].mean_regret == pytest.approx(0.028, abs=0.002)
    assert summary["one-stage-k"].mean_regret == pytest.approx(0.043, abs=0.002)
    assert summary["best-by-history"].mean_regret == pytest.approx(0.049, abs=0.003)
    assert summary["default"].mean_regret == pytest.approx(0.026, abs=0.003)


def test_the_command_tells_it_to_people_and_machines(history, tmp_path):
    runner = CliRunner()
    asked = ["replay", history.uri, "--methods", "default,fine-tune-all", "--gpus", "2,1", "--top-k", "3"]
    table = runner.invoke(main, [*asked, "--leave-out", "a", "--leave-out", "b"])
    assert table.exit_code == 0, table.output
    assert "Means over 2 datasets" in table.stdout
    assert table.stdout.index("default") < table.stdout.index("fine-tune-all")
    assert "replaying on a (8 models)" in table.stderr
    chart = tmp_path / "chart.svg"
    answer = runner.invoke(main, [*asked, "--json", "--chart", str(chart)])
    told = json.loads(answer.stdout)
    assert set(told) == {"rows", "summary"}
    assert len(told["rows"]) == 8
    assert set(told["rows"][0]["makespan"]) == {"2", "1"}
    assert told["rows"][0]["selected"] == "m00"
    assert [one["method"] for one in told["summary"]] == ["default", "fine-tune-all"]
    assert "<svg" in chart.read_text()
    help_text = runner.invoke(main, ["replay", "--help"]).stdout
    for name in set(told["rows"][0]) | set(told["summary"][0]):
        assert f"`{name}`" in help_text
    for name in METHODS:
        shown = re.sub("^asha-[34]", "asha-2", name)
        assert re.search(rf"^ +{shown}  ", help_text, re.MULTILINE), name


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_charts_are_the_same_bytes_again(history, tmp_path, ending):
    from raysel.report.replay_chart import replay_chart

    summary = summarise(compare(history, methods=("default", "paper"), leave_out=["a", "b"]))
    for name in ("one", "two"):
        replay_chart(summary, str(tmp_path / f"{name}.{ending}"), title="t")
    first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two"))
    assert first == second
    assert len(first) > 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--methods", "best"], "no method is named 'best'"),
        (["--gpus", "1,x"], "gpus"),
        (["--gpus", "0"], "gpus"),
        (["--seeds", "0"], "seeds"),
        (["--top-k", "0"], "top_k"),
        (["--leave-out", "z"], "no dataset is named 'z'"),
        (["--chart", "chart.pdf"], "chart"),
        (["--chart", "nowhere/chart.png"], "chart"),
    ],
)
def test_bad_input_ends_in_one_line(history, options, words):
    found = CliRunner().invoke(main, ["replay", history.uri, *options])
    assert (found.exit_code, found.stdout) == (2, "")
    assert words in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_rows_are_plain_data(history):
    found = compare(history, methods=("default",), leave_out=["a"])[0]
    assert json.loads(json.dumps(asdict(found)))["selected"] == found.selected


def test_recorded_proxies_are_used_paid_for_and_trusted_as_far_as_the_past_shows(tmp_path):
    history = planted(tmp_path)
    # On every dataset the proxy knows the order of the models.
    history.append(
        proxies=pd.DataFrame(
            [(model, d, "logme", 1.0 - 0.1 * rank, 2.0) for rank, model in enumerate(MODELS) for d in DATASETS],
            columns=["model", "dataset", "proxy", "value", "seconds"],
        )
    )
    setting = Setting(task=task(Snapshot(history), "a"), top_k=3, seed=0)
    searcher = setting.recalling("default")
    methods = ("default", "halving-k", "best-by-history", "halving-all")
    rows = compare(Snapshot(history), methods=methods, leave_out=["a"], top_k=3, gpus=(1, 2))
    assert searcher.set_search_properties("score", "max", {"model": tune.choice(list(MODELS))})
    assert searcher.shortlist is None
    assert searcher.suggest("t")["model"] == "m00"
    assert searcher.shortlist.proxies == ("logme",)
    assert "logme" in searcher.shortlist.regime
    assert searcher.spent > 0
    assert [one.proxy_seconds for one in rows] == [searcher.spent] * 3 + [0.0]
    assert all(one.seconds == 10 * one.steps + one.proxy_seconds for one in rows)
    assert rows[2].makespan == {1: 50 + searcher.spent, 2: 50 + searcher.spent / 2}


def recalled(setting, **options):
    searcher = setting.recalling("default", **options)
    assert searcher.set_search_properties("score", "max", {"model": tune.choice(list(MODELS))})
    searcher.suggest("t")
    return searcher


def test_several_recorded_proxies_are_used_together_and_one_pass_is_paid_for(tmp_path):
    history = planted(tmp_path)
    scores = {"logme": [1.0 - 0.1 * rank for rank in range(8)], "leep": [0.1 * rank for rank in range(8)]}
    history.append(
        proxies=pd.DataFrame(
            [
                (model, d, proxy, values[rank], {"logme": 2.0, "leep": 3.0}[proxy])
                for rank, model in enumerate(MODELS)
                for d in DATASETS
                for proxy, values in scores.items()
            ],
            columns=["model", "dataset", "proxy", "value", "seconds"],
        )
    )
    setting = Setting(task=task(Snapshot(history), "a"), top_k=3, seed=0)
    # 2 and 3 seconds with the same forward pass in them, which is at most 2: 3 at least. Two clusters of four.
    both = recalled(setting, proxies=["leep", "logme", "knn"])
    assert (both.shortlist.proxies, both.spent) == (("leep", "logme"), 2 * 3.0)
    assert "leep 0.00, logme 0." in both.shortlist.regime, "leep has the order turned round"
    own = recalled(setting, proxies=["leep", "logme"], propagate="own")
    assert own.spent == 8 * 3.0
    assert [entry.proxies["logme"] for entry in own.shortlist.entries] == scores["logme"][:3]
    alone = recalled(setting)
    assert (alone.shortlist.proxies, alone.spent) == (("logme",), 2 * 2.0), "by default logme, where it is recorded"
    rows = compare(Snapshot(history), methods=("default", "default-own"), leave_out=["a"], top_k=3)
    assert [one.proxy_seconds for one in rows] == [2 * 2.0, 8 * 2.0]
