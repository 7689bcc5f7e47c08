"""Zoos made up for tests."""

import numpy as np

from raysel.history import PerformanceMatrix


def matrix(rows: dict[str, list[float]], lower_is_better: tuple[bool, ...] = ()) -> PerformanceMatrix:
    """A matrix from rows by model; datasets are d0, d1, ..."""
    width = len(next(iter(rows.values()), []))
    values = np.array([*rows.values()], dtype=float).reshape(len(rows), width)
    return PerformanceMatrix(
        models=tuple(rows),
        datasets=tuple(f"d{j}" for j in range(values.shape[1])),
        values=values,
        lower_is_better=lower_is_better,
    )


def planted(seed: int, *, clusters: int = 6, members: int = 5, n_datasets: int = 12) -> tuple[PerformanceMatrix, dict]:
    """Models that score like their cluster but for noise of 0.01; beside the matrix, what each scores on the target."""
    rng = np.random.default_rng(seed)
    n = clusters * members
    ability = rng.uniform(0.2, 0.9, size=(clusters, 1)) + rng.uniform(-0.1, 0.1, size=(clusters, n_datasets + 1))
    values = np.repeat(ability, members, axis=0) + rng.normal(scale=0.01, size=(n, n_datasets + 1))
    values = np.clip(values, 0.01, 1).round(2)
    models = tuple(f"m{i // members}-{i % members}" for i in range(n))
    zoo = PerformanceMatrix(models=models, datasets=tuple(f"d{j}" for j in range(n_datasets)), values=values[:, :-1])
    return zoo, dict(zip(models, values[:, -1].tolist(), strict=True))


def with_holes(zoo: PerformanceMatrix, share: float, seed: int) -> PerformanceMatrix:
    """The same zoo with a share of its cells not measured."""
    holes = np.random.default_rng(seed).random(zoo.values.shape) < share
    return PerformanceMatrix(
        models=zoo.models,
        datasets=zoo.datasets,
        values=np.where(holes, np.nan, zoo.values),
        lower_is_better=zoo.lower_is_better,
    )


def permuted(zoo: PerformanceMatrix, seed: int) -> PerformanceMatrix:
    """The same zoo with rows and columns in another order."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(zoo.models)), rng.permutation(len(zoo.datasets))
    return PerformanceMatrix(
        models=tuple(zoo.models[i] for i in rows),
        datasets=tuple(zoo.datasets[j] for j in columns),
        values=zoo.values[np.ix_(rows, columns)],
        lower_is_better=tuple(zoo.lower_is_better[j] for j in columns),
    )


def minority(seed: int, *, n_datasets: int = 12) -> tuple[PerformanceMatrix, dict]:
    """Models of three kinds (`a` is good on two thirds of the datasets, `b` on the others, `c` nowhere), and a target
    of those others. On average `a` is ahead of `b`."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat([0, 1, 2], [12, 6, 12])
    rare = np.append(np.arange(n_datasets) % 3 == 2, True)
    ability = np.where(rare, np.array([[0.4], [0.8], [0.2]]), np.array([[0.8], [0.5], [0.2]]))[kinds]
    values = ability + rng.normal(scale=0.03, size=(30, 1)) + rng.normal(scale=0.03, size=(30, n_datasets + 1))
    models = tuple(f"{'abc'[kind]}{i:02d}" for i, kind in enumerate(kinds))
    zoo = PerformanceMatrix(
        models=models, datasets=tuple(f"d{j:02d}" for j in range(n_datasets)), values=values[:, :-1]
    )
    return zoo, dict(zip(models, values[:, -1].tolist(), strict=True))


def unstructured(seed: int, *, n_models: int = 30, n_datasets: int = 12) -> PerformanceMatrix:
    """Models that differ in how good they are and by luck, in nothing else."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_models, 1)) + rng.normal(size=(n_models, n_datasets))
    return PerformanceMatrix(
        models=tuple(f"m{i:02d}" for i in range(n_models)),
        datasets=tuple(f"d{j:02d}" for j in range(n_datasets)),
        values=values,
    )
