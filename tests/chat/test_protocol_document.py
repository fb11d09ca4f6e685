from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from django.conf import settings
from pydantic import TypeAdapter

from chat import access, cursors, events, models, reading, sessions, socket
from chat.api import api
from chat.models import Attachment, Message, Note
from kefu import bodies as bodies  # has an error of its own
from kefu import errors
from tenants.models import Policy
from tests.conftest import Chat

PROJECT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = (PROJECT / "chat" / "PROTOCOL.md").read_text(encoding="utf-8")
# What uvicorn and proxies close with, not our code.
NOT_OURS = {1001, 1009, 1012}


def section(title: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    return re.split(rf"^#+ {re.escape(title)}\n", DOCUMENT, flags=re.M)[1].split("\n#")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of the section's tables, their heads left out."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row, below in zip(cells, [*lines[1:], ""], strict=True) if not is_rule(row, below)]


def is_rule(row: list[str], below: str) -> bool:
    return row[0].startswith("---") or below.startswith("| ---")


def names(text: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", text))


def table(title: str) -> dict[str, list[str]]:
    return {name: row[1:] for row in rows(title) for name in names(row[0])}


INCOMING = table("Client to server")
SIDES = {"visitor": events.VISITOR_FRAMES, "agent": events.AGENT_FRAMES}


def known_frames() -> dict[str, TypeAdapter[Any]]:
    return events.HELLO | events.VISITOR_FRAMES | events.AGENT_FRAMES


def sides_of(name: str) -> set[str]:
    return {side for side, kinds in SIDES.items() if name in kinds or name in events.HELLO}


def test_it_describes_every_frame_a_client_may_send_and_no_other() -> None:
    assert set(INCOMING) == set(known_frames())


@pytest.mark.parametrize("name", sorted(known_frames()))
def test_it_says_who_may_send_a_frame_and_names_its_fields(name: str) -> None:
    who, fields, *_meaning = INCOMING[name]
    assert {"both": {"visitor", "agent"}}.get(who, {who}) == sides_of(name)
    declared = set(known_frames()[name]._type.model_fields) - {"type"}
    assert {field for field in names(fields) if field != "N"} == declared


def test_it_marks_the_fields_that_may_be_missing() -> None:
    for name, (_who, fields, *_meaning) in INCOMING.items():
        optional = set(re.findall(r"`(\w+)`\?", fields))
        model = known_frames()[name]._type
        may_be_missing = {field for field, about in model.model_fields.items() if not about.is_required()}
        assert optional == may_be_missing - ({"token"} if name == "hello" else set()), name


def trees(*paths: str) -> Iterator[ast.AST]:
    for path in paths:
        yield from ast.walk(ast.parse((PROJECT / path).read_text(encoding="utf-8")))


def types_that_are_sent() -> set[str]:
    """Every {"type": "..."} that the app builds, but those of ASGI and of the bell; and the three frames of a stream."""
    files = [str(path.relative_to(PROJECT)) for path in (PROJECT / "chat").glob("*.py")]
    built = {
        value.value
        for node in trees(*files)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "type" and isinstance(value, ast.Constant)
    }
    frames = {name for name in built if name != "bell" and not name.startswith(("websocket.", "bell."))}
    return frames | {f"answer.{kind}" for kind in get_args(events.StreamFrame)}


def test_it_describes_every_frame_the_server_sends_and_no_other() -> None:
    assert set(table("Server to client")) == types_that_are_sent()


def test_it_names_every_field_of_a_message_and_of_an_ack() -> None:
    message = events.message_frame(Message())
    assert set(message) - {"type"} == set(table("message"))
    assert set(events.ack_frame("1", Message())) - {"type"} <= names(table("Server to client")["ack"][0])


def test_it_names_every_field_of_a_file() -> None:
    assert set(Attachment(width=4, height=3).as_dict()) == set(table("Files"))


def test_it_names_every_field_of_a_note() -> None:
    assert set(events.note_frame(Note())) - {"type"} <= names(table("Server to client")["note"][0])


def test_it_names_every_field_of_a_conversations_state(vera: Chat) -> None:
    state = reading.one(vera.conversation.pk)
    assert set(state) - {"type"} == set(table("conversation"))


def test_it_names_what_a_session_answers(vera: Chat) -> None:
    answer = sessions.session_answer(vera.tenant, "", "en", {})
    fields = table("Sessions")
    assert set(answer["policy"]) | set(answer) | {"locale", "page", "identity"} == set(fields)


def test_it_names_every_address_of_the_api_and_no_other() -> None:
    served = {
        (method.upper(), path)
        for path, methods in api.get_openapi_schema(path_prefix="/api/v1/")["paths"].items()
        for method in methods
    }
    named = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/api/v1/[\w/{}-]+)", section("Addresses")))
    assert named - {("GET", "/api/v1/openapi")} == served  # the description does not list itself


def every_error(kind: type[errors.KefuError] = errors.KefuError) -> Iterator[type[errors.KefuError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from every_error(below)


def test_it_explains_every_error_code_with_its_http_status_and_no_other() -> None:
    explained = {
        (code, int(status)) for code, row in table("Error codes").items() for status in row[0].split(", ")
    }
    assert explained == {(error.code, error.status) for error in every_error()}


def close_codes() -> set[int]:
    numbers = (
        node.value
        for node in trees("chat/socket.py", "chat/ear.py", "chat/caretaker.py")
        if isinstance(node, ast.Constant)
    )
    return {number for number in numbers if isinstance(number, int) and 4000 < number < 5000}


def test_it_explains_every_close_code_and_no_other() -> None:
    explained = {int(code) for row in rows("Close codes") for code in re.findall(r"\d{4}", row[0])}
    assert explained == close_codes() | NOT_OURS


def test_its_figures_are_those_of_the_code() -> None:
    assert f"within {socket.HELLO_WITHIN:.0f} seconds" in DOCUMENT
    assert f"in the last {models.SILENCE.seconds} seconds" in DOCUMENT
    assert f"more than {Policy().frames_per_ten_seconds} frames in {socket.WINDOW:.0f} seconds" in DOCUMENT
    assert f"good for {access.TOKEN_AGE // 86400} days" in DOCUMENT
    assert f"the last {cursors.GREETED_WITH})" in DOCUMENT
    assert f"Up to {cursors.RESENT} messages" in DOCUMENT
    assert f"`protocol`: {events.PROTOCOL}," in DOCUMENT
    assert f"at most {events.LONGEST_FRAME // 1024} KiB" in DOCUMENT
    assert f"up to {events.MOST_FILES} files" in DOCUMENT
    assert f"`KEFU_MAX_UPLOAD_MB` ({settings.MAX_UPLOAD_MB})" in DOCUMENT
    assert reading.PAGE == reading.LISTED == 200
