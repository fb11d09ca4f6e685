"""F39, H16: the real nginx with our own configuration in front of a real web process."""

from __future__ import annotations

import http.client
import re
import secrets
import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User

from kefu import bodies
from kefu.dev.environment import PROJECT
from kefu.dev.processes import end, start_server
from kefu.dev.redis import free_port
from tenants.context import inside
from tenants.logins import BY_ADDRESS
from tenants.models import Tenant
from tests.chat import files
from tests.chat.client import Place, Socket, Visitor
from tests.chat.conftest import ENDING, _wait_for
from tests.chat.files import png
from tests.hostile.conftest import Web, greet
from tests.hostile.raw import PING, PONG, TEXT, Raw, frame, head
from tests.hostile.test_bodies import ask, key_of, make_agent_of, upload
from tests.hostile.test_frames import TOO_BIG
from tests.product import wait_until
from tests.services import FOLDER

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = [
    pytest.mark.product,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]
CONNECTIONS = 20  # from one address, here: the real figure would take thousands


@pytest.fixture(scope="module")
def front(web: Web) -> Iterator[int]:
    """nginx's port. What is changed for this machine is where things are, and how many connections are many."""
    port = free_port()
    command = (str(NGINX), "-c", str(configuration(FOLDER / "nginx", port, web.port)), "-g", "daemon off;")
    log = FOLDER / "nginx.log"
    running = start_server(command, log, signal.SIGTERM)
    _wait_for(f"http://127.0.0.1:{port}/nginx-health", log)
    yield port
    end(running.pid, ENDING)


def configuration(folder: Path, port: int, behind: int) -> Path:
    folder.mkdir()
    main, served = folder / "nginx.conf", folder / "kefu.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    put(
        "nginx.conf",
        main,
        {
            "/etc/nginx/conf.d/*.conf": str(served),
            "include /etc/nginx/mime.types;": places,
            "/run/nginx.pid": str(folder / "pid"),
            "worker_processes auto;": "worker_processes 1;",
            "worker_rlimit_nofile 65536;": "",
            "worker_connections 32768;": "worker_connections 500;",
        },
    )
    put(
        "kefu.conf",
        served,
        {
            "server web:8000;": f"server 127.0.0.1:{behind};",
            "listen 80 default_server;": f"listen 127.0.0.1:{port} default_server;",
            "limit_conn connections 2000;": f"limit_conn connections {CONNECTIONS};",
        },
    )
    return main


def put(name: str, target: Path, changes: dict[str, str]) -> None:
    text = (PROJECT / "docker" / "nginx" / name).read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    target.write_text(text)


@pytest.fixture
def acme_front(front: int, live_acme: Tenant) -> Place:
    return Place("acme.localhost", front)


def test_f39_sockets_pass_with_their_frames_at_once_and_their_codes(acme_front: Place) -> None:
    vera = Visitor(acme_front)
    with vera.socket() as tab:
        assert vera.say(tab, "hello")["seq"] == 1
        tab.send("hello", token="nonsense")
        assert tab.expect("error")["code"] == "unknown_type"
    with Raw(acme_front) as line:
        greet(line, vera)
        line.send(frame(PING, b"through?"))
        assert line.next() == (PONG, b"through?")
        line.send(head(TEXT, 2**30) + b"x")
        assert line.closed() == TOO_BIG
    with Socket(acme_front, "/ws/v1/visitor", origin=acme_front.origin) as socket:
        socket.send("hello", token="nonsense")
        assert socket.closed() == 4001


def test_f39_too_much_is_refused_where_it_comes_in_and_documents_pass(
    acme_front: Place, live_acme: Tenant
) -> None:
    with inside(live_acme):
        staff = User.objects.create_user(uuid.uuid4().hex, is_staff=True)
    assert (
        upload(acme_front, key_of(live_acme, staff), bodies.FORM + bodies.MIB) == 403
    )  # for want of a token
    assert upload(acme_front, key_of(live_acme, make_agent_of(live_acme)), bodies.FORM + bodies.MIB) == 413
    for path in ("/api/v1/visitor/sessions", "/console/login/"):
        with Raw(acme_front) as line:
            line.send(ask(acme_front, path, f"Content-Length: {2 * bodies.MIB}"))
            assert line.http_head().split()[1] == "413"
    with Raw(acme_front) as line:
        line.send(ask(acme_front, "/api/v1/visitor/sessions", "Transfer-Encoding: chunked"))
        line.pour(repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n", 1000))
        assert line.http_head().split()[1] == "413"


def test_f39_a_file_passes_as_it_comes_and_one_that_is_too_large_does_not(
    acme_front: Place, live_acme: Tenant
) -> None:
    vera = Visitor(acme_front)
    data = png() + bytes(5 * bodies.MIB)
    assert files.upload(vera, data).status == 201
    to = f"POST {files.address_of(vera.conversation)} HTTP/1.1\r\nHost: {acme_front.host}:{acme_front.port}\r\n"
    known = f"{to}Authorization: Bearer {vera.token}\r\nContent-Disposition: attachment; filename=a.png\r\n"
    for size in (11 * bodies.MIB, 21 * bodies.MIB):
        with Raw(acme_front) as line:
            line.send(f"{known}Content-Length: {size}\r\n\r\n".encode())
            assert line.http_head().split()[1] == "413"
    with Raw(acme_front) as line:  # the web node sees the beginning before the end is there
        line.send(f"{known}Content-Length: {len(data)}\r\n\r\n".encode() + data[:50_000])
        wait_until(lambda: any(path.parent.name == "incoming" for path in files.stored(live_acme)))
    wait_until(lambda: not any(path.parent.name == "incoming" for path in files.stored(live_acme)))
    assert len(files.stored(live_acme, vera.conversation)) == 1


@pytest.mark.parametrize("forged", ["198.51.100.{}", "198.51.100.{}, 127.0.0.1"])
def test_h16_an_address_that_a_client_claims_is_not_believed(acme_front: Place, forged: str) -> None:
    address = f"127.0.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}"
    login = Login(acme_front, address)
    statuses = [login.guess(forged.format(number)) for number in range(BY_ADDRESS + 1)]
    assert statuses == [200] * BY_ADDRESS + [429]
    assert Login(acme_front, "127.1.1.1").guess(address) == 200


class Login:
    """The console's login page, as a browser at `address` has it open."""

    def __init__(self, place: Place, address: str) -> None:
        self.host, self.address, self.port = f"{place.host}:{place.port}", address, place.port
        self.token = re.search(r"csrftoken=(\w+)", str(self._ask("GET").headers["Set-Cookie"]))[1]

    def guess(self, forwarded_for: str) -> int:
        """At a login of its own. The answer's status."""
        form = {"csrfmiddlewaretoken": self.token, "username": uuid.uuid4().hex}
        headers = {"Cookie": f"csrftoken={self.token}", "X-Forwarded-For": forwarded_for}
        return self._ask("POST", urlencode(form), headers).status

    def _ask(
        self, method: str, body: str = "", headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        line = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=15, source_address=(self.address, 0)
        )
        known = {"Host": self.host, "Content-Type": "application/x-www-form-urlencoded"}
        line.request(method, "/console/login/", body, known | (headers or {}))
        answer = line.getresponse()
        answer.read()
        line.close()
        return answer


def test_f39_what_is_for_the_inside_stays_inside(acme_front: Place) -> None:
    assert [acme_front.request("GET", path)[0] for path in ("/metrics", "/readyz")] == [404, 404]
    assert acme_front.request("GET", "/healthz")[0] == 200


def test_f39_one_address_does_not_take_all_connections(acme_front: Place) -> None:
    with ExitStack() as stack:

        def status(address: str) -> str:
            line = stack.enter_context(Raw(acme_front, address=address))
            return line.shake_hands().split()[1]

        assert [status("127.0.0.73") for _ in range(CONNECTIONS + 1)] == ["101"] * CONNECTIONS + ["429"]
        assert status("127.0.0.74") == "101"
