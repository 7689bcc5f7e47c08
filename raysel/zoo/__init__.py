"""The mini zoo that ships: small pre-trained models, the datasets they are tried on, and what was recorded of it.

::

    python -m raysel.zoo pretrain     makes the checkpoints
    python -m raysel.zoo record       fine-tunes every model on every dataset and makes the history
    python -m raysel.zoo describe     prints what the history shows
"""

from pathlib import Path
from typing import TYPE_CHECKING

from raysel.errors import UnknownNameError

if TYPE_CHECKING:
    from raysel.finetune import Data
    from raysel.history import History

__all__ = ["benchmark_history", "benchmarks", "checkpoint_path", "history_path", "load_task", "models", "targets"]

_HERE = Path(__file__).parent


def models() -> tuple[str, ...]:
    """The names of the models, in a fixed order; `raysel.models.load` takes them."""
    from raysel.zoo.members import MEMBERS

    return tuple(MEMBERS)


def benchmarks() -> tuple[str, ...]:
    """The datasets that are history for every target."""
    from raysel.zoo.tasks import names

    return names("benchmark")


def targets() -> tuple[str, ...]:
    """The datasets that a model is chosen for; no model's history is judged by them."""
    from raysel.zoo.tasks import names

    return names("target")


def load_task(name: str) -> "Data":
    """A benchmark, a target or a source, drawn anew.

    Raises:
        UnknownNameError: If there is no such dataset.
    """
    from raysel.zoo import tasks

    return tasks.load_task(name)


def checkpoint_path(name: str) -> Path:
    """The checkpoint folder of a model of the zoo.

    Raises:
        UnknownNameError: If there is no such model.
    """
    if name not in models():
        raise UnknownNameError("model", name, models())
    return _HERE / "checkpoints" / name.removeprefix("zoo/")


def history_path() -> Path:
    """The folder of the recorded history."""
    return _HERE / "history"


def benchmark_history(folder: Path) -> "History":
    """A copy of the recorded history that has never seen a target, made in a new folder."""
    from raysel.history import History

    shipped = History(history_path())
    runs, observations, datasets, proxies = (
        getattr(shipped, table)() for table in ("runs", "observations", "datasets", "proxies")
    )
    runs = runs[runs["dataset"].isin(benchmarks())]
    copy = History.create(folder)
    copy.append(
        runs=runs,
        observations=observations[observations["run_id"].isin(runs["run_id"])],
        models=shipped.models(),
        datasets=datasets[datasets["dataset"].isin(benchmarks())],
        proxies=proxies[proxies["dataset"].isin(benchmarks())],
    )
    return copy
