"""The common part of training commands: options, the progress bar, and errors that name an option."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

from artis_sdk.cli.output import errors
from artis_sdk.errors import ConfigurationError
from artis_sdk.trainers.precision import Precision
from artis_sdk.view.screen import label
from artis_sdk.view.text import plain

NumberType = Annotated[
    Precision, typer.Option(help="Number type; auto: bf16 on a GPU that has it, else fp32.")
]
Attention = Annotated[
    str | None, typer.Option(help="Attention by transformers' name, such as sdpa or flash_attention_2.")
]
FourBit = Annotated[
    bool, typer.Option(help="Hold the base in 4 bits a weight while an adapter is trained (bitsandbytes).")
]
PassTokens = Annotated[
    int, typer.Option(help="Maximum tokens of a forward pass, shared prefixes counted once.")
]
Recomputed = Annotated[
    bool | None,
    typer.Option(
        "--gradient-checkpointing/--no-gradient-checkpointing",
        help="Less memory, more time; by default where memory would not suffice.",
    ),
]
Resume = Annotated[bool, typer.Option(help="Continue the run in --out.")]
OnProcessor = Annotated[
    bool | None, typer.Option(help="Train on the processor, or not; by default where it must.")
]


@contextmanager
def named_option() -> Iterator[None]:
    """Name the option whose value is out of range.

    Raises:
        ConfigurationError: settings made inside are invalid.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # it is about several options, which it names
            raise ConfigurationError(said) from error
        name = str(first["loc"][0]).replace("_", "-")
        raise ConfigurationError(f"--{name}: {said[:1].lower()}{said[1:]}") from error


def first_process() -> bool:
    """Whether this is the first of the processes that `torchrun` started; it alone prints."""
    return os.environ.get("RANK", "0") == "0"


class TrainingBar:
    """Shows stages and steps on the terminal, or nowhere."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def stage(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(plain(text, style="dim"))

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.console.print(plain(text))

    def step(self, step: int, steps: int, measure: str | None = None) -> None:
        """Move the bar; `measure` stands beside it until the next one."""
        if self._bar is None:
            return
        if self._task is None:
            self._task = self._bar.add_task("", total=steps, measure="")
        self._bar.update(self._task, completed=step, total=steps)
        if measure is not None:
            self._bar.update(self._task, measure=measure)


@contextmanager
def training_bar(*, shown: bool) -> Iterator[TrainingBar]:
    if not shown:
        yield TrainingBar(None)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        label("{task.fields[measure]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as bar:
        yield TrainingBar(bar)
