"""The Temporal server on PostgreSQL: its databases by its own schema tool, its settings, its namespace."""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

T = TypeVar("T")

PLUGIN = "postgres12_pgx"
SERVICES = ("frontend", "history", "matching", "worker")
PORTS = 2 * len(SERVICES)
SHARDS = 64
"""Of the history; fixed for the life of a cluster. The sample settings' 4 make steps of different orders wait for each
other, hundreds cost a cluster of this size more than they bring."""
CONNECTIONS = {"temporal": 40, "visibility": 8}
"""To PostgreSQL, by store."""
NAMESPACE, RETENTION_SECONDS = "bench", 86_400
READY_WITHIN = 90.0
"""Seconds."""
UNLIMITED = [{"value": 1_000_000}]
LIMITS = (
    *("frontend.rps", "frontend.namespaceRPS", "frontend.namespaceRPS.visibility", "history.rps", "matching.rps"),
    *(f"{service}.persistenceMaxQPS" for service in SERVICES),
)
"""Rates that would otherwise be held back."""
TASK_QUEUE_PARTITIONS = 1
"""By default 4, for rates that one node of two cores does not have; fewer match tasks and workers at once."""


def make_databases(tool: Path, postgres: str, name: str) -> dict[str, str]:
    """A database for each store, by the schema that the tool carries; returns their names by store.

    Raises subprocess.CalledProcessError.
    """
    at = urlsplit(postgres)
    stores = {store: f"{name}_{store}" for store in CONNECTIONS}
    for store, database in stores.items():
        command = [str(tool), "--plugin", PLUGIN, "--endpoint", str(at.hostname), "--port", str(at.port)]
        command += ["--user", user(at), "--password", password(at), "--database", database]
        for step in (
            ["create-database"],
            ["setup-schema", "--version", "0.0"],
            ["update-schema", "--schema-name", f"postgresql/v12/{store}"],
        ):
            subprocess.run([*command, *step], check=True, capture_output=True)
    return stores


def write_settings(folder: Path, postgres: str, stores: dict[str, str], ports: list[int]) -> Path:
    """The server's settings; the first port is that of the frontend. JSON is YAML too."""
    rpc, membership = ports[: len(SERVICES)], ports[len(SERVICES) :]
    frontend = f"127.0.0.1:{rpc[0]}"
    dynamic = folder / "dynamic.yaml"
    partitions = [{"value": TASK_QUEUE_PARTITIONS}]
    dynamic.write_text(
        json.dumps(
            {
                **dict.fromkeys(LIMITS, UNLIMITED),
                "matching.numTaskqueueReadPartitions": partitions,
                "matching.numTaskqueueWritePartitions": partitions,
            }
        )
    )
    settings = folder / "server.yaml"
    settings.write_text(
        json.dumps(
            {
                "log": {"stdout": True, "level": "error"},
                "persistence": {
                    "numHistoryShards": SHARDS,
                    "defaultStore": "temporal",
                    "visibilityStore": "visibility",
                    "datastores": {store: datastore(postgres, store, database) for store, database in stores.items()},
                },
                "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"}},
                "services": {
                    service: {"rpc": {"grpcPort": rpc[i], "membershipPort": membership[i], "bindOnIP": "127.0.0.1"}}
                    for i, service in enumerate(SERVICES)
                },
                "clusterMetadata": {
                    "enableGlobalNamespace": False,
                    "failoverVersionIncrement": 10,
                    "masterClusterName": "active",
                    "currentClusterName": "active",
                    "clusterInformation": {
                        "active": {"enabled": True, "initialFailoverVersion": 1, "rpcAddress": frontend}
                    },
                },
                "dcRedirectionPolicy": {"policy": "noop"},
                "publicClient": {"hostPort": frontend},
                "dynamicConfigClient": {"filepath": str(dynamic), "pollInterval": "60s"},
            }
        )
    )
    # The password of the database is in there.
    settings.chmod(0o600)
    return settings


def datastore(postgres: str, store: str, database: str) -> dict[str, Any]:
    at, connections = urlsplit(postgres), CONNECTIONS[store]
    return {
        "sql": {
            "pluginName": PLUGIN,
            "databaseName": database,
            "connectAddr": f"{at.hostname}:{at.port}",
            "connectProtocol": "tcp",
            "user": user(at),
            "password": password(at),
            "maxConns": connections,
            "maxIdleConns": connections,
            "maxConnLifetime": "1h",
        }
    }


async def make_namespace(port: int) -> None:
    """Waits for the server and gives it the namespace; returns when that can be used. Raises the last RPCError."""
    client = await until_ready(lambda: Client.connect(f"127.0.0.1:{port}", namespace=NAMESPACE))
    request = RegisterNamespaceRequest(
        namespace=NAMESPACE, workflow_execution_retention_period=Duration(seconds=RETENTION_SECONDS)
    )
    await until_ready(lambda: client.workflow_service.register_namespace(request))
    await until_ready(lambda: client.count_workflows())


async def until_ready(attempt: Callable[[], Awaitable[T]]) -> T:
    deadline = asyncio.get_running_loop().time() + READY_WITHIN
    while True:
        try:
            return await attempt()
        except (RPCError, RuntimeError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.25)


def user(at: SplitResult) -> str:
    return unquote(at.username or "")


def password(at: SplitResult) -> str:
    return unquote(at.password or "")
