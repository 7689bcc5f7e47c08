"""`raysel history`: what do we know? Make a history, add to it, look at it."""

import click

from raysel.cli.output import console, json_option, print_json


@click.group(invoke_without_command=True)
@click.pass_context
def history(context: click.Context) -> None:
    """Make a history of past fine-tuning runs, add to it, look at it.

    HISTORY is a folder, or any URI that pyarrow knows (s3://..., gs://..., hdfs://...). Only `create` makes one: any
    other place that holds none is an error.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@history.command()
@click.argument("history")
@json_option
def create(history: str, as_json: bool) -> None:
    """Make an empty history at HISTORY, which must hold nothing yet."""
    from raysel.history import History

    made = History.create(history)
    if as_json:
        print_json({"history": made.uri})
    else:
        click.echo(f"made an empty history at {made.uri}; `raysel history add` fills it")


@history.command()
@click.argument("history")
@json_option
def show(history: str, as_json: bool) -> None:
    """Show how much HISTORY holds: datasets with their metrics, runs by status, proxies."""
    from raysel.history import History
    from raysel.report import history_table, plain_history

    summary = History(history).summary()
    if as_json:
        print_json(plain_history(summary))
    else:
        console().print(history_table(summary))


@history.command()
@click.argument("history")
@json_option
@click.pass_context
def check(context: click.Context, history: str, as_json: bool) -> None:
    """Look for what is wrong with HISTORY; the exit code is 1 if anything is.

    JSON: a list of sentences.
    """
    from raysel.history import History

    problems = History(history).check()
    if as_json:
        print_json(problems)
    else:
        click.echo("\n".join(problems) if problems else "nothing is wrong")
    context.exit(1 if problems else 0)


@history.command()
@click.argument("history")
@json_option
def compact(history: str, as_json: bool) -> None:
    """Merge the part files of HISTORY; what can be read from it does not change.

    Others may go on reading and writing meanwhile.
    """
    from raysel.history import History

    opened = History(history)
    before = len(opened.parts())
    opened.compact()
    after = len(opened.parts())
    if as_json:
        print_json({"parts_before": before, "parts_after": after})
    else:
        click.echo(f"{before} parts became {after}")
