from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kefu.dev.environment import PROJECT
from kefu.web import OPTIONS

DOCKER = PROJECT / "docker"
ENV_KEY = re.compile(r"""env\.\w+\(\s*"(\w+)"|secret\("(\w+)\"""")


@pytest.fixture
def services() -> dict:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]


def keys_of_the_example() -> set[str]:
    return set(re.findall(r"\b(KEFU_\w+|\w+_URL|\w+_PASSWORD)\b", (DOCKER / "env.example").read_text()))


def test_it_is_a_valid_compose_file() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    command = [str(tool), "--builtin-schema", "vendor.compose-spec", str(DOCKER / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_depends_only_on_services_that_are_there_and_report_what_is_waited_for(services: dict) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for the health of {other}"


def test_it_runs_every_program_of_the_product_and_publishes_nginx_only(services: dict) -> None:
    assert {"web", "worker-llm", "worker-work", "beat", "migrate", "postgres", "valkey", "nginx"} <= set(
        services
    )
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]


def test_only_its_migration_knows_the_database_owners_password(services: dict) -> None:
    ours = [name for name, service in services.items() if "env_file" in service]
    assert {"web", "worker-llm", "worker-work", "beat", "migrate"} == set(ours)
    for name in ours:
        told = services[name]["environment"]
        assert told["DATABASE_URL"].startswith(
            "postgres://kefu_application:${POSTGRES_APPLICATION_PASSWORD:?"
        )
        assert told["POSTGRES_PASSWORD"] == ""  # which .env would hand to everybody
        owners = [value for value in told.values() if "${POSTGRES_PASSWORD" in value]
        assert bool(owners) == (name == "migrate") == ("KEFU_OWNER_DATABASE_URL" in told), name
    assert services["postgres"]["environment"]["POSTGRES_USER"] == "kefu"
    assert "kefu:${POSTGRES_PASSWORD" in services["migrate"]["environment"]["KEFU_OWNER_DATABASE_URL"]


def test_it_keeps_what_must_not_be_lost_in_named_volumes(services: dict) -> None:
    named = yaml.safe_load((DOCKER / "compose.yaml").read_text())["volumes"]
    for name in ("postgres", "valkey", "web", "worker-work"):
        sources = {volume.split(":")[0] for volume in services[name]["volumes"]}
        assert sources & set(named), name


def test_its_example_explains_every_key_that_the_settings_read() -> None:
    found = ENV_KEY.findall((PROJECT / "kefu" / "settings.py").read_text())
    read = {first or second for first, second in found}
    assert "KEFU_SECRET_KEY" in read
    assert read <= keys_of_the_example()


def test_its_example_gives_every_value_that_compose_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    assert asked <= keys_of_the_example()


def test_its_image_takes_in_every_package_of_ours_and_no_tests() -> None:
    rules = (PROJECT / ".dockerignore").read_text().split()
    packages = {path.parent.name for path in PROJECT.glob("*/__init__.py")} - {"tests"}
    assert {f"!{package}" for package in packages | {"static", "templates", "manage.py"}} <= set(rules)
    assert rules[0] == "**"


def test_its_server_believes_no_claimed_address_either() -> None:
    command = (DOCKER / "Dockerfile").read_text().rpartition("CMD")[2]
    assert '"kefu.web"' in command and OPTIONS["proxy_headers"] is False


def test_its_nginx_passes_sockets_through_and_trusts_no_claimed_address() -> None:
    text = (DOCKER / "nginx" / "kefu.conf").read_text()
    for line in (
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header Host $http_host;",
        "proxy_buffering off;",
    ):
        assert line in text
    assert text.count("{") == text.count("}")
