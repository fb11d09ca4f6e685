from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from kefu.dev import checks, clean, environment, translations
from kefu.dev.processes import CannotStart
from kefu.dev.redis import free_port

OURS = ("KEFU_", "DATABASE_URL", "REDIS_URL")  # what the services of these tests have set


def test_it_names_the_variable_that_moves_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"Port {port} is taken.*KEFU_PORT={port + 1}"):
            checks.check_port(port)
    checks.check_port(free_port())


def test_it_tells_when_the_data_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match=r"not writable.*KEFU_DATA"):
        checks.check_folder(tmp_path / "file")


def test_it_tells_when_the_disk_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NEEDED_BYTES", 1 << 60)
    with pytest.raises(CannotStart, match="500 MB are needed"):
        checks.check_folder(tmp_path)


def test_it_lets_one_process_at_a_time_use_a_data_folder(tmp_path: Path) -> None:
    with (
        checks.only_one(tmp_path),
        pytest.raises(CannotStart, match=f"already runs on .*{os.getpid()}"),
        checks.only_one(tmp_path),
    ):
        pytest.fail("two at once")
    with checks.only_one(tmp_path):
        pass


def test_it_prepares_the_database_again_only_when_something_changed(tmp_path: Path) -> None:
    mark = checks.fingerprint(tmp_path, "postgres://one")
    assert not checks.is_prepared(tmp_path, mark)

    checks.set_prepared(tmp_path, mark)

    assert checks.is_prepared(tmp_path, checks.fingerprint(tmp_path, "postgres://one"))
    assert not checks.is_prepared(tmp_path, checks.fingerprint(tmp_path, "postgres://two"))
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    assert not checks.is_prepared(tmp_path, checks.fingerprint(tmp_path, "postgres://one"))


def test_it_compiles_a_translation_once_and_again_when_it_changed(tmp_path: Path) -> None:
    source = tmp_path / "kefu" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True)
    source.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "Send"\nmsgstr "发送"\n'
    )
    assert translations.compile_translations(tmp_path) == [source]
    assert "发送".encode() in source.with_suffix(".mo").read_bytes()
    assert translations.compile_translations(tmp_path) == []

    os.utime(source, (time.time() + 5, time.time() + 5))

    assert translations.compile_translations(tmp_path) == [source]
    assert sorted(path.suffix for path in source.parent.iterdir()) == [".mo", ".po"]


def test_it_cleans_its_own_data_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    home.mkdir()
    (home / "letter").write_text("dear")
    environment.prepare(data)
    (data / "models").mkdir()
    (data / "files").mkdir()

    for folder in (home, data):
        monkeypatch.setenv("KEFU_DATA", str(folder))
        assert clean.main() == 0

    assert (home / "letter").exists()
    assert [path.name for path in data.iterdir()] == ["models"]


@pytest.mark.product
@pytest.mark.timeout(300)
def test_it_comes_up_from_nothing_mends_what_is_killed_and_leaves_no_process(tmp_path: Path) -> None:
    port = free_port()
    variables = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    variables |= {"KEFU_DATA": str(tmp_path / "data"), "KEFU_PORT": str(port), "KEFU_DEMO_PASSWORD": ""}
    log = tmp_path / "said"
    with log.open("w") as output:
        start = subprocess.Popen(
            [sys.executable, "-m", "kefu.dev"], env=variables, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "Kefu is running" in log.read_text(), start, 240)
        assert f"http://acme.localhost:{port}/demo/" in log.read_text()
        family = psutil.Process(start.pid).children(recursive=True)
        next(member for member in family if "kefu.web" in member.cmdline()).kill()
        wait_for(lambda: "ended by signal 9" in log.read_text(), start, 60)
    finally:
        family = psutil.Process(start.pid).children(recursive=True)
        start.send_signal(signal.SIGTERM)
        status = start.wait(60)

    gone, alive = psutil.wait_procs(family, timeout=5)
    assert (status, alive) == (0, [])
    assert len(gone) > 6
    assert "✓ Stopped" in log.read_text()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
