"""What `docker-compose.yml` and the Dockerfile promise, read from them. That they run is shown by tests/containers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.acls import ADMIN, BROKER, OPERATOR
from holdfast.addresses import PORTS, SERVICES, SIMULATORS
from holdfast.compose import ISSUER_PORT, KAFKA_PORT, POSTGRES_PORT, make
from tests.unit.structure.gathering import ROOT, gather

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
OWNERS = (*SERVICES, *SIMULATORS)
LASTING = ("postgres", "kafka", "issuer", *OWNERS)
JOBS = ("topics", *(f"migrate-{owner}" for owner in OWNERS))


def test_there_is_a_container_for_every_part_and_no_other() -> None:
    assert CONTAINERS.keys() == {*LASTING, *JOBS}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_has_no_more_than_it_needs(name: str) -> None:
    it = CONTAINERS[name]
    assert it["read_only"] is True
    assert it["cap_drop"] == ["ALL"] and "cap_add" not in it
    assert "no-new-privileges:true" in it["security_opt"]
    assert it["mem_limit"] and it["pids_limit"]
    assert it["init"] is True
    assert not it.get("privileged") and "network_mode" not in it


@pytest.mark.parametrize("name", CONTAINERS)
def test_ports_are_open_on_this_machine_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in CONTAINERS[name].get("ports", []))


@pytest.mark.parametrize("name", CONTAINERS)
def test_images_are_named_with_a_version(name: str) -> None:
    image = CONTAINERS[name]["image"]
    assert re.fullmatch(r"[a-z/]+:(\d[\d.]*|\$\{HOLDFAST_VERSION:-dev\})", image)


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_says_whether_it_is_healthy_and_comes_up_again(name: str) -> None:
    assert CONTAINERS[name]["healthcheck"]["test"]
    assert CONTAINERS[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OWNERS)
def test_a_service_waits_for_servers_topics_and_its_own_migrations(name: str) -> None:
    waits = {other: each["condition"] for other, each in CONTAINERS[name]["depends_on"].items()}
    assert waits == {
        "postgres": "service_healthy",
        "kafka": "service_healthy",
        "topics": "service_completed_successfully",
        f"migrate-{name}": "service_completed_successfully",
    }


@pytest.mark.parametrize("name", OWNERS)
def test_a_service_sees_no_secret_of_another(name: str) -> None:
    shared = {"webhooks_senders"} if name in SERVICES else set()
    own = {f"database_url_{name}", f"kafka_{name}", f"webhooks_{name}"}
    assert set(CONTAINERS[name]["secrets"]) <= own | shared
    assert set(CONTAINERS[f"migrate-{name}"]["secrets"]) == {f"database_url_{name}"}


def test_no_password_stands_in_the_environment() -> None:
    for name, it in CONTAINERS.items():
        for variable, value in it.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|DATABASE_URL", variable) and not variable.endswith(("_URL", "_FOLDER")):
                assert variable.endswith("_FILE"), f"{name} has {variable}={value}"


def test_every_principal_of_kafka_has_a_password() -> None:
    assert set(CONTAINERS["kafka"]["secrets"]) == {f"kafka_{one}" for one in (BROKER, ADMIN, OPERATOR, *OWNERS)}


def test_the_command_line_knows_the_ports() -> None:
    inside = {"postgres": f"{POSTGRES_PORT}:5432", "kafka": f"{KAFKA_PORT}:19092", "issuer": f"{ISSUER_PORT}:8200"}
    inside |= {name: f"{port}:8200" for name, port in PORTS.items()}
    assert {name: it["ports"] for name, it in CONTAINERS.items() if "ports" in it} == {
        name: [f"127.0.0.1:{port}"] for name, port in inside.items()
    }


def test_secrets_are_made_once_for_all_that_compose_names(tmp_path: Path) -> None:
    made = make(tmp_path)
    folder = tmp_path / "deploy" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    for secret in COMPOSE["secrets"].values():
        path = tmp_path / secret["file"]
        assert path.read_text().strip()
        assert path.stat().st_mode & 0o777 == 0o644
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "kafka_broker" in made and make(tmp_path) == []
    assert {path: path.read_bytes() for path in before} == before


def test_what_is_missing_is_made_to_fit_what_is_there(tmp_path: Path) -> None:
    make(tmp_path)
    folder = tmp_path / "deploy" / "secrets"
    (folder / "database_url_escrow").unlink()
    assert make(tmp_path) == ["database_url_escrow"]
    password = (folder / "postgres_escrow").read_text()
    assert (folder / "database_url_escrow").read_text() == f"postgresql://escrow:{password}@postgres:5432/escrow"


def test_secrets_are_kept_out_of_the_repository_and_of_images() -> None:
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    taken = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert taken and not any("secrets" in line or line == "!deploy" for line in taken)


@pytest.mark.parametrize(
    ("service", "others"),
    [
        ("orders", {"contracts", "runtime"}),
        ("identity", {"contracts", "runtime"}),
        ("escrow", {"contracts", "runtime", "ledger"}),
        ("deposits", {"contracts", "runtime", "ledger"}),
        ("simulators.issuer", {"contracts", "runtime", "simulators", "simulators.carrier"}),
    ],
)
def test_an_image_holds_its_service_and_what_that_imports(service: str, others: set[str], tmp_path: Path) -> None:
    packages = gather.needed(service, ROOT)
    assert packages.keys() == {service} | others
    gather.copy(packages, tmp_path)
    assert (tmp_path / Path(*service.split(".")) / "__main__.py").exists()
    assert (tmp_path / "runtime" / "migrations").is_dir()


def test_a_service_that_is_not_there_has_no_image() -> None:
    with pytest.raises(KeyError, match="nobody"):
        gather.needed("nobody", ROOT)


def test_the_dockerfile_ends_without_rights_and_says_how_it_is() -> None:
    last = (ROOT / "Dockerfile").read_text().rpartition("FROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last and "/app/ready.py" in last
