"""Where nobody is served: on a host that nobody has, at a company that is suspended, and while its tables are being migrated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tenants import actions, closed, registry
from tenants.models import SchemaState, Tenant
from tests.chat.test_protocol_document import DOCUMENT

STRANGERS = (
    "nobody.example", "acme.example", "acme.localhost.example", "notacme.localhost", "public", "", "[::1]:80",
    "<script>alert(1)</script>",
)  # fmt: skip
PAGES = ("/", "/admin/", "/admin/login/", "/console/login/", "/widget/v1/panel", "/static/x.css", "/nothing")


@pytest.fixture
def suspended(acme: Tenant) -> Iterator[Client]:
    actions.suspend(acme)
    yield Client(HTTP_HOST="acme.localhost")
    registry.forget()


@pytest.fixture
def updating(acme: Tenant) -> Iterator[Client]:
    state = SchemaState.objects.get(tenant=acme)
    SchemaState.objects.filter(pk=state.pk).update(applied=state.applied[:-1])
    registry.forget()
    yield Client(HTTP_HOST="acme.localhost")
    registry.forget()


def answers(hosts: tuple[str, ...], pages: tuple[str, ...], **headers: str) -> set[Any]:
    return {
        (answer.status_code, answer.content, tuple(sorted(answer.headers.items())))
        for host in hosts
        for answer in (Client(HTTP_HOST=host).get(page, headers=headers) for page in pages)
    }


@pytest.mark.parametrize("headers", [{}, {"accept-language": "en"}, {"accept": "application/json"}])
def test_every_stranger_gets_the_same_bytes(db: None, headers: dict[str, str]) -> None:
    (answer,) = answers(STRANGERS, PAGES, **headers)
    status, body, _headers = answer
    assert status == 404 and b"acme" not in body and b"alert" not in body


@pytest.mark.parametrize(
    ("language", "shown", "said"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.5", "zh-hans", "页面不存在"),
        ("en-GB,en;q=0.9", "en", "Page not found"),
        ("fr", "zh-hans", "页面不存在"),
        ("x" * 5000, "zh-hans", "页面不存在"),
    ],
)
def test_it_speaks_the_language_of_the_browser(db: None, language: str, shown: str, said: str) -> None:
    answer = Client(HTTP_HOST="nobody.example").get("/", headers={"accept-language": language})
    page = answer.content.decode()
    assert f'<html lang="{shown}">' in page and f"<h1>{said}</h1>" in page
    assert "Accept-Language" in answer["Vary"]


def test_it_says_that_a_company_is_suspended(suspended: Client) -> None:
    answer = suspended.get("/", headers={"accept-language": "en"})
    page = answer.content.decode()
    assert answer.status_code == 503 and "<h1>This service is suspended.</h1>" in page
    assert "Retry-After" not in answer and "http-equiv" not in page


def test_it_says_when_to_come_back_and_does_so_by_itself(updating: Client) -> None:
    answer = updating.get("/console/", headers={"accept-language": "en"})
    page = answer.content.decode()
    assert answer.status_code == 503 and answer["Retry-After"] == "10"
    assert 'http-equiv="refresh" content="10"' in page and "being updated" in page


@pytest.mark.parametrize(
    ("path", "accept"), [("/api/v1/me", "*/*"), ("/api/v1/me", "text/html"), ("/", "application/json")]
)
def test_programs_get_problem_details(suspended: Client, path: str, accept: str) -> None:
    answer = suspended.get(path, headers={"accept": accept, "accept-language": "en"})
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["temporary"]) == (503, "suspended", True)
    assert problem["title"] == "This service is suspended."


def test_programs_are_told_when_to_come_back(updating: Client) -> None:
    problem = updating.post("/api/v1/visitor/sessions").json()
    assert (problem["code"], problem["retry_after"]) == ("updating", 10)


def test_the_page_fetches_nothing_and_nothing_can_run_in_it(suspended: Client) -> None:
    answer = suspended.get("/")
    assert not re.search(r"""(?:src|href)=|url\(|@import|<script""", answer.content.decode())
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer["Cache-Control"] == "no-store" and not answer.cookies


def test_its_codes_are_in_the_protocol() -> None:
    for one in (closed.NOBODY, closed.SUSPENDED, closed.UPDATING):
        assert f"{one.status} `{one.code}`" in DOCUMENT
