"""The command line: verbs in the order of the data, one file each."""

import errno
import logging
import sys
from typing import Annotated

import typer

from mammoscope import __version__
from mammoscope.cli.audit import audit
from mammoscope.cli.compare import compare
from mammoscope.cli.cross_validate import cross_validate
from mammoscope.cli.deid import deid
from mammoscope.cli.demo import demo
from mammoscope.cli.describe import describe
from mammoscope.cli.download import download
from mammoscope.cli.ensemble import ensemble
from mammoscope.cli.evaluate import evaluate
from mammoscope.cli.explain import explain
from mammoscope.cli.export_folders import export_folders
from mammoscope.cli.external import external
from mammoscope.cli.feature_maps import feature_maps
from mammoscope.cli.importance import importance
from mammoscope.cli.index import index
from mammoscope.cli.inspect import inspect
from mammoscope.cli.leaderboard import leaderboard
from mammoscope.cli.merge import merge
from mammoscope.cli.phantom import phantom
from mammoscope.cli.plan import plan
from mammoscope.cli.predict import predict
from mammoscope.cli.prepare import prepare
from mammoscope.cli.recipes import recipes
from mammoscope.cli.repeat import repeat
from mammoscope.cli.report import report
from mammoscope.cli.robustness import robustness
from mammoscope.cli.run import run
from mammoscope.cli.seal import seal
from mammoscope.cli.similar import similar
from mammoscope.cli.sources import sources
from mammoscope.cli.split import split
from mammoscope.cli.sweep import sweep
from mammoscope.cli.train import train
from mammoscope.errors import MammoscopeError

app = typer.Typer(
    name="mammoscope",
    help="Read mammography data sets the same way, train and compare classifiers on them without leaking, see why "
    "they answered. For research; not a medical device.\n\n"
    "Exit codes: 0 fine, 1 there are findings, 2 the command cannot be carried out as given.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for verb in (
    *(sources, download, phantom, deid, index, merge, audit, describe, split, seal, export_folders),
    *(
        inspect,
        prepare,
        train,
        evaluate,
        robustness,
        external,
        explain,
        feature_maps,
        importance,
        similar,
        report,
        cross_validate,
        repeat,
        sweep,
        recipes,
        plan,
        ensemble,
        compare,
        leaderboard,
        predict,
        run,
        demo,
    ),
):
    app.command()(verb)


def _version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _every_verb(
    *,
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="print the version and stop")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="log what happens inside, to stderr")] = False,
) -> None:
    del version
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


def main() -> None:
    """Run the command line; an error of ours is a sentence and exit code 2, never a traceback."""
    try:
        app()
    except MammoscopeError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit("error: standard output is full. Send it elsewhere")


__all__ = ["app", "main"]
