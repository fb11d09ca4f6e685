"""Files from one page to another: uploaded, sent along with a message, seen by both sides, fetched, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat.models import Attachment, Conversation, Message
from tenants.context import inside, outside
from tenants.models import Plan, Tenant
from tests.chat.client import Place, Socket, Visitor
from tests.chat.conftest import login
from tests.chat.files import PDF, address_of, agents, ask, disposition, png, stored, upload
from tests.conftest import make_agent

pytestmark = pytest.mark.product


def test_it_keeps_what_a_visitor_uploads_and_tells_what_it_is(visitor: Visitor, live_acme: Tenant) -> None:
    picture = png(40, 30)
    answer = upload(visitor, picture, "我的 洗衣机.png")
    assert answer.status == 201, answer
    assert answer.json == {
        "id": answer.json["id"], "name": "我的 洗衣机.png", "type": "image/png", "size": len(picture), "width": 40, "height": 30,
    }  # fmt: skip
    (file,) = stored(live_acme, visitor.conversation)
    assert file.read_bytes() == picture
    assert answer.json["id"].replace("-", "") not in file.name and "png" not in file.name


def test_it_sends_files_along_with_a_message_and_shows_them_to_both(
    visitor: Visitor, tab: Socket, console: Callable[[str], Socket]
) -> None:
    ann = console("Ann")
    ann.ask("subscribe", conversation=visitor.conversation)
    first, second = upload(visitor, png()).json, upload(visitor, PDF, "bill.pdf").json
    sent = tab.ask(
        "message.send",
        conversation=visitor.conversation,
        text="看这个",
        attachments=[second["id"], first["id"]],
    )
    assert sent["type"] == "ack"
    for side in (tab, ann):
        frame = side.expect("message", seq=sent["seq"])
        assert frame["attachments"] == [second, first]
        assert frame["text"] == "看这个"
    _status, history = visitor.history()
    assert history["messages"][0]["attachments"] == [second, first]


def test_it_gives_a_resend_the_same_answer_and_sends_the_files_once(visitor: Visitor, tab: Socket) -> None:
    file = upload(visitor, png()).json["id"]
    fields = {"conversation": visitor.conversation, "attachments": [file]}
    first = tab.ask("message.send", id="once", **fields)
    again = tab.ask("message.send", id="once", **fields)
    status, by_http = visitor.place.request(
        "POST", f"/api/v1/conversations/{visitor.conversation}/messages",
        {"id": "once", "attachments": [file]}, **visitor.credentials,
    )  # fmt: skip
    assert status == 200
    assert {answer["seq"] for answer in (first, again, by_http)} == {first["seq"]}
    other = tab.ask("message.send", **fields)
    assert (other["type"], other["code"]) == ("error", "not_found")


def test_it_answers_files_without_a_word_honestly_and_offers_a_person(visitor: Visitor, tab: Socket) -> None:
    file = upload(visitor, png()).json["id"]
    sent = tab.ask("message.send", conversation=visitor.conversation, attachments=[file])
    answer = tab.expect("message", seq=sent["seq"] + 1)
    assert answer["ai"] and "cannot look into it" in answer["text"]
    assert answer["stream"] is None
    visitor.say(tab, "yes please")
    assert tab.expect("conversation", state="waiting")


def test_it_answers_files_with_a_question_by_the_question(visitor: Visitor, tab: Socket) -> None:
    file = upload(visitor, png()).json["id"]
    sent = tab.ask(
        "message.send", conversation=visitor.conversation, text="你们的退货政策是什么？", attachments=[file]
    )
    assert "七天无理由退货" in tab.expect("message", seq=sent["seq"] + 1)["text"]


def test_an_agent_answers_with_a_file_and_the_bot_says_nothing_to_files(
    visitor: Visitor, tab: Socket, acme_place: Place, live_acme: Tenant
) -> None:
    with inside(live_acme):
        ann = make_agent("Ann")
    key = login(live_acme, ann)
    mine = agents(acme_place, key) | disposition("回执.pdf")
    to = address_of(visitor.conversation)
    assert ask(acme_place, "POST", to, PDF, **mine).json["code"] == "wrong_state"
    take_over(live_acme, ann, visitor)
    file = ask(acme_place, "POST", to, PDF, **mine).json
    from tests.chat.client import agent_socket

    console = agent_socket(acme_place, key)
    sent = console.ask("message.send", conversation=visitor.conversation, attachments=[file["id"]])
    assert tab.expect("message", seq=sent["seq"])["attachments"] == [file]
    got = ask(acme_place, "GET", address_of(visitor.conversation, file["id"]), **visitor.credentials)
    assert (got.status, got.body) == (200, PDF)
    assert got.headers["Content-Disposition"] == "attachment; filename*=utf-8''%E5%9B%9E%E6%89%A7.pdf"
    back = tab.ask(
        "message.send", conversation=visitor.conversation, attachments=[upload(visitor, png()).json["id"]]
    )
    with inside(live_acme):
        kinds = list(Message.objects.filter(conversation=visitor.conversation, seq__gte=sent["seq"]))
    assert [(message.seq, message.sender_kind) for message in kinds] == [
        (sent["seq"], "agent"),
        (back["seq"], "visitor"),
    ]
    console.line.close()


def take_over(tenant: Tenant, agent: object, visitor: Visitor) -> None:
    from chat import actions

    with inside(tenant):
        actions.take_over(agent, Conversation.objects.get(pk=visitor.conversation).pk)


def test_a_picture_is_shown_in_place_and_everything_is_sealed(visitor: Visitor, tab: Socket) -> None:
    picture, document = png(), PDF
    ids = [upload(visitor, picture, 'a "b".png').json["id"], upload(visitor, document, "a.pdf").json["id"]]
    assert tab.ask("message.send", conversation=visitor.conversation, attachments=ids)["type"] == "ack"
    for id, data, how in ((ids[0], picture, "inline"), (ids[1], document, "attachment")):
        got = ask(visitor.place, "GET", address_of(visitor.conversation, id), **visitor.credentials)
        assert (got.status, got.body) == (200, data)
        assert got.headers["Content-Disposition"].startswith(how)
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert got.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert got.headers["Cache-Control"].startswith("private")
        assert int(got.headers["Content-Length"]) == len(data)


def test_a_forbidden_word_does_not_leave_in_a_files_name(visitor: Visitor, live_acme: Tenant) -> None:
    refused = upload(visitor, png(), "便宜 迷药.png")
    assert (refused.status, refused.json["code"]) == (422, "blocked")
    assert stored(live_acme, visitor.conversation) == []
    assert upload(visitor, png(), "便宜.png").status == 201


def test_what_was_not_sent_is_not_shown_to_anybody(
    visitor: Visitor, live_acme: Tenant, acme_place: Place
) -> None:
    file = upload(visitor, png()).json["id"]
    with inside(live_acme):
        ann = make_agent("Ann")
        assert Attachment.objects.get(pk=file).message is None
    for who in (visitor.credentials, agents(acme_place, login(live_acme, ann))):
        assert ask(acme_place, "GET", address_of(visitor.conversation, file), **who).status == 404


def test_it_takes_no_file_for_which_the_plan_has_no_room(
    visitor: Visitor, live_acme: Tenant, live_globex: Tenant
) -> None:
    with outside():
        small = Plan.objects.create(name="Small", storage_mb=1)
        Tenant.objects.filter(pk=live_acme.pk).update(plan=small)
    try:
        answer = upload(visitor, png() + bytes(1_000_000))
        assert (answer.status, answer.json["code"]) == (403, "forbidden")
        assert stored(live_acme, visitor.conversation) == []
    finally:
        with outside():
            Tenant.objects.filter(pk=live_acme.pk).update(plan=live_globex.plan_id)
            small.delete()
    assert upload(visitor, png()).status == 201
