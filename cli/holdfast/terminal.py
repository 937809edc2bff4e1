"""What the verbs share: the terminal, and how a verb fails."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

console = Console()
errors = Console(stderr=True)

FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", help="Where the stack is, .holdfast/run if not given; compose: the containers."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def say(text: str) -> None:
    """A step that was begun."""
    console.print(f"… {text}")


def fail(text: str) -> NoReturn:
    """One line with what to do, and exit code 2."""
    errors.print(f"holdfast: {text}", markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(2)


def titled(title: str, *columns: str) -> Table:
    """An empty table under its title."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column)
    return table
