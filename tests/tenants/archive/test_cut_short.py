"""Commands that are killed, at points drawn by chance: the next try finishes, and there is never half of anything."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zipfile import is_zipfile

import pytest

from tests.product import ROOT
from tests.tenants.archive.installation import Installation

pytestmark = pytest.mark.faults
ROUNDS = 20 if os.environ.get("KEFU_FAULTS") == "heavy" else 4
Words = tuple[str | Path, ...]


class Commands:
    """`manage.py tenant ...` in an installation, to be killed half-way."""

    def __init__(self, here: Installation, said: Path) -> None:
        self.said = said
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.tenants.archive.cut_short"],
            cwd=ROOT,
            env=os.environ | here.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _run(self, last: int, words: Words) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{json.dumps([last, str(self.said), [str(word) for word in words]])}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def run(self, *words: str | Path) -> int:
        """Succeeds; returns how many steps there are when nobody kills it."""
        status, said = self._run(0, words), self.said.read_text()
        found = re.search(r"^steps: (\d+)$", said, re.MULTILINE)
        assert found and status == 0, said
        return int(found[1])

    def kill(self, last: int, *words: str | Path) -> None:
        assert self._run(last, words) == -signal.SIGKILL, self.said.read_text()

    def close(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture
def at_source(source: Installation, tmp_path: Path) -> Iterator[Commands]:
    with closing(Commands(source, tmp_path / "said")) as commands:
        yield commands


@pytest.fixture
def at_target(target: Installation, tmp_path: Path) -> Iterator[Commands]:
    with closing(Commands(target, tmp_path / "said")) as commands:
        yield commands


def points(steps: int) -> list[int]:
    """Anywhere, and near the end, where things are put into place."""
    chance = random.Random()
    early = [chance.randint(1, steps) for _ in range(ROUNDS // 2)]
    return early + [chance.randint(max(1, steps - 200), steps) for _ in range(ROUNDS - len(early))]


@pytest.fixture(scope="module")
def archive(source: Installation, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archives") / "acme.kefu"
    source.tenant("export", "acme", path, "--key-file", key_file)
    return path


@pytest.mark.timeout(600)
def test_it_leaves_no_archive_that_looks_whole(
    source: Installation, at_source: Commands, tmp_path: Path
) -> None:
    before = source.everything("acme")
    steps = at_source.run("export", "acme", tmp_path / "whole.kefu")
    for number, last in enumerate(points(steps)):
        path = tmp_path / f"{number}.kefu"
        at_source.kill(last, "export", "acme", path)
        assert not path.exists() or is_zipfile(path), f"killed at step {last} of {steps}"
        other = tmp_path / f"{number}-again.kefu"
        at_source.run("export", "acme", other)
        assert is_zipfile(other)
        assert [*tmp_path.glob(".*")] == [], f"killed at step {last} of {steps}"
    assert source.everything("acme") == before


@pytest.mark.timeout(900)
def test_it_imports_and_erases_in_spite_of_being_killed(
    target: Installation, at_target: Commands, archive: Path, key_file: Path
) -> None:
    bring_in = (
        "import",
        archive,
        "--key-file",
        key_file,
        "--schema",
        "phoenix",
        "--host",
        "phoenix.localhost",
    )
    neighbour = ("import", archive, "--key-file", key_file, "--suspended")
    remove = ("erase", "phoenix", "--yes", "phoenix")
    at_target.run(*neighbour)
    acme = target.everything("acme")
    at_target.run(*bring_in, "--suspended")
    whole = target.everything("phoenix")
    at_target.run(*remove)

    import_steps = at_target.run(*bring_in, "--suspended")
    erase_steps = at_target.run(*remove)
    for last, last_of_erasure in zip(points(import_steps), points(erase_steps), strict=True):
        at = f"killed at step {last} of {import_steps}, then at step {last_of_erasure} of {erase_steps}"
        at_target.kill(last, *bring_in, "--suspended")
        if "phoenix" not in target.schemas():
            at_target.run(*bring_in, "--suspended")
        assert target.everything("phoenix") == whole, at
        at_target.kill(last_of_erasure, *remove)
        at_target.run(*remove)
        assert "phoenix" not in target.schemas(), at
        assert [*(target.folder / "files").rglob("*phoenix*")] == [], at
        assert target.everything("acme") == acme, at
    at_target.run("erase", "acme", "--yes", "acme")
