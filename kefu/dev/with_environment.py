"""Runs a tool that loads our settings, on a fresh clone too: `with_environment [--database] mypy`, `... manage.py COMMAND`.

It gets throw-away secrets where there are none yet and, with `--database`, an empty PostgreSQL of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from kefu.dev import environment, postgres


def main(arguments: list[str]) -> int:
    kept = environment.read(environment.data_folder() / "env")
    secrets = environment.secrets_for(kept) | os.environ
    if arguments[0] != "--database":
        return run(arguments, secrets)
    with tempfile.TemporaryDirectory(prefix="kefu-") as folder:
        cluster = Path(folder) / "postgres"
        try:
            return run(arguments[1:], secrets | {"DATABASE_URL": postgres.start(cluster, durable=False)})
        finally:
            postgres.stop(cluster)


def run(command: list[str], variables: dict[str, str]) -> int:
    program = [command[0]] if command[0].endswith(".py") else ["-m", command[0]]
    return subprocess.run([sys.executable, *program, *command[1:]], env=variables).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
