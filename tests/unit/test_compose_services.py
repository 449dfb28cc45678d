"""docker-compose.yml starts commands that exist, at ports that meet, with variables that are read."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import reviewmill
from emulator.setup import EMULATOR_VARIABLES
from worker.settings import describe_settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("storage", "setup", "worker")


def _listens() -> dict[str, int]:
    """Return the port on which each service that serves listens, from its command line."""
    ports = {}
    for name, service in SERVICES.items():
        command = service["command"]
        if "--port" in command:
            ports[name] = int(command[command.index("--port") + 1])
        for argument in command:
            if argument.startswith("--host-port="):
                ports[name] = int(argument.rpartition(":")[2])
    return ports


def test_the_services_are_those_of_the_local_cloud() -> None:
    assert set(SERVICES) == {"pubsub", "storage", "setup", "worker", "function"}
    assert _listens() == {"pubsub": 8085, "storage": 9199, "function": 8080}


@pytest.mark.parametrize("name", OURS)
def test_commands_of_the_worker_image_are_real(name: str) -> None:
    command = list(SERVICES[name]["command"])
    table = reviewmill.COMMANDS
    if command[0] == "emulator":
        command, table = command[1:], reviewmill.EMULATORS
    module, function = table[command[0]][0].split(":")
    loaded = importlib.import_module(module)
    assert callable(getattr(loaded, function))
    loaded._parser().parse_args(command[1:])  # exits with 2 on an argument that the command does not know


def test_function_is_started_with_options_and_an_entry_point_that_exist() -> None:
    from functions_framework._cli import _cli  # noqa: PLC0415 - heavy, and used here only

    command = SERVICES["function"]["command"]
    assert command[0] == "functions-framework"
    parsed = _cli.make_context("functions-framework", list(command[1:])).params
    assert parsed["target"] in _names_in_main()
    assert parsed["source"] == "/app/main.py"
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "COPY main.py /app/main.py" in dockerfile
    assert ", ".join(f'"{word}"' for word in command) in dockerfile
    assert f"EXPOSE {parsed['port']}" in dockerfile


def _names_in_main() -> set[str]:
    tree = ast.parse((ROOT / "main.py").read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return names | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_pubsub_is_the_emulator_of_google_on_every_address() -> None:
    service = SERVICES["pubsub"]
    assert service["image"] == "gcr.io/google.com/cloudsdktool/google-cloud-cli:emulators"
    assert service["command"][:5] == ["gcloud", "beta", "emulators", "pubsub", "start"]
    assert "--host-port=0.0.0.0:8085" in service["command"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "pubsub"])
def test_variables_are_known_and_their_values_are_accepted(name: str) -> None:
    environment = SERVICES[name]["environment"]
    known = {variable for variable, _, _ in describe_settings()} | set(EMULATOR_VARIABLES)
    assert set(environment) <= known
    assert set(EMULATOR_VARIABLES) <= set(environment)
    load_settings(environment)


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "pubsub"])
def test_addresses_between_services_meet_listening_ports(name: str) -> None:
    texts = [*SERVICES[name]["environment"].values(), *SERVICES[name]["command"]]
    found = [match for text in texts for match in re.findall(r"\b(pubsub|storage):(\d+)", text)]
    assert {service for service, _ in found} == {"pubsub", "storage"}
    assert all(_listens()[service] == int(port) for service, port in found)


def test_published_ports_are_those_that_are_listened_on_and_stay_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {name: [f"127.0.0.1:{port}:{port}"] for name, port in _listens().items()}


def test_everything_waits_for_what_it_needs_and_that_has_a_health_check() -> None:
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    assert waits["setup"] == {"pubsub", "storage"}
    assert waits["worker"] == waits["function"] == {"setup"}
    for service in SERVICES.values():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert SERVICES[other]["healthcheck"]["test"][0] == "CMD"


def test_health_checks_ask_the_service_itself() -> None:
    for name, port in _listens().items():
        check = " ".join(SERVICES[name]["healthcheck"]["test"])
        assert re.search(rf"127\.0\.0\.1[:/]{port}\b", check), name
    setup = SERVICES["setup"]
    ready_file = setup["command"][setup["command"].index("--ready-file") + 1]
    assert setup["healthcheck"]["test"] == ["CMD", "test", "-f", ready_file]


def test_setup_stays_because_emulators_forget() -> None:
    assert "--repeat-s" in SERVICES["setup"]["command"]
    assert all(service["restart"] == "unless-stopped" for service in SERVICES.values())


def test_images_are_stages_of_the_dockerfile() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    built = {name: service["build"]["target"] for name, service in SERVICES.items() if "build" in service}
    assert built == {"storage": "worker", "setup": "worker", "worker": "worker", "function": "function"}
    assert set(built.values()) <= stages


def test_volumes_are_declared() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])
    storage = SERVICES["storage"]
    assert storage["volumes"] == ["buckets:" + storage["command"][storage["command"].index("--folder") + 1]]
