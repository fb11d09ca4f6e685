from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from kefu.dev import environment, postgres, redis
from kefu.dev.processes import CannotStart
from tests.product import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def database(folder: Path) -> Path:
    cluster = folder / "postgres"
    yield cluster
    postgres.stop(cluster)


@pytest.fixture
def store(folder: Path) -> Path:
    files = folder / "redis"
    yield files
    redis.stop(files)


def test_it_keeps_rows_and_knows_vectors_over_a_restart(database: Path) -> None:
    with psycopg.connect(postgres.start(database)) as line:
        line.execute("CREATE EXTENSION vector")
        line.execute("CREATE TABLE words (v vector(2))")
        line.execute("INSERT INTO words VALUES ('[1,2]')")
        assert line.execute("SHOW fsync").fetchone() == ("on",)
    postgres.stop(database)
    assert postgres.running(database) is None

    with psycopg.connect(postgres.start(database)) as line:
        assert line.execute("SELECT v <-> '[1,2]' FROM words").fetchone() == (0.0,)


def test_it_takes_over_from_a_server_that_was_left_running(database: Path) -> None:
    postgres.start(database, durable=False)
    left = postgres.running(database)

    postgres.start(database, durable=False)

    assert not psutil.pid_exists(left)
    assert postgres.running(database) not in (None, left)


def test_it_survives_a_power_cut_and_a_pid_file_that_now_names_a_stranger(database: Path) -> None:
    with psycopg.connect(postgres.start(database)) as line:
        line.execute("CREATE TABLE kept (n int)")
        line.execute("INSERT INTO kept VALUES (7)")
    pid = postgres.running(database)
    os.kill(pid, signal.SIGKILL)
    psutil.Process(pid).wait(5)
    lines = (database / "postmaster.pid").read_text().splitlines()
    (database / "postmaster.pid").write_text("\n".join([str(os.getppid()), *lines[1:]]))

    with psycopg.connect(postgres.start(database)) as line:
        assert line.execute("SELECT n FROM kept").fetchone() == (7,)
    assert psutil.pid_exists(os.getppid())


def test_it_begins_anew_where_a_first_run_was_cut_short(database: Path) -> None:
    half = database.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    with psycopg.connect(postgres.start(database, durable=False)) as line:
        assert line.execute("SELECT 1").fetchone() == (1,)
    assert not half.exists()


def test_it_finds_a_short_socket_where_the_path_is_too_long(tmp_path: Path) -> None:
    deep = tmp_path / ("很长" * 20) / ("x" * 60) / "postgres"
    try:
        with psycopg.connect(postgres.start(deep, durable=False)) as line:
            assert line.execute("SELECT 1").fetchone() == (1,)
    finally:
        postgres.stop(deep)
    assert not postgres.socket_folder(deep).exists()


def test_it_refuses_the_data_of_another_postgresql(database: Path) -> None:
    database.mkdir(parents=True)
    (database / "PG_VERSION").write_text("15\n")

    with pytest.raises(CannotStart, match="PostgreSQL 15"):
        postgres.start(database)


def test_it_gives_a_redis_behind_a_password_that_remembers(store: Path) -> None:
    address = redis.start(store)
    with Redis.from_url(address) as line:
        line.set("k", "v")
        assert line.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with (
        pytest.raises(AuthenticationError),
        Redis.from_url(address.replace("redis://:", "redis://:x")) as stranger,
    ):
        stranger.ping()
    redis.stop(store)

    with Redis.from_url(redis.start(store, address)) as line:
        assert line.get("k") == b"v"


def test_it_starts_the_wheels_redis_too(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert redis.comes_from_wheel()

    with Redis.from_url(redis.start(store)) as line:
        assert line.info()["redis_version"].startswith("6.2")


def test_it_sets_a_dump_aside_that_cannot_be_read(store: Path) -> None:
    store.mkdir(parents=True)
    (store / "dump.rdb").write_bytes(b"REDIS0099 from the future")

    with Redis.from_url(redis.start(store)) as line:
        assert line.dbsize() == 0
    assert (store / "dump.rdb.unreadable").exists()


STARTER = "import sys; from pathlib import Path; from kefu.dev import {name}; {name}.start(Path(sys.argv[1])); input()"


@pytest.mark.parametrize("service", [postgres, redis])
def test_it_ends_with_the_process_that_started_it(service, folder: Path) -> None:
    name = service.__name__.rsplit(".", 1)[1]
    files = folder / name
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER.format(name=name), str(files)], stdin=subprocess.PIPE
    )
    wait_until(lambda: service.running(files))
    server = psutil.Process(service.running(files))

    starter.kill()
    starter.wait()
    starter.stdin.close()

    wait_until(lambda: service.running(files) is None)
    wait_until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def test_it_makes_secrets_once_and_keeps_them_private(folder: Path) -> None:
    first = environment.prepare(folder)

    assert environment.prepare(folder) == first == environment.read(folder / "env")
    keys = {"KEFU_SECRET_KEY", "KEFU_ENCRYPTION_KEYS", "KEFU_DEMO_PASSWORD", "DATABASE_URL", "REDIS_URL"}
    keys.add("KEFU_OWNER_DATABASE_URL")
    assert set(first) == keys
    assert (folder / "env").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["env"]


def test_it_moves_redis_when_its_port_was_taken_meanwhile(folder: Path) -> None:
    first = environment.prepare(folder)
    other = redis.start(folder / "other", first["REDIS_URL"])

    second = environment.prepare(folder)

    redis.stop(folder / "other")
    assert second["REDIS_URL"] != other
    assert second["KEFU_SECRET_KEY"] == first["KEFU_SECRET_KEY"]


def test_it_keeps_what_a_person_added_to_the_file(folder: Path) -> None:
    environment.prepare(folder)
    with (folder / "env").open("a") as file:
        file.write("KEFU_LLM_MODEL=glm-4.6\n")

    assert environment.prepare(folder)["KEFU_LLM_MODEL"] == "glm-4.6"
    assert "KEFU_LLM_MODEL=glm-4.6" in (folder / "env").read_text()
