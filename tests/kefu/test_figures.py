"""The limits of nginx, of the web process, of the settings and of the protocol: whoever changes one is told of the others."""

from __future__ import annotations

import re

import yaml
from django.conf import settings

from chat import events
from kefu import bodies, wire
from kefu.dev.environment import PROJECT
from kefu.web import FILES, OPTIONS
from knowledge.loading import FILE_BYTES
from tenants.models import Policy

NGINX = PROJECT / "docker" / "nginx"
CONF = (NGINX / "kefu.conf").read_text()
SECONDS, BYTES = {"s": 1, "m": 60}, {"k": 2**10, "m": 2**20}


def seconds(name: str, text: str = CONF) -> int:
    return int(_found(name, text)[1]) * SECONDS[_found(name, text)[2]]


def body(place: str) -> int:
    """Bytes that nginx lets through to `place`."""
    block = re.search(rf"location {re.escape(place)} {{([^}}]*?client_max_body_size[^}}]*)}}", CONF)
    found = _found("client_max_body_size", block[1] if block else CONF)
    return int(found[1]) * BYTES[found[2]]


def _found(name: str, text: str) -> re.Match[str]:
    found = re.search(rf"\b{name} (\d+)([a-z]?);", text)
    assert found, name
    return found


def number(name: str, text: str) -> int:
    found = re.search(rf"\b{name}[ =](\d+)", text)
    assert found, name
    return int(found[1])


def test_it_takes_the_same_bodies_in_nginx_and_in_the_web_process() -> None:
    assert body("/") == bodies.BODY
    assert body(bodies.ADMIN) == bodies.FORM
    assert body(f"= {bodies.UPLOADS}") == bodies.DOCUMENTS
    assert body(f"~ ^{bodies.ATTACHMENTS.pattern}$") == settings.MAX_UPLOAD_MB * bodies.MIB


def test_it_takes_a_document_as_large_as_the_knowledge_base_does_and_what_forms_may_hold() -> None:
    assert bodies.DOCUMENTS > FILE_BYTES
    assert bodies.BODY < settings.DATA_UPLOAD_MAX_MEMORY_SIZE < bodies.FORM
    assert bodies.BODY > 4 * events.LONGEST_TEXT


def test_it_takes_files_as_large_as_a_policy_that_nobody_changed_and_gives_who_is_refused_time_to_hear_it() -> (
    None
):
    assert Policy().upload_mb <= settings.MAX_UPLOAD_MB
    assert Policy().upload_mb * bodies.MIB <= wire.LINGER_BYTES
    assert Policy().files_per_message == events.MOST_FILES


def test_it_takes_frames_as_long_as_the_protocol_says_and_unpacks_none() -> None:
    assert OPTIONS["ws_max_size"] == events.LONGEST_FRAME
    assert OPTIONS["ws_per_message_deflate"] is False
    assert events.LONGEST_FRAME > 4 * events.LONGEST_TEXT


def test_it_waits_longer_in_nginx_than_both_ends_need_for_a_sign_of_life() -> None:
    sockets = re.search(r"location /ws/ {(.*?)}", CONF, re.S)
    assert sockets
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        assert seconds(name, sockets[1]) >= 2 * max(events.HEARTBEAT, OPTIONS["ws_ping_interval"])
    assert seconds("proxy_read_timeout") >= Policy().turn_deadline


def test_it_never_lets_the_web_process_close_a_line_that_nginx_keeps_for_later() -> None:
    upstream = re.search(r"upstream web {(.*?)}", CONF, re.S)
    assert upstream
    assert seconds("keepalive_timeout", upstream[1]) < OPTIONS["timeout_keep_alive"]


def test_it_gives_heads_and_bodies_the_same_time_everywhere() -> None:
    assert seconds("client_header_timeout") == wire.HEAD_WITHIN
    assert seconds("client_body_timeout") == bodies.GRACE
    assert seconds("send_timeout") == wire.READ_WITHIN


def test_its_nginx_is_no_stricter_with_an_address_than_a_policy_that_nobody_changed() -> None:
    policy = Policy()
    assert number("limit_conn connections", CONF) >= 2 * policy.sockets_per_address
    assert number("rate", CONF) >= 2 * policy.address_messages_per_minute / 60


def test_it_has_files_enough_for_its_sockets() -> None:
    services = yaml.safe_load((PROJECT / "docker" / "compose.yaml").read_text())["services"]
    assert services["web"]["ulimits"]["nofile"] >= FILES > 2 * settings.MAX_SOCKETS
    main = (NGINX / "nginx.conf").read_text()
    assert services["nginx"]["ulimits"]["nofile"] >= number("worker_rlimit_nofile", main)
    assert number("worker_rlimit_nofile", main) >= 2 * number("worker_connections", main)
    assert number("worker_connections", main) > settings.MAX_SOCKETS
    assert Policy().sockets_per_tenant <= settings.MAX_SOCKETS
