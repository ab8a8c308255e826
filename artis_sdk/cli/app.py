"""The commands, put together."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from artis_sdk.cli import bench, demo, doctor, eval, journal, logs, recover, run, serve, train
from artis_sdk.cli.generate import generate
from artis_sdk.cli.output import errors, next_step, print_json
from artis_sdk.errors import ArtisError, UnknownOutcome

app = typer.Typer(
    name="artis",
    help="Rehearse an agent's tool calls in simulation, then carry them out once for real.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("rehearse")(run.rehearse)
app.add_typer(logs.app, name="logs")
app.command("recover")(recover.recover)
app.add_typer(journal.app, name="journal")
app.command("doctor")(doctor.doctor)
app.add_typer(eval.app, name="eval")
app.command("serve")(serve.serve)
app.add_typer(train.app, name="train")
app.command("generate")(generate)
app.command("demo")(demo.demo)
app.add_typer(bench.app, name="bench")


def run_app() -> None:
    """Run the command line. Exit codes: 0 done, 1 done with a finding, 2 an error that it names."""
    try:
        app()
    except ArtisError as error:
        if "--json" in sys.argv:
            more = {"next": "artis recover"} if isinstance(error, UnknownOutcome) else {}
            print_json({"error": type(error).__name__, "message": str(error), **more})
        else:
            errors.print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
            if isinstance(error, UnknownOutcome):
                next_step("artis recover")
        raise SystemExit(2) from None
