"""H60 (PIPL 45): everything that is kept of a visitor, in one file that people can read, and nothing of anybody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.storage import default_storage
from django.utils import translation

from chat.models import Attachment, Message, Visitor
from chat.visitors.exporting import export
from kefu.errors import WrongState
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator
from tests.chat.leavings import SAID, Left, clear, leave
from tests.tenants.conftest import manage


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def vera(live_acme: Tenant) -> Iterator[Left]:
    left, vlad = leave(live_acme, "Vera"), leave(live_acme, "Vlad")
    yield left
    clear(left)
    clear(vlad)


def unpacked(data: bytes) -> tuple[Any, dict[str, bytes]]:
    with ZipFile(BytesIO(data)) as archive:
        content = json.loads(archive.read("visitor.json"))
        return content, {name: archive.read(name) for name in archive.namelist() if name != "visitor.json"}


def exported(left: Left) -> tuple[Any, dict[str, bytes]]:
    file = BytesIO()
    export(left.tenant, left.visitor.pk, file)
    return unpacked(file.getvalue())


def test_it_holds_what_was_said_and_sent(vera: Left) -> None:
    content, files = exported(vera)
    assert content["company"] == "Acme" and content["profile"]["name"] == "Vera"
    assert content["profile"]["last_page"]["title"] == "Cart"
    first, second = content["conversations"]
    assert (first["messages"], first["state"]) == ([], "closed") and first["ended"]
    asked, answered = second["messages"]
    assert (asked["n"], asked["from"], asked["text"]) == (1, "visitor", SAID)
    assert answered["feedback"]["comment"] == "没用" and second["complaints"][0]["text"] == SAID
    names = [asked["files"][0]["file"], second["files_never_sent"][0]["file"]]
    assert files == dict.fromkeys(names, b"receipt") and names[0] == "files/0001-收据.txt"


def test_it_can_be_read_as_it_stands(vera: Left) -> None:
    file = BytesIO()
    export(vera.tenant, vera.visitor.pk, file)
    with ZipFile(file) as archive:
        text = archive.read("visitor.json").decode()
    assert SAID in text and len(text.splitlines()) > 50


def test_it_holds_nothing_of_anybody_else_and_nothing_from_inside(vera: Left) -> None:
    content, _files = exported(vera)
    text = json.dumps(content, ensure_ascii=False)
    for hidden in ("Vlad", "is upset", "retrieve", "steps", str(vera.turn.pk)):
        assert hidden not in text


def test_names_of_files_lead_nowhere(vera: Left) -> None:
    with inside(vera.tenant):
        Attachment.objects.filter(conversation=vera.conversation).update(name="../../etc/cron.d/x")
    _content, files = exported(vera)
    assert sorted(files) == ["files/0001-x", "files/0002-x"]


def test_it_says_which_file_is_gone(vera: Left, tmp_path: Path) -> None:
    with inside(vera.tenant):
        default_storage.delete(Attachment.objects.get(message__conversation=vera.conversation).file.name)
    path = tmp_path / "vera.zip"
    words = ("export", "--tenant", "acme", str(vera.visitor.pk), str(path))
    done = manage(*words, "--json", name="visitor")
    assert done.code == 0 and done.json["missing"] == ["收据.txt"] and done.json["files"] == 1
    assert path.stat().st_mode & 0o777 == 0o600
    content, _files = unpacked(path.read_bytes())
    assert content["conversations"][1]["messages"][0]["files"][0]["file"] is None
    again = manage(*words, name="visitor")
    assert again.code == 1 and "File exists" in again.err and path.stat().st_size


def test_an_administrator_gets_it_and_that_is_noted(vera: Left) -> None:
    client = administrator(vera.tenant)
    address = f"/admin/chat/visitor/{vera.visitor.pk}/export/"
    assert client.get(address).status_code == 405
    answer = client.post(address)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    content, files = unpacked(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
    assert content["profile"]["id"] == str(vera.visitor.pk) and len(files) == 2
    with inside(vera.tenant):
        assert (
            LogEntry.objects.filter(object_id=str(vera.visitor.pk), change_message="Exported.").count() == 1
        )
        assert Message.objects.filter(conversation=vera.conversation).count() == 2


def test_who_is_being_erased_is_not_exported(vera: Left, tmp_path: Path) -> None:
    with inside(vera.tenant):
        Visitor.objects.filter(pk=vera.visitor.pk).update(erasing_since="2026-11-28T00:00Z")
    with pytest.raises(WrongState):
        exported(vera)
    path = tmp_path / "vera.zip"
    done = manage("export", "--tenant", "acme", str(vera.visitor.pk), str(path), name="visitor")
    assert done.code == 1 and not path.exists()
