"""Commands that are killed, at points drawn by chance: the next try finishes, and there is never half of anything."""

from __future__ import annotations

import random
import re
import signal
from pathlib import Path
from zipfile import is_zipfile

import pytest

from tests.tenants.archive.installation import Installation

pytestmark = pytest.mark.faults
ROUNDS = 4


def steps_of(here: Installation, *arguments: str | Path) -> int:
    """How many there are in a run that nobody kills."""
    done = here.run("-m", "tests.tenants.archive.cut_short", "0", *map(str, arguments))
    found = re.search(r"^steps: (\d+)$", done.stderr, re.MULTILINE)
    assert found and done.returncode == 0, done.stdout + done.stderr
    return int(found[1])


def kill(here: Installation, last: int, *arguments: str | Path) -> None:
    done = here.run("-m", "tests.tenants.archive.cut_short", str(last), *map(str, arguments))
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


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
def test_it_leaves_no_archive_that_looks_whole(source: Installation, tmp_path: Path) -> None:
    before = source.everything("acme")
    steps = steps_of(source, "export", "acme", tmp_path / "whole.kefu")
    for number, last in enumerate(points(steps)):
        path = tmp_path / f"{number}.kefu"
        kill(source, last, "export", "acme", path)
        assert not path.exists() or is_zipfile(path), f"killed at step {last} of {steps}"
        other = tmp_path / f"{number}-again.kefu"
        source.tenant("export", "acme", other)
        assert is_zipfile(other)
        assert [*tmp_path.glob(".*")] == [], f"killed at step {last} of {steps}"
    assert source.everything("acme") == before


@pytest.mark.timeout(900)
def test_it_imports_and_erases_in_spite_of_being_killed(
    target: Installation, archive: Path, key_file: Path
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
    target.tenant(*neighbour)
    acme = target.everything("acme")
    target.tenant(*bring_in, "--suspended")
    whole = target.everything("phoenix")
    target.tenant(*remove)

    import_steps = steps_of(target, *bring_in, "--suspended")
    erase_steps = steps_of(target, *remove)
    for last, last_of_erasure in zip(points(import_steps), points(erase_steps), strict=True):
        at = f"killed at step {last} of {import_steps}, then at step {last_of_erasure} of {erase_steps}"
        kill(target, last, *bring_in, "--suspended")
        if "phoenix" not in target.schemas():
            target.tenant(*bring_in, "--suspended")
        assert target.everything("phoenix") == whole, at
        kill(target, last_of_erasure, *remove)
        target.tenant(*remove)
        assert "phoenix" not in target.schemas(), at
        assert [*(target.folder / "files").rglob("*phoenix*")] == [], at
        assert target.everything("acme") == acme, at
    target.tenant("erase", "acme", "--yes", "acme")
