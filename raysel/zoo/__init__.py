"""The mini zoo that ships: small pre-trained models, the datasets they are tried on, and what was recorded of it.

It is two zoos of one make: a larger one of images, and a smaller one of texts (``inputs="texts"``). Each has its own
datasets and its own history, since recall compares models by all datasets that a history knows.

::

    python -m raysel.zoo pretrain     makes the checkpoints
    python -m raysel.zoo record       fine-tunes every model on every dataset and makes the history
    python -m raysel.zoo describe     prints what the history shows
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from raysel.errors import UnknownNameError

if TYPE_CHECKING:
    from raysel.finetune import Data
    from raysel.history import History

__all__ = [
    "benchmark_history",
    "benchmarks",
    "checkpoint_path",
    "history_path",
    "inputs_of",
    "load_task",
    "models",
    "targets",
]

Inputs = Literal["images", "texts"]
"""What a model takes, and a dataset is made of."""

_HERE = Path(__file__).parent


def models(inputs: Inputs = "images") -> tuple[str, ...]:
    """The names of the models, in a fixed order; `raysel.models.load` takes them."""
    from raysel.zoo.members import MEMBERS

    return tuple(name for name, member in MEMBERS.items() if member.made_by.inputs == inputs)


def benchmarks(inputs: Inputs = "images") -> tuple[str, ...]:
    """The datasets that are history for every target."""
    from raysel.zoo import tasks, text_tasks

    return (text_tasks if inputs == "texts" else tasks).names("benchmark")


def targets(inputs: Inputs = "images") -> tuple[str, ...]:
    """The datasets that a model is chosen for; no model's history is judged by them."""
    from raysel.zoo import tasks, text_tasks

    return (text_tasks if inputs == "texts" else tasks).names("target")


def inputs_of(name: str) -> Inputs:
    """What a dataset is made of, and so which models and which history it is for.

    Raises:
        UnknownNameError: If there is no such dataset.
    """
    from raysel.zoo import tasks, text_tasks

    if name in text_tasks.TEXT_TASKS:
        return "texts"
    known = (tasks.DIGITS, *tasks.DRAWN)
    if name not in known:
        raise UnknownNameError("task", name, [*known, *text_tasks.TEXT_TASKS])
    return "images"


def load_task(name: str, *, train: int = 300) -> "Data":
    """A benchmark, a target or a source, made anew.

    Args:
        name: Which one.
        train: Samples to train on, where they are not given (digits has 200); the history is of 300.

    Raises:
        UnknownNameError: If there is no such dataset.
    """
    from raysel.zoo import tasks, text_tasks

    return (text_tasks if inputs_of(name) == "texts" else tasks).load_task(name, train=train)


def checkpoint_path(name: str) -> Path:
    """The checkpoint folder of a model of the zoo.

    Raises:
        UnknownNameError: If there is no such model.
    """
    known = (*models("images"), *models("texts"))
    if name not in known:
        raise UnknownNameError("model", name, known)
    return _HERE / "checkpoints" / name.removeprefix("zoo/")


def history_path(inputs: Inputs = "images") -> Path:
    """The folder of the recorded history of the models that take these inputs."""
    return _HERE / ("text_history" if inputs == "texts" else "history")


def benchmark_history(folder: Path, inputs: Inputs = "images") -> "History":
    """A copy of the recorded history of these models that has never seen a target, made in a new folder."""
    from raysel.history import History

    shipped = History(history_path(inputs))
    runs, observations, datasets, proxies = (
        getattr(shipped, table)() for table in ("runs", "observations", "datasets", "proxies")
    )
    runs = runs[runs["dataset"].isin(benchmarks(inputs))]
    copy = History.create(folder)
    copy.append(
        runs=runs,
        observations=observations[observations["run_id"].isin(runs["run_id"])],
        models=shipped.models(),
        datasets=datasets[datasets["dataset"].isin(benchmarks(inputs))],
        proxies=proxies[proxies["dataset"].isin(benchmarks(inputs))],
    )
    return copy
