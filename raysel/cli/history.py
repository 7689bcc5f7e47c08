"""`raysel history`: what do we know? Make a history, add to it, look at it."""

import click

from raysel.cli.output import console, json_option, print_json, say


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


def pairs(context: click.Context, option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """`FIELD=SOMETHING`, any number of times, as a mapping."""
    fields: dict[str, str] = {}
    for pair in pairs:
        field, separator, given = pair.partition("=")
        if not (field and separator and given):
            raise click.BadParameter(f"{pair!r} is not {option.make_metavar(context)}.", context, option)
        if field in fields:
            raise click.BadParameter(f"{field!r} is given twice.", context, option)
        fields[field] = given
    return fields


@history.command()
@click.argument("history")
@click.argument("file")
@click.option(
    "--map",
    "mapping",
    metavar="FIELD=COLUMN",
    multiple=True,
    callback=pairs,
    help="The column that holds a field, where it is not the one of its own name; any number of times.",
)
@click.option(
    "--set",
    "constants",
    metavar="FIELD=VALUE",
    multiple=True,
    callback=pairs,
    help="The value of a field, the same in every row; any number of times.",
)
@click.option(
    "--scale", type=float, default=1.0, show_default=True, help="What values are multiplied by: 0.01 for percentages."
)
@click.option("--wide", is_flag=True, help="FILE has a row a model and a column a dataset.")
@click.option("--without", multiple=True, metavar="COLUMN", help="A column of a wide FILE that is no dataset.")
@click.option("--prefix", default="", help="What names of models are to begin with: timm/ or hf/.")
@json_option
def add(
    history: str,
    file: str,
    mapping: dict[str, str],
    constants: dict[str, str],
    scale: float,
    wide: bool,
    without: tuple[str, ...],
    prefix: str,
    as_json: bool,
) -> None:
    """Add the results in FILE to HISTORY. All of FILE is added, or on an error nothing.

    FILE is a CSV file with a header or a Parquet file in long form, one value a row. Its fields say what it holds:

    \b
    a performance matrix  model, dataset, metric, mode (max or min), value
    curves                the same and step
    proxy scores          model, dataset, proxy, value

    Also: split (val or test), seed, seconds, planned_steps, status, revision, primary_metric (where a dataset has
    several metrics), parameters or parameters_in_millions (of the model) and config.NAME (a hyperparameter). `--set
    nan=failed` takes a value that is no number for a run that diverged; `--set repeats=first` or `last` takes one of
    several values for the same thing.

    A file called results-NAME.csv, as timm's are, is of dataset NAME unless it says otherwise. A .txt file is a matrix
    as the two-phase paper released them, with datasets.txt beside it.

    FILE may also be the folder of a Ray Tune experiment. Then `--set` gives dataset, metric and mode, and `--map` may
    say which hyperparameter is the model and which result counts the steps: `--map model=backbone --map step=epoch`.

    Adding the same again changes nothing.
    """
    from raysel.history import History
    from raysel.history.importers import import_file

    imported = import_file(
        History(history),
        file,
        mapping=mapping,
        constants=constants,
        scale=scale,
        wide=wide,
        without=without,
        prefix=prefix,
    )
    if imported.ignored:
        say(f"left out columns of {file} that are no field: {', '.join(imported.ignored)}")
    if as_json:
        print_json({"added": dict(imported.rows), "ignored": list(imported.ignored)})
    else:
        added = ", ".join(f"{count} {table}" for table, count in imported.rows.items()) or "nothing: all was there"
        click.echo(f"added {added}")


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
@click.argument("model")
@click.argument("name")
@json_option
def rename(history: str, model: str, name: str, as_json: bool) -> None:
    """Call MODEL by another NAME in all that HISTORY holds of it.

    A model that was uploaded again under its old name is a new model. Rename the old one to its name, an @ and a date
    or revision: `raysel history rename HISTORY hf/org/net hf/org/net@2024-05`. Recall then expects hf/org/net to be
    much like that, with more uncertainty, until it has runs of its own.
    """
    from raysel.history import History

    History(history).rename(model, name)
    if as_json:
        print_json({"renamed": model, "name": name})
    else:
        click.echo(f"{model} is now {name}")


@history.command()
@click.argument("history")
@click.argument("model")
@json_option
def forget(history: str, model: str, as_json: bool) -> None:
    """Drop all that HISTORY holds of MODEL: what is known of it, its runs and its proxy scores."""
    from raysel.history import History

    History(history).forget(model)
    if as_json:
        print_json({"forgotten": model})
    else:
        click.echo(f"forgot {model}")


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
