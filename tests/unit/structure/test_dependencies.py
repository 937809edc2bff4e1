"""Every image is made from `requirements/runtime.txt`: what each of the programs needs is that list, and no less."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, distribution, distributions
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from holdfast.addresses import SERVICES, SIMULATORS
from tests.unit.structure.gathering import ROOT, gather

PROGRAMS = (*SERVICES, *(f"simulators.{name}" for name in (*SIMULATORS, "issuer")))
OURS = {"contracts", "runtime", "ledger", "simulators", *SERVICES}
UNDER_ANOTHERS_NAME = {"uvicorn.protocols.http.httptools_impl": "httptools"}
"""Modules of a package that import an optional one, with that one."""


def pinned() -> set[str]:
    text = (ROOT / "requirements" / "runtime.txt").read_text()
    return {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def imported(program: str) -> set[str]:
    """Modules of others that the program's image imports somewhere."""
    found = set()
    for folder in gather.needed(program, ROOT).values():
        for path in folder.glob("*.py"):
            found |= {name for name in _names(ast.parse(path.read_text())) if name.partition(".")[0] not in OURS}
    return found


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@cache
def files() -> dict[Path, Distribution]:
    """Every installed file, with whose it is."""
    return {Path(str(one.locate_file(file))): one for one in distributions() for file in one.files or ()}


def brought_by(modules: set[str]) -> set[str]:
    """Distributions that these modules are of; none for what comes with Python."""
    found = {UNDER_ANOTHERS_NAME[name] for name in modules & UNDER_ANOTHERS_NAME.keys()}
    for name in modules:
        spec = find_spec(name)
        assert spec, name
        if spec.origin and (whose := files().get(Path(spec.origin))):
            found.add(canonicalize_name(whose.name))
    return found


def with_what_they_require(names: set[str]) -> set[str]:
    found: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in names]
    while waiting:
        name, extra = one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for line in distribution(name).requires or ():
            required = Requirement(line)
            if required.marker is None or required.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(required.name), more) for more in ("", *required.extras)]
    return {name for name, _ in found}


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_needs_every_package_of_its_image_and_no_other(program: str) -> None:
    assert with_what_they_require(brought_by(imported(program))) == pinned()
