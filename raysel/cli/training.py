"""Options that several commands have: how models are recalled, how they are trained, and with what."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

RATES = {"images": 1e-4, "texts": 3e-5}
"""Usual peak learning rates of fine-tuning, by modality."""

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS = (
    click.option(
        "--epochs", default=5, show_default=True, type=click.IntRange(min=1), help="That a model is trained for."
    ),
    click.option("--lr", type=float, help="Peak learning rate.  [default: 1e-4 for images, 3e-5 for texts]"),
    click.option("--batch-size", default=32, show_default=True, type=click.IntRange(min=1)),
    click.option("--tuning", type=click.Choice(["full", "head", "lora"]), default="full", show_default=True),
    click.option("--gpus-per-trial", "gpus", default="auto", show_default=True, help="auto, or a number such as 0.5."),
    click.option(
        "--cpus-per-trial", "cpus", default=1.0, show_default=True, type=click.FloatRange(min=0, min_open=True)
    ),
)


def training_options(command: _Command) -> _Command:
    """Give a command these options, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def across_tasks_option(command: _Command) -> _Command:
    """Give a command the option by which datasets with other types of output count too."""
    told = "Compare models on datasets of every type of output, not on those of the target's alone."
    return click.option("--across-tasks", is_flag=True, help=told)(command)
