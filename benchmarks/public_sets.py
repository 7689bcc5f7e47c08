"""The sets that methods are judged on: public result tables, and the mini zoo that ships.

The public tables are read from the folder that the environment variable RAYSEL_DATA names; without it only the mini zoo
is there. A *curve set* has recorded runs, so that whole selections can be replayed on it; a *matrix set* has finals
alone, which is enough for recall.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from raysel import History, zoo
from raysel.history import PerformanceMatrix
from raysel.history.importers import import_file
from raysel.replay.snapshot import Snapshot
from raysel.replay.tasks import targets

Scores = Mapping[tuple[str, str], float]
"""Proxy scores by (model, dataset)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveSet:
    """Recorded runs to replay selections on.

    Args:
        name: Its name.
        told: What it is, in a line.
        unit: What regret is in.
        history: The runs; near-duplicate datasets are left out together.
        targets: The datasets that become the target in turn.
        tiny: Those of them that are too small to tell models apart.
        mixed: Whether targets have metrics of different scales, so that only relative regrets can be averaged.
    """

    name: str
    told: str
    unit: str
    history: Snapshot
    targets: tuple[str, ...]
    tiny: frozenset[str] = frozenset()
    mixed: bool = False

    @property
    def sizes(self) -> Mapping[str, float]:
        """Parameters by model, where known."""
        known = self.history.models().dropna(subset=["parameters"])
        return dict(zip(known["model"], known["parameters"].astype(float), strict=True))

    @property
    def matrix(self) -> "MatrixSet":
        """Its finals, to judge recall on."""
        scores = {name: self.history.proxy_scores(name) for name in sorted(set(self.history.proxies()["proxy"]))}
        return MatrixSet(
            name=self.name,
            told=self.told,
            matrix=self.history.matrix(),
            proxies=scores,
            together=self.history.together,
            targets=self.targets,
            sizes=self.sizes,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class MatrixSet:
    """Finals to judge recall on.

    Args:
        name: Its name.
        told: What it is, in a line.
        matrix: The finals, higher is better.
        proxies: Recorded scores by name of the proxy.
        together: Groups of near-duplicate datasets, left out together.
        targets: The datasets that become the target in turn.
        sizes: Parameters by model, where known.
    """

    name: str
    told: str
    matrix: PerformanceMatrix
    proxies: Mapping[str, Scores] = field(default_factory=dict)
    together: tuple[frozenset[str], ...] = ()
    targets: tuple[str, ...] = ()
    sizes: Mapping[str, float] = field(default_factory=dict)

    def past(self, target: str) -> PerformanceMatrix:
        """The matrix less the target and its near-duplicates."""
        matrix = self.matrix
        for dataset in next((group for group in self.together if target in group), frozenset([target])):
            matrix = matrix.without(dataset)
        return matrix


def data_folder() -> Path | None:
    """Where the public tables are, or `None` without them."""
    return Path(os.environ["RAYSEL_DATA"]) if os.environ.get("RAYSEL_DATA") else None


# Curve sets ---------------------------------------------------------------------------------------------------------

TASKSET_MODELS = 150
LCDB_TARGETS, LCDB_LEARNERS = 40, 24


def _imported(path: Path, *, models: pd.DataFrame | None = None, **options: object) -> Snapshot:
    with tempfile.TemporaryDirectory() as folder:
        history = History.create(Path(folder) / "history")
        import_file(history, path, **options)  # type: ignore[arg-type]
        if models is not None:
            history.append(models=models)
        return Snapshot(history)


def _olml_nlp(data: Path) -> CurveSet:
    table = pd.read_csv(data / "olml_nlp" / "curves.csv")
    table = table[table["dataset"] != "amazon"].rename(columns={"epoch": "step"})  # nearly empty
    names = set(table["dataset"])
    proxies = pd.read_csv(data / "olml_nlp" / "proxies.csv")
    with tempfile.TemporaryDirectory() as folder:
        file, scores = Path(folder) / "curves.csv", Path(folder) / "proxies.csv"
        table.assign(metric="score", mode="max").to_csv(file, index=False)
        proxies.to_csv(scores, index=False)
        history = History.create(Path(folder) / "history")
        import_file(history, file)
        import_file(history, scores)
        sts = tuple(sorted(name for name in names if "sts" in name))
        snapshot = Snapshot(history, together=(sts, ("mnli", "xnli")))
    return CurveSet(
        name="olml_nlp",
        told="pre-trained text models fine-tuned for 5 epochs (the paper's authors)",
        unit="the dataset's own score, mostly accuracy",
        history=snapshot,
        targets=targets(snapshot, more_than=38),
        tiny=frozenset(("wnli", "copa", "cb")),
    )


def _taskset_text(data: Path) -> CurveSet:
    table = pd.read_parquet(data / "taskset_text" / "curves.parquet")
    names = sorted(set(table["model"]))
    drawn = np.random.default_rng(0).permutation(len(names))[:TASKSET_MODELS]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "curves.parquet"
        table[table["model"].isin([names[i] for i in drawn])].to_parquet(file)
        history = _imported(file, constants={"nan": "failed"})
    return CurveSet(
        name="taskset_text",
        told=f"optimiser settings in place of models ({TASKSET_MODELS} of {len(names)}, drawn once), 51 points",
        unit="loss",
        history=history,
        targets=targets(history, more_than=10),
    )


def _lcdb11(data: Path) -> CurveSet:
    history = _imported(data / "lcdb11" / "curves.parquet")
    names = targets(history, more_than=LCDB_LEARNERS - 1)
    drawn = np.random.default_rng(0).permutation(len(names))[:LCDB_TARGETS]
    return CurveSet(
        name="lcdb11",
        told=f"scikit-learn learners by training-set size; {LCDB_TARGETS} of {len(names)} datasets, drawn once",
        unit="error rate",
        history=history,
        targets=tuple(names[i] for i in sorted(drawn)),
    )


def _llm_finetune_scaling(data: Path) -> CurveSet:
    models = pd.read_csv(data / "llm_finetune_scaling" / "models.csv").rename(columns={"size": "parameters"})
    history = _imported(data / "llm_finetune_scaling" / "curves.csv", constants={"split": "val"}, models=models)
    return CurveSet(
        name="llm_finetune_scaling",
        told="language models by fine-tuning set size, 15 sizes",
        unit="loss",
        history=history,
        targets=targets(history, more_than=10),
    )


def mini_zoo() -> CurveSet:
    """The zoo that ships: needs no other data."""
    history = Snapshot(History(zoo.history_path()))
    return CurveSet(
        name="mini_zoo",
        told="the image models that ship with raysel, 25 points in 5 epochs, with proxies and seconds",
        unit="accuracy, or the metric's own unit where it is an error",
        history=history,
        targets=targets(history, more_than=10),
        mixed=True,
    )


# Matrix sets --------------------------------------------------------------------------------------------------------


def _wide(table: pd.DataFrame) -> PerformanceMatrix:
    wide = table.pivot_table(index="model", columns="dataset", values="value", aggfunc="mean")
    return PerformanceMatrix(
        models=tuple(map(str, wide.index)), datasets=tuple(map(str, wide.columns)), values=wide.to_numpy(dtype=float)
    )


def _model_recycling(data: Path) -> MatrixSet:
    table = pd.read_csv(data / "model_recycling" / "matrix.csv")
    table = table[(table["base"] == "roberta-base") & (table["profile_corr"] >= 0.9)]
    table = table[~table["dataset"].isin(("cb", "copa", "wnli", "wsc"))]
    table = table.assign(model=table["model"] + "#" + table["source_row"].astype(str), value=table["value"] / 100)
    matrix = _wide(table)
    return MatrixSet(
        name="model_recycling",
        told="fine-tuned roberta-base models tuned again",
        matrix=matrix,
        targets=matrix.datasets,
    )


def _medical_transfer(kind: str) -> Callable[[Path], MatrixSet]:
    def load(data: Path) -> MatrixSet:
        table = pd.read_csv(data / "medical_transfer" / "matrix.csv")
        table = table[(table["kind"] == kind) & (table["metric"] == "reported_test_auc")]
        percent = kind == "architecture"
        matrix = _wide(table.assign(value=table["value"] / 100) if percent else table)
        proxies = pd.read_csv(data / "medical_transfer" / "proxies.csv")
        proxies = proxies[proxies["kind"] == kind]
        return MatrixSet(
            name=f"medical_transfer ({kind})",
            told=f"medical images, {kind}s of pre-training, with eight proxies",
            matrix=matrix,
            proxies={
                str(name): dict(zip(zip(rows["model"], rows["dataset"], strict=True), rows["value"], strict=True))
                for name, rows in proxies.groupby("proxy")
            },
            targets=matrix.datasets,
        )

    return load


def _two_phase_paper(domain: str) -> Callable[[Path], MatrixSet]:
    def load(data: Path) -> MatrixSet:
        table = pd.read_csv(data / "two_phase_paper" / "matrix.csv")
        matrix = _wide(table[table["domain"] == domain])
        return MatrixSet(
            name=f"two_phase_paper ({domain})",
            told="the paper's released matrix",
            matrix=matrix,
            together=(frozenset(("mnli", "xnli")),),
            targets=matrix.datasets,
        )

    return load


def _taskonomy(data: Path) -> MatrixSet:
    table = pd.read_csv(data / "taskonomy" / "matrix.csv")
    table = table[(table["metric"] == "wins_vs_pixels") & (table["regime"] == "full (paper)")]
    table = table[~table["model"].isin(("self", "pixels", "random")) & (table["model"] != table["dataset"])]
    matrix = _wide(table)
    return MatrixSet(
        name="taskonomy", told="encoders of one vision task for another", matrix=matrix, targets=matrix.datasets
    )


TABULAR_DATASETS = 80


def _tabular_dl(data: Path) -> MatrixSet:
    table = pd.read_parquet(data / "tabular_dl" / "matrix.parquet")
    table = table[table["metric"] == "test_score"]
    widely = table.groupby("model")["dataset"].nunique()
    matrix = _wide(table[table["model"].isin(widely.index[widely >= TABULAR_DATASETS])])
    full = tuple(
        name for name, column in zip(matrix.datasets, matrix.values.T, strict=True) if not np.isnan(column).any()
    )
    return MatrixSet(
        name="tabular_dl",
        told=f"tabular models with {TABULAR_DATASETS} datasets or more, in place of pre-trained ones",
        matrix=matrix,
        targets=full,
    )


NAS_MODELS = 200


def _nas_bench_graph(data: Path) -> MatrixSet:
    table = pd.read_parquet(data / "nas_bench_graph" / "matrix.parquet")
    table = table[table["metric"] == "test_perf"]
    names = sorted(set(table["model"]))
    drawn = np.random.default_rng(0).permutation(len(names))[:NAS_MODELS]
    matrix = _wide(table[table["model"].isin([names[i] for i in drawn])])
    return MatrixSet(
        name="nas_bench_graph",
        told=f"architectures of graph networks; {NAS_MODELS} of {len(names)}, drawn once",
        matrix=matrix,
        targets=matrix.datasets,
    )


CURVE_SETS: Mapping[str, Callable[[Path], CurveSet]] = {
    "olml_nlp": _olml_nlp,
    "taskset_text": _taskset_text,
    "lcdb11": _lcdb11,
    "llm_finetune_scaling": _llm_finetune_scaling,
}
MATRIX_SETS: Mapping[str, Callable[[Path], MatrixSet]] = {
    "model_recycling": _model_recycling,
    "medical_transfer/source": _medical_transfer("source"),
    "medical_transfer/architecture": _medical_transfer("architecture"),
    "two_phase_paper/NLP": _two_phase_paper("NLP"),
    "two_phase_paper/CV": _two_phase_paper("CV"),
    "taskonomy": _taskonomy,
    "tabular_dl": _tabular_dl,
    "nas_bench_graph": _nas_bench_graph,
}
