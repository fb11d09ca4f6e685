"""`make clean`: removes the data folder of `make run`, but for the fetched models, which are long to fetch and lose nothing."""

from __future__ import annotations

import shutil
import sys

from rich.console import Console
from rich.markup import escape

from kefu.dev import postgres, redis
from kefu.dev.checks import only_one
from kefu.dev.environment import data_folder
from kefu.dev.processes import CannotStart


def main() -> int:
    console = Console(highlight=False, soft_wrap=True)
    data = data_folder()
    if not (data / "env").exists():  # the mark of a folder that we made: KEFU_DATA may name anything
        console.print(f"Nothing to remove in {escape(str(data))}.")
        return 0
    try:
        with only_one(data):
            postgres.stop(data / "postgres")
            redis.stop(data / "redis")
            for path in data.iterdir():
                if path.name != "models":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    except CannotStart as problem:
        console.print(f"[bold red]✗[/] {escape(str(problem))}")
        return 1
    if not any(data.iterdir()):
        data.rmdir()
    kept = f" Kept: {data / 'models'}." if (data / "models").exists() else ""
    console.print(escape(f"Removed the data in {data}.{kept}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
