"""The command `raysel`, and how every verb fails: one line on standard error and exit code 2."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from raysel.errors import RayselError


class OneLineErrors(click.Group):
    """A group whose bad input ends in one line `raysel: ...` and exit code 2, never in a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; see `click.Group.main`."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            message = error.format_message()
        except (RayselError, OSError) as error:
            message = str(error)
        except click.Abort:
            message = "interrupted"
        else:
            sys.exit(code)
        click.echo("raysel: " + " ".join(message.split()), err=True)
        sys.exit(2)


@click.group(cls=OneLineErrors, invoke_without_command=True)
@click.version_option(package_name="raysel")
@click.pass_context
def main(context: click.Context) -> None:
    """Which pre-trained model should we fine-tune on our data?

    raysel recalls the few models of a zoo that are worth fine-tuning on a target, from what earlier fine-tuning runs
    showed (the history), fine-tunes them on Ray, and stops early those that cannot win.

    Start with `raysel quickstart`: the whole loop on this machine, offline, in minutes.

    Answers go to standard output, progress and messages to standard error. Bad input ends with exit code 2 and one line
    that names the parameter, its value and the rule.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
