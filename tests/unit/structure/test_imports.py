"""The rules of the house that a reader relies on, checked on the source: who may import whom, and where I/O may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVICES = ("orders", "escrow", "deposits", "disputes", "identity")
LIBRARIES = ("contracts", "runtime", "ledger")
OURS = {*SERVICES, *LIBRARIES, "simulators", "holdfast"}

MAY_IMPORT = {
    "contracts": set(),
    "ledger": {"contracts"},
    "runtime": {"contracts"},
    "simulators": {"contracts", "runtime"},
    **{service: {"contracts", "runtime", "ledger"} for service in SERVICES},
}
FOLDERS = {
    **{name: ROOT / "libs" / name for name in LIBRARIES},
    **{name: ROOT / "services" / name for name in SERVICES},
    "simulators": ROOT / "simulators",
}
WIRING = {"main.py", "__main__.py", "api.py", "repository.py", "service.py", "watches.py"}
"""Files of a service that may touch the world; every other one is pure."""
IMPURE = {"asyncio", "asyncpg", "fastapi", "httpx", "aiokafka", "faststream", "random", "secrets", "time", "uuid", "os"}


def sources(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(), str(path))


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of what a module imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def calls(tree: ast.Module) -> Iterator[str]:
    """Dotted names of what a module calls: `datetime.now`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("package", sorted(FOLDERS))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    for path, tree in sources(FOLDERS[package]):
        beyond = imported(tree) & OURS - MAY_IMPORT[package] - {package}
        assert not beyond, f"{path.relative_to(ROOT)} imports {sorted(beyond)}"


@pytest.mark.parametrize("service", SERVICES)
def test_decisions_do_no_io_read_no_clock_and_are_never_random(service: str) -> None:
    pure = [(path, tree) for path, tree in sources(FOLDERS[service]) if path.name not in WIRING]
    assert pure
    for path, tree in pure:
        where = path.relative_to(ROOT)
        assert not imported(tree) & IMPURE, f"{where} imports {sorted(imported(tree) & IMPURE)}"
        clocks = {call for call in calls(tree) if call.split(".")[-1] in {"now", "utcnow", "today"}}
        assert not clocks, f"{where} reads a clock: {sorted(clocks)}"
        waits = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
        assert not waits or path.name in {"diagram.py"}, f"{where} waits for something"


def test_only_the_relay_publishes() -> None:
    for package, folder in FOLDERS.items():
        for path, tree in sources(folder):
            if (package, path.name) in {("runtime", "relay.py"), ("simulators", "webhooks.py")}:
                continue
            published = {
                call for call in calls(tree) if call.split(".")[-1] in {"publish", "send_batch", "send_and_wait"}
            }
            assert not published, f"{path.relative_to(ROOT)} publishes by itself: {sorted(published)}"


def test_no_topic_is_consumed_unless_acknowledged_by_hand() -> None:
    for _, folder in FOLDERS.items():
        for path, tree in sources(folder):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".subscriber"):
                    policy = {word.arg: ast.unparse(word.value) for word in node.keywords}.get("ack_policy")
                    assert policy == "AckPolicy.MANUAL", f"{path.relative_to(ROOT)}:{node.lineno}"


def test_main_is_wiring_only() -> None:
    for service in SERVICES:
        lines = (FOLDERS[service] / "main.py").read_text().splitlines()
        assert len(lines) <= 30, f"{service}/main.py has {len(lines)} lines"
