"""What containers can and cannot do, tried inside the real ones, and what the command line sees of them."""

import json
import subprocess
import sys

import asyncpg
import httpx
import jwt
import pytest
from packaging.utils import canonicalize_name

from holdfast.addresses import SERVICES, SIMULATORS, Addresses
from holdfast.compose import ISSUER_PORT, OWNERS
from holdfast.now import clock_of
from tests.containers.docker import ROOT, compose
from tests.unit.structure.test_dependencies import pinned

PROGRAMS = (*OWNERS, "issuer")


def inside(container: str, program: str) -> str:
    """What a Python program prints inside a container."""
    return compose("exec", "-T", container, "python", "-c", program).strip()


@pytest.mark.parametrize("role", OWNERS)
async def test_a_role_gets_into_its_own_database_and_into_no_other(role: str, addresses: Addresses) -> None:
    own = addresses.databases[role]
    others = {*OWNERS, "postgres", "template1"} - {role}
    for database in sorted(others):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(f"{own.rpartition('/')[0]}/{database}")
    connection = await asyncpg.connect(own)
    try:
        assert await connection.fetchval("SELECT count(*) FROM schema_migrations") > 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE ROLE stronger SUPERUSER")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")
    finally:
        await connection.close()


async def test_nobody_gets_into_a_database_without_its_password(addresses: Addresses) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(addresses.databases["orders"].replace("orders:", "escrow:", 1))


@pytest.mark.parametrize("container", PROGRAMS)
def test_a_program_runs_as_nobody_of_note_on_files_it_cannot_change(container: str, addresses: Addresses) -> None:
    tried = inside(
        container,
        "import os, pathlib\n"
        "refused = []\n"
        "for place in ('/app', '/opt/venv', '/etc', '/usr/local/bin', '/clock', '/run/secrets'):\n"
        "    try: pathlib.Path(place, 'new').write_text('x')\n"
        "    except OSError: refused.append(place)\n"
        "lines = pathlib.Path('/proc/self/status').read_text().splitlines()\n"
        "status = dict(line.split(':\\t', 1) for line in lines if ':\\t' in line)\n"
        "print(os.getuid(), os.getgid(), refused, int(status['CapEff'], 16), status['NoNewPrivs'])",
    )
    assert tried == "10001 10001 ['/app', '/opt/venv', '/etc', '/usr/local/bin', '/clock', '/run/secrets'] 0 1"


@pytest.mark.parametrize("container", PROGRAMS)
def test_an_image_has_nothing_that_builds_or_installs(container: str, addresses: Addresses) -> None:
    found = inside(
        container,
        "import importlib.util as find, shutil\n"
        "programs = 'pip pip3 uv gcc g++ cc c++ clang tcc ld as make cargo go curl wget git'.split()\n"
        "modules = 'pip ensurepip setuptools wheel pytest typer rich holdfast tests bench'.split()\n"
        "print([*filter(shutil.which, programs), *filter(find.find_spec, modules)])",
    )
    assert found == "[]"


@pytest.mark.parametrize("container", PROGRAMS)
def test_an_image_holds_the_packages_that_are_pinned_and_no_other(container: str, addresses: Addresses) -> None:
    found = inside(container, "import importlib.metadata as all\nprint(*(one.name for one in all.distributions()))")
    assert sorted(map(canonicalize_name, found.split())) == sorted(pinned())


@pytest.mark.parametrize("container", SERVICES)
def test_an_image_holds_one_service(container: str, addresses: Addresses) -> None:
    others = sorted({*SERVICES, "simulators"} - {container})
    found = inside(container, f"import importlib.util as find\nprint([*filter(find.find_spec, {others})])")
    assert found == "[]"


@pytest.mark.parametrize("container", PROGRAMS)
def test_a_container_sees_its_own_secrets(container: str, addresses: Addresses) -> None:
    seen = set(inside(container, "import os\nprint(*os.listdir('/run/secrets'))").split())
    if container == "issuer":
        assert seen == {"issuer"}
    else:
        assert seen <= {f"database_url_{container}", f"kafka_{container}", f"webhooks_{container}", "webhooks_senders"}
        assert container not in SIMULATORS or "webhooks_senders" not in seen


def test_a_service_follows_the_clock_and_cannot_move_it(addresses: Addresses) -> None:
    moved = inside(
        "orders",
        "import datetime, pathlib\n"
        "from runtime.clock import VirtualClock\n"
        "clock = VirtualClock(pathlib.Path('/clock/now'))\n"
        "print(clock.now().isoformat())\n"
        "try: clock.advance_to(clock.now() + datetime.timedelta(days=1))\n"
        "except TypeError: print('read only')",
    )
    assert moved.splitlines() == [clock_of(addresses).now().isoformat(), "read only"]


@pytest.mark.parametrize("container", (*OWNERS, "issuer", "postgres", "kafka"))
def test_ports_are_open_on_this_machine_only(container: str, addresses: Addresses) -> None:
    (state,) = [json.loads(line) for line in compose("ps", "--format", "json", container).splitlines()]
    published = [port for port in state["Publishers"] if port["PublishedPort"]]
    assert published and all(port["URL"] == "127.0.0.1" for port in published)
    assert state["Health"] == "healthy"


@pytest.mark.parametrize("service", OWNERS)
def test_a_service_lets_nobody_ask_without_a_token(service: str, addresses: Addresses) -> None:
    base = addresses.services[service]
    assert httpx.get(f"{base}/readyz").status_code == 200
    assert httpx.get(f"{base}/dead-letters").status_code == 401
    operator = addresses.minter().bearer("operator", "op-1")
    assert httpx.get(f"{base}/dead-letters", headers=operator).json()["letters"] == []


def test_the_issuer_changes_its_key_and_no_service_needs_a_restart(addresses: Addresses) -> None:
    # given
    issuer, orders = f"http://127.0.0.1:{ISSUER_PORT}", addresses.services["orders"]
    before = addresses.minter().bearer("operator", "op-1")
    # when
    rotated = httpx.post(f"{issuer}/rotation", json={}).raise_for_status().json()["kid"]
    # then
    told = httpx.post(f"{issuer}/token", json={"id": "op-2", "roles": ["operator"]}).raise_for_status().json()
    assert jwt.get_unverified_header(told["access_token"])["kid"] == rotated
    for headers in (before, {"authorization": f"Bearer {told['access_token']}"}):
        assert httpx.get(f"{orders}/dead-letters", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "verb", (["money", "--json"], ["flows", "--json"], ["dlq", "list", "--json"], ["clock", "show"])
)
def test_the_command_line_works_on_the_containers(verb: list[str], addresses: Addresses) -> None:
    command = [sys.executable, "-m", "holdfast", *verb, "--folder", "compose"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_whole_marketplace_is_played_on_the_containers_and_its_money_proved(addresses: Addresses) -> None:
    small = ROOT / "tests" / "e2e" / "orders.csv"
    command = [sys.executable, "-m", "holdfast", "replay", str(small), "--against", "compose", "--json"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False, timeout=300)
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert told["clean"] and all(proof["ok"] for proof in told["proofs"].values())
