"""Verbs that are imported when they are called: all together take longer to import than most of them take to run."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from holdfast.interrupts import interruptible


@dataclass(frozen=True)
class Verbs:
    """A group. Each verb is a group again, or the place of its function: `module:function`, or `module:app` of a Typer
    with one verb."""

    help: str
    verbs: Mapping[str, "str | Verbs"]


class Found(Mapping[str, Any]):
    """The commands of a group by name, each made when it is asked for."""

    def __init__(self, verbs: Mapping[str, str | Verbs]) -> None:
        self._verbs = verbs

    def __getitem__(self, name: str) -> Any:
        what = self._verbs[name]
        if isinstance(what, Verbs):
            commands: Any = Found(what.verbs)
            return TyperGroup(name=name, help=what.help, commands=commands, no_args_is_help=True)
        said = _said(what)
        return _imported(name, what) if said is None else _Listed(name, what, said)

    def __iter__(self) -> Iterator[str]:
        return iter(self._verbs)

    def __len__(self) -> int:
        return len(self._verbs)


class _Listed(TyperCommand):
    """A verb as lists of verbs show it. It is imported when it is called, or asked for its own help."""

    def __init__(self, name: str, place: str, said: str) -> None:
        super().__init__(name, help=said)
        self._place = place

    def make_context(self, info_name: str | None, *rest: Any, **more: Any) -> Any:
        return _imported(self.name or "", self._place).make_context(info_name, *rest, **more)


def _imported(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command()(found)
        found = single
    command = typer.main.get_command(found)
    command.name = name
    command.callback = interruptible(command.callback)
    return command


def _said(place: str) -> str | None:
    """What a verb's function says of itself, read from its source; None where it is not a function of the module."""
    module, _, function = place.partition(":")
    spec = find_spec(module)
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return ast.get_docstring(node)
    return None
