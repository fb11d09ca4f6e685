"""What messages do with files: whose they take, what becomes of files that none takes, and what the bot makes of them."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import actions, drafts, effects, reading, turns, uploads, writer
from chat.drafts import Draft
from chat.models import Agent, Attachment, Conversation, PendingTurn
from inference import pipeline
from inference.dialogue import FILES_ALONE, Dialogue
from inference.turn import Answer, Lane, Turn
from tenants.context import database_call, inside
from tenants.models import Tenant
from tests.chat.sending import execute, send, write
from tests.chat.test_writer import chats as chats
from tests.chat.test_writer import draft, said
from tests.conftest import Chat, open_chat
from tests.inference.turns import a_mind


def a_file(chat: Chat, agent: Agent | None = None, name: str = "a.png") -> Attachment:
    """Uploaded, and in no message yet. Inside the tenant's schema."""
    row = Attachment.objects.create(
        conversation=chat.conversation, sender_kind="agent" if agent else "visitor", agent=agent,
        name=name, type="image/png", size=3, width=4, height=3,
        file=f"attachments/{chat.conversation.pk}/{uuid.uuid4().hex}",
    )  # fmt: skip
    path = Path(row.file.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"png")
    return row


def sends(
    chat: Chat, *files: Attachment, text: str = "", client_id: str = "1", agent: Agent | None = None
) -> Draft:
    who = ("agent", agent.pk) if agent else ("visitor", chat.visitor.pk)
    return Draft(chat.conversation.pk, *who, client_id, text, files=[file.pk for file in files])


# --- Whose files a message takes --------------------------------------------------------------------------------------


def test_it_shows_a_messages_files_the_same_way_everywhere(vera: Chat) -> None:
    first, second = a_file(vera, name="一.png"), a_file(vera)
    written = write(sends(vera, second, first))
    assert written.outcome == "new" and written.message
    assert written.message.attachments == [second.as_dict(), first.as_dict()]
    frames, _more = reading.messages_after(vera.conversation.pk, 0)
    assert frames[0]["attachments"] == written.message.attachments
    assert set(Attachment.objects.values_list("message__seq", flat=True)) == {1}


@pytest.mark.parametrize(
    "whose", ["colleague's", "visitor's", "other conversation's", "sent", "unknown", "neighbour's"]
)
def test_it_takes_nothing_but_the_senders_own_unused_files(
    vera: Chat, ann: Agent, bob: Agent, globex: Tenant, whose: str
) -> None:
    actions.take_over(ann, vera.conversation.pk)
    mine = a_file(vera, ann)
    with inside(globex):
        neighbours = a_file(open_chat(globex)) if whose == "neighbour's" else None
    wrong = {
        "colleague's": lambda: a_file(vera, bob),
        "visitor's": lambda: a_file(vera),
        "other conversation's": lambda: a_file(open_chat(vera.tenant), ann),
        "sent": lambda: sent_already(vera, ann),
        "unknown": lambda: Attachment(),
        "neighbour's": lambda: neighbours,
    }[whose]()
    before = vera.now().last_seq
    assert write(sends(vera, mine, wrong, agent=ann, text="here")).outcome == "no_file"
    assert vera.now().last_seq == before
    assert Attachment.objects.get(pk=mine.pk).message is None
    assert write(sends(vera, mine, agent=ann)).outcome == "new"


def sent_already(chat: Chat, agent: Agent) -> Attachment:
    file = a_file(chat, agent)
    assert write(sends(chat, file, agent=agent, client_id="0")).outcome == "new"
    return file


async def test_it_lets_a_wrong_file_fail_alone_in_a_group(chats: list[Chat]) -> None:
    good, wrong, plain = chats[:3]
    file = await database_call(good.tenant, a_file, good)
    letters = [sends(good, file, text="good"), sends(wrong, file, text="wrong"), draft(plain, text="plain")]
    written = await asyncio.gather(*(writer.write(good.tenant, one) for one in letters))
    assert [one.outcome for one in written] == ["new", "no_file", "new"]
    rows = [await database_call(good.tenant, said, chat) for chat in chats[:3]]
    assert rows == [[(1, "good")], [], [(1, "plain")]]


async def test_it_gives_one_file_to_one_of_many_messages(chats: list[Chat]) -> None:
    chat = chats[0]
    file = await database_call(chat.tenant, a_file, chat)
    letters = [sends(chat, file, client_id=str(n)) for n in range(20)]
    written = await asyncio.gather(*(writer.write(chat.tenant, one) for one in letters))
    assert sorted(one.outcome for one in written) == ["new"] + ["no_file"] * 19
    assert await database_call(chat.tenant, said, chat) == [(1, "")]


def test_a_message_without_files_costs_what_it_did() -> None:
    plain, with_files = drafts.write("acme"), drafts.write("acme", files=True)
    assert b"chat_attachment" not in plain and b"files" not in plain
    assert with_files.count(b"chat_attachment") == 3


def test_a_plain_message_beside_one_with_files_has_none(vera: Chat) -> None:
    other = open_chat(vera.tenant)
    both = [sends(vera, a_file(vera)), draft(other)]
    execute(both, files=True)
    frames = [reading.messages_after(one.conversation, 0)[0] for one in both]
    assert [[len(frame["attachments"]) for frame in one] for one in frames] == [[1], [0]]


def test_the_history_reads_files_with_their_messages(vera: Chat) -> None:
    send(vera, "0", "hello")
    for n in range(3):
        write(sends(vera, a_file(vera), a_file(vera), client_id=f"f{n}"))
    with CaptureQueriesContext(connection) as queries:
        frames, _more = reading.messages_after(vera.conversation.pk, 0)
    assert [len(frame["attachments"]) for frame in frames] == [0, 2, 2, 2]
    assert not any("chat_attachment" in query["sql"] for query in queries)


# --- What the bot makes of them ---------------------------------------------------------------------------------------


async def test_it_says_that_it_cannot_look_into_files_before_any_model_could_be_asked(
    in_acme: Tenant,
) -> None:
    for lane, steps in ((Lane.QUICK, pipeline.QUICK), (Lane.WORKER, pipeline.ANSWER)):
        turn = Turn(in_acme, "", Dialogue(), a_mind(), lane, "en", has_files=True)
        await pipeline.search(turn, steps)
        assert turn.answer and "cannot look into it" in turn.answer.text
        assert turn.answer.open == {"offer": "person"}
        assert "ask_model" not in [step["step"] for step in turn.path]


def test_it_tells_the_worker_of_files_that_came_while_it_was_busy(vera: Chat) -> None:
    send(vera, "1", "a question")
    turn = PendingTurn.objects.get(conversation=vera.conversation)
    first = turns.claim(turn.pk)
    assert first and (first.question, first.has_files) == ("a question", False)
    file = sends(vera, a_file(vera), client_id="2")
    file.answer = Answer("I cannot look", "reply")
    assert write(file).answer is None
    assert turns.finish(first, Answer("answered", "generated"), [])
    again = turns.claim(PendingTurn.objects.get(conversation=vera.conversation).pk)
    assert again and (again.question, again.has_files) == ("", True)
    assert turns.finish(again, Answer("I cannot look", "reply", open={"offer": "person"}), [])
    rebuilt = turns.rebuild_dialogue(vera.conversation.pk)
    assert [question for question, _answer in rebuilt.turns] == ["a question", FILES_ALONE]
    assert rebuilt.open == {"offer": "person"}


def test_it_asks_the_worker_only_what_was_written(vera: Chat) -> None:
    write(sends(vera, a_file(vera), client_id="1"))
    write(sends(vera, a_file(vera), client_id="2", text="is this the right plug?"))
    work = turns.claim(PendingTurn.objects.get(conversation=vera.conversation).pk)
    assert work and (work.question, work.has_files) == ("is this the right plug?", True)


def test_it_says_nothing_to_files_while_a_person_is_in_charge(vera: Chat, ann: Agent) -> None:
    actions.take_over(ann, vera.conversation.pk)
    message = sends(vera, a_file(vera))
    message.answer = Answer("I cannot look", "reply")
    written = write(message)
    assert written.outcome == "new" and written.answer is None and written.turn is None


def test_lists_say_how_many_files_the_last_message_has(vera: Chat) -> None:
    write(sends(vera, a_file(vera), a_file(vera)))
    assert reading.one(vera.conversation.pk)["last"] | {"at": ""} == {
        "seq": 1, "text": "", "files": 2, "at": "", "sender": {"kind": "visitor", "name": vera.visitor.name},
    }  # fmt: skip


# --- Tidying up -------------------------------------------------------------------------------------------------------


def make_older(*files: Attachment) -> None:
    old = F("created_at") - uploads.UNSENT - timedelta(minutes=1)
    Attachment.objects.filter(pk__in=[file.pk for file in files]).update(created_at=old)


def exists(file: Attachment) -> bool:
    return Path(file.file.path).exists()


def test_it_deletes_what_no_message_took_for_a_day_and_nothing_else(vera: Chat, globex: Tenant) -> None:
    forgotten, fresh, taken = a_file(vera), a_file(vera), a_file(vera)
    write(sends(vera, taken))
    with inside(globex):
        theirs = a_file(open_chat(globex))
    make_older(forgotten, taken)
    effects.tidy()
    effects.tidy()
    assert [exists(file) for file in (forgotten, fresh, taken)] == [False, True, True]
    assert set(Attachment.objects.values_list("pk", flat=True)) == {fresh.pk, taken.pk}
    with inside(globex):
        assert exists(theirs) and Attachment.objects.filter(pk=theirs.pk).exists()


def test_it_deletes_what_broke_off_with_its_process_once_it_is_old(in_acme: Tenant) -> None:
    folder = Path(default_storage.path("incoming"))
    folder.mkdir(parents=True, exist_ok=True)
    old, under_way = folder / uuid.uuid4().hex, folder / uuid.uuid4().hex
    for path in (old, under_way):
        path.write_bytes(b"half")
    past = time.time() - uploads.UNSENT.total_seconds() - 60
    os.utime(old, (past, past))
    uploads.tidy()
    assert (old.exists(), under_way.exists()) == (False, True)
    under_way.unlink()


def test_a_deleted_conversation_takes_its_files_along(
    vera: Chat, django_capture_on_commit_callbacks: object
) -> None:
    sent, other = a_file(vera), a_file(open_chat(vera.tenant))
    write(sends(vera, sent))
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        Conversation.objects.get(pk=vera.conversation.pk).delete()
    assert (exists(sent), exists(other)) == (False, True)
    assert not Attachment.objects.filter(pk=sent.pk).exists()


def test_it_finds_what_conversations_left_that_were_deleted_in_another_way(vera: Chat) -> None:
    left, other = a_file(vera), a_file(open_chat(vera.tenant))
    stranger = Path(default_storage.path("attachments")) / "no-conversation"
    stranger.mkdir(parents=True, exist_ok=True)
    vera.visitor.delete()
    assert exists(left)
    uploads.tidy()
    assert (exists(left), exists(other), stranger.exists()) == (False, True, True)
    stranger.rmdir()


def test_it_does_not_delete_a_file_that_a_message_is_taking(live_acme: Tenant) -> None:
    """The row was read as unsent, and is sent before its conversation's lock is had."""
    with inside(live_acme):
        chat = open_chat(live_acme)
        file = a_file(chat)
        make_older(file)
        with transaction.atomic():
            stale = Attachment.objects.get(pk=file.pk)
            assert write(sends(chat, file)).outcome == "new"
        uploads._delete_unless_sent(stale)
        assert exists(file) and Attachment.objects.filter(pk=file.pk).exists()
        PendingTurn.objects.filter(conversation=chat.conversation).delete()
        assert timezone.now() > stale.created_at
