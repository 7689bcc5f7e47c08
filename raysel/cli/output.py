"""Where answers and messages go: answers to standard output, progress and messages to standard error."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 140
"""Columns of a table that is written to a file or a pipe."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines instead of tables.")


def print_json(answer: Any) -> None:
    """An answer for machines, on standard output."""
    click.echo(json.dumps(answer, indent=2, allow_nan=False))


def say(message: str) -> None:
    """A message for people, on standard error."""
    click.echo(message, err=True)


def console(*, stderr: bool = False) -> "Console":
    """Where tables go: as wide as the terminal, or as a file can be."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if terminal else _PLAIN_WIDTH)
