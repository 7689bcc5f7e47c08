"""Every file of public results is imported; what is expected of it was counted apart from the importer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raysel.history import History
from raysel.history.importers import import_file

SLOW = pytest.mark.slow

# File, --map, --set, --scale, (models, datasets, cells) of the matrix, validation curves.
RESULTS = [
    ("olml_nlp/curves.csv", {"step": "epoch"}, {"metric": "accuracy", "mode": "max"}, 1, (58, 32, 1479), 1479),
    ("two_phase_paper/matrix.csv", {}, {}, 1, (69, 27, 999), 0),
    ("llm_finetune_scaling/curves.csv", {}, {"split": "val"}, 1, (30, 3, 90), 90),
    ("llm_finetune_scaling/curves.csv", {}, {}, 1, (30, 3, 90), 0),
    ("taskonomy/matrix.csv", {"config.regime": "regime"}, {"primary_metric": "wins_vs_pixels"}, 1, (29, 23, 665), 0),
    ("tabular_dl/matrix.parquet", {"seconds": "time_s"}, {}, 1, (55, 114, 2671), 39740),
    ("medical_transfer/matrix.csv", {"seconds": "duration_s"}, {"primary_metric": "auc"}, 1, (23, 12, 256), 26506),
    ("model_recycling/matrix.csv", {"config.base": "base", "config.row": "source_row"}, {}, 0.01, (1268, 36, 45648), 0),
    pytest.param("lcdb11/curves.parquet", {}, {}, 1, (28, 265, 7204), 7204, marks=SLOW),
    pytest.param("taskset_text/curves.parquet", {}, {"nan": "failed"}, 1, (1000, 12, 11083), 12000, marks=SLOW),
    pytest.param("nas_bench_graph/matrix.parquet", {}, {}, 1, (26206, 9, 211669), 211669, marks=SLOW),
]


@pytest.mark.parametrize(("file", "mapping", "constants", "scale", "size", "curves"), RESULTS)
def test_a_file_of_results_is_imported(
    public_data: Path,
    history: History,
    file: str,
    mapping: dict[str, str],
    constants: dict[str, str],
    scale: float,
    size: tuple[int, int, int],
    curves: int,
) -> None:
    import_file(history, public_data / file, mapping=mapping, constants=constants, scale=scale)
    matrix = history.matrix()
    assert (*matrix.values.shape, int(np.sum(~np.isnan(matrix.values)))) == size
    assert len(history.curves()) == curves
    assert history.check() == []


@pytest.mark.parametrize(
    ("file", "options", "rows"),
    [
        ("olml_nlp/proxies.csv", {}, 195),
        ("two_phase_paper/proxies.csv", {}, 69),
        ("medical_transfer/proxies.csv", {}, 2090),
        ("model_recycling/proxies.csv", {"mapping": {"revision": "base"}, "constants": {"repeats": "first"}}, 2678),
    ],
)
def test_a_file_of_proxies_is_imported(
    public_data: Path, history: History, file: str, options: dict[str, dict[str, str]], rows: int
) -> None:
    import_file(history, public_data / file, **options)  # type: ignore[arg-type]
    assert len(history.proxies()) == rows


def test_finals_and_curves_are_those_of_the_file(public_data: Path, history: History) -> None:
    path = public_data / "olml_nlp" / "curves.csv"
    import_file(history, path, mapping={"step": "epoch"}, constants={"metric": "accuracy", "mode": "max"})
    rows = pd.read_csv(path)
    test = rows[rows["split"] == "test"].pivot(index="model", columns="dataset", values="value")
    matrix = history.matrix()
    np.testing.assert_array_equal(matrix.values, test.loc[list(matrix.models), list(matrix.datasets)].to_numpy())
    validation = rows[rows["split"] == "val"].groupby(["dataset", "model"])["value"].agg(list)
    assert {(curve.dataset, curve.model): curve.values.tolist() for curve in history.curves()} == validation.to_dict()
    assert all(curve.steps.tolist() == [1, 2, 3, 4, 5] for curve in history.curves())


def test_the_best_configuration_by_validation_makes_the_cell(public_data: Path, history: History) -> None:
    path = public_data / "medical_transfer" / "matrix.csv"
    import_file(history, path, constants={"primary_metric": "auc"})
    rows = pd.read_csv(path).drop_duplicates(["model", "dataset", "config", "metric"])
    wide = rows.pivot(index=["model", "dataset", "config"], columns="metric", values="value").dropna(subset=["val_auc"])
    best = wide.sort_values("val_auc").groupby(["model", "dataset"])
    # Where several configurations validate equally well the file does not say which one is meant.
    alone = best["val_auc"].agg(lambda values: (values == values.max()).sum() == 1)
    expected = best["test_auc"].last()[alone]
    matrix = history.matrix()
    found = [matrix.values[matrix.row[model], matrix.datasets.index(dataset)] for model, dataset in expected.index]
    assert len(found) > 150
    np.testing.assert_array_equal(found, expected.to_numpy())
