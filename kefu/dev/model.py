"""`make model`: fetch, show or remove the local language model."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from kefu.dev import model_fetch
from kefu.dev.environment import data_folder
from kefu.dev.model_files import ENGLISH, MODELS, SMALL, USUAL, Model, fetched
from kefu.dev.processes import CannotStart

console = Console(highlight=False, soft_wrap=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=VERBS, help="what to do with the local language model")
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--small", action="store_true", help="the model with 0.5 instead of 1.5 billion parameters (0.5 GB)"
    )
    parser.add_argument(
        "--english",
        action="store_true",
        help="no language model, but the encoder that tells English questions apart (23 MB), for intents",
    )
    parser.add_argument(
        "--source",
        default="",
        metavar="URL",
        help="fetch from this address only; the sha256 is checked as ever",
    )


def run(verb: str, small: bool = False, english: bool = False, source: str = "") -> int:
    """Exit status: 0 when done, 1 with a sentence when not."""
    try:
        if english and source:
            raise CannotStart("The encoder of English is two files: --source cannot name both.")
        if english:
            VERBS_OF_ENGLISH[verb]()
        else:
            VERBS[verb](SMALL if small else USUAL, data_folder() / "models", source)
    except CannotStart as problem:
        console.print(f"[bold red]✗[/] {escape(str(problem))}")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped; what came so far is kept, the next `make model` goes on from there.")
        return 1
    return 0


def fetch(model: Model, folder: Path, source: str) -> None:
    _fetch(model, folder, source)
    with console.status("Installing the model server"):
        model_fetch.install_runtime()
        if not model_fetch.runtime_works():
            raise CannotStart(
                "The model server does not run on this processor; set KEFU_LLM_BASE_URL to a server elsewhere."
            )
    console.print("[green]✓[/] Model server installed. The next `make run` answers with this model.")


def _fetch(model: Model, folder: Path, source: str) -> None:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(model.name, total=model.size)
        path = model_fetch.fetch(
            model,
            folder,
            lambda size: progress.update(bar, completed=size),
            lambda line: tell(progress.console, line),
            source,
        )
    console.print(f"[green]✓[/] {model.name} in {path}, sha256 checked")


def tell(where: Console, line: str) -> None:
    where.print(f"[dim]{escape(line)}[/]")


def status(model: Model, folder: Path, source: str) -> None:
    for known in MODELS:
        state = "fetched" if (folder / known.file).exists() else "not here"
        part = model_fetch.size_of(folder / f"{known.file}.part")
        if part:
            state = f"{part * 100 // known.size} % fetched"
        served = "  [green]served by `make run`[/]" if fetched(folder) is known else ""
        console.print(f"{known.name:30} {known.size / 1e9:.1f} GB  {state}{served}")


def remove(model: Model, folder: Path, source: str) -> None:
    files = [folder / model.file, folder / f"{model.file}.part"]
    there = [file for file in files if file.exists()]
    for file in there:
        file.unlink()
    console.print(f"Removed {model.name}." if there else f"{model.name} is not here.")


def fetch_english() -> None:
    for model in ENGLISH:
        _fetch(model, _english_folder(), "")
    console.print("[green]✓[/] Intents that are trained from now on may use it; start the workers anew.")


def status_of_english() -> None:
    is_here = all((_english_folder() / model.file).exists() for model in ENGLISH)
    console.print(f"{ENGLISH[0].name}: {'fetched' if is_here else 'not here'}")


def remove_english() -> None:
    for model in ENGLISH:
        (_english_folder() / model.file).unlink(missing_ok=True)
    console.print(f"Removed {ENGLISH[0].name}; models trained with it leave all questions to the quick one.")


def _english_folder() -> Path:
    """Where workers look for it: see knowledge.english."""
    return Path(os.environ.get("KEFU_MODELS") or data_folder() / "models") / "english"


VERBS_OF_ENGLISH = {"fetch": fetch_english, "status": status_of_english, "remove": remove_english}
VERBS = {"fetch": fetch, "status": status, "remove": remove}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="model", description=__doc__)
    add_arguments(parser)
    return run(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
