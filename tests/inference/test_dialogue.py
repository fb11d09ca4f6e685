"""What was said so far: in Redis while it lasts, from the database when it does not."""

from __future__ import annotations

import uuid
import zlib

import msgpack
import pytest

from chat import turns
from chat.actions import take_over
from chat.models import Message
from chat.record import append, record_answer
from inference import dialogue as dialogues
from inference.dialogue import LONGEST, SHORTENED, TURNS, Dialogue, after
from inference.packing import pack
from inference.turn import Answer
from tenants import redis as connections
from tests.conftest import Chat, make_agent

Sender = Message.Sender


@pytest.fixture
def conversation(services: None) -> str:
    return str(uuid.uuid4())


async def test_it_remembers_and_recalls(conversation: str) -> None:
    turns = (("退货吗", "可以。"), ("运费呢\n谁出", "我们出。👌"), ("", "\ud7ff𠮷\U0010ffff"))
    said = Dialogue(turns, {"offer": "person"}, ("订单 A20231", '"引号"'))
    await dialogues.remember("acme", conversation, said)
    assert await dialogues.recall("acme", conversation) == said
    assert await dialogues.recall("globex", conversation) is None


async def test_it_forgets_when_told(conversation: str) -> None:
    await dialogues.remember("acme", conversation, Dialogue((("a", "b"),)))
    await dialogues.remember("globex", conversation, Dialogue((("c", "d"),)))
    dialogues.forget("acme", conversation)
    assert await dialogues.recall("acme", conversation) is None
    assert await dialogues.recall("globex", conversation)


async def test_it_does_not_stay_in_redis_for_ever(conversation: str) -> None:
    await dialogues.remember("acme", conversation, Dialogue())
    left = await dialogues.redis().ttl(f"kefu:{{acme:{conversation}}}:dialogue")
    assert 0 < left <= dialogues.KEPT


def test_it_keeps_twenty_turns_and_no_endless_answer() -> None:
    said = Dialogue()
    for number in range(TURNS + 5):
        said = after(said, f"q{number}", "a" * (LONGEST + 1), {})
    assert len(said.turns) == TURNS
    assert said.turns[0][0] == "q5" and said.last_question == f"q{TURNS + 4}"
    assert {len(answer) for _question, answer in said.turns[:-1]} == {SHORTENED}
    assert len(said.last_answer) == LONGEST


def test_it_keeps_what_was_named_in_turns_that_fell_out() -> None:
    said = after(Dialogue(), "我的订单号是 A20231", "好的。", {})
    for number in range(TURNS):
        assert said.earlier == ()
        said = after(said, f"还有第{number}个问题", "好的。", {})
    assert said.earlier == ("我的订单号是 A20231",)
    assert all("A20231" not in question for question, _answer in said.turns)


async def test_it_takes_what_it_cannot_read_for_forgotten(
    conversation: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = Dialogue((("退货吗", "可以。"),), {"offer": "person"})
    await dialogues.remember("acme", conversation, said)
    key = f"kefu:{{acme:{conversation}}}:dialogue"
    whole = await dialogues.redis().get(key)
    in_an_older_form = msgpack.packb((said.turns, said.open))
    half_of_a_turn = pack(["[{},[]]", "退货吗"])
    flipped = bytes([*whole[:20], whole[20] ^ 1, *whole[21:]])
    other_words = zlib.compress(b"[{},[]]")
    for left in (
        in_an_older_form,
        half_of_a_turn,
        flipped,
        other_words[:-1],
        whole[:-1],
        whole[:5],
        b"",
        b"\0",
    ):
        await dialogues.redis().set(key, left)
        assert await dialogues.recall("acme", conversation) is None
    assert "退货" not in caplog.text
    await dialogues.redis().set(key, whole)
    assert await dialogues.recall("acme", conversation) == said


async def test_it_knows_nothing_and_says_so_while_redis_is_away(
    conversation: str, settings: object, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    connections._clients.clear()
    await dialogues.remember("acme", conversation, Dialogue())
    assert await dialogues.recall("acme", conversation) is None
    assert "Redis did not recall" in caplog.text
    connections._clients.clear()


def ask(chat: Chat, *questions: str) -> None:
    for question in questions:
        append(chat.now(), Sender.VISITOR, question)


def say(chat: Chat, text: str, **fields: object) -> None:
    record_answer(chat.now(), Answer(text, fields.pop("mode", "reply"), **fields), [])


def test_it_is_rebuilt_from_the_database(vera: Chat) -> None:
    ask(vera, "退货吗")
    say(vera, "可以。")
    ask(vera, "运费呢", "谁出")
    say(vera, "要转人工吗？", open={"offer": "person"})
    assert turns.rebuild_dialogue(vera.conversation.pk) == Dialogue(
        (("退货吗", "可以。"), ("运费呢\n谁出", "要转人工吗？")), {"offer": "person"}
    )


def test_it_is_rebuilt_without_what_was_refused(vera: Chat) -> None:
    ask(vera, "****")
    say(vera, "不能谈这个。", mode="refusal")
    ask(vera, "退货吗")
    say(vera, "可以。")
    assert turns.rebuild_dialogue(vera.conversation.pk) == Dialogue((("退货吗", "可以。"),))


def test_it_is_rebuilt_with_an_offer_that_stands_in_a_refusal(vera: Chat) -> None:
    ask(vera, "有什么推荐")
    say(vera, "我不便回答。要转人工吗？", mode="refusal", open={"offer": "person"})
    assert turns.rebuild_dialogue(vera.conversation.pk).open == {"offer": "person"}


def test_it_is_rebuilt_with_what_a_person_said(vera: Chat) -> None:
    ann = make_agent("Ann")
    ask(vera, "有人吗")
    take_over(ann, vera.conversation.pk)
    append(vera.now(), Sender.AGENT, "我是小安。", agent=ann)
    append(vera.now(), Sender.AGENT, "运费由我们出。", agent=ann)
    ask(vera, "好的")
    append(vera.now(), Sender.AGENT, "不客气。", agent=ann)
    assert turns.rebuild_dialogue(vera.conversation.pk).turns == (
        ("有人吗", "我是小安。\n运费由我们出。"),
        ("好的", "不客气。"),
    )


def test_it_is_rebuilt_without_an_offer_that_a_person_has_come_for(vera: Chat) -> None:
    ann = make_agent("Ann")
    ask(vera, "有什么推荐")
    say(vera, "要转人工吗？", open={"offer": "person"})
    take_over(ann, vera.conversation.pk)
    append(vera.now(), Sender.AGENT, "我来了。", agent=ann)
    assert turns.rebuild_dialogue(vera.conversation.pk) == Dialogue(
        (("有什么推荐", "要转人工吗？\n我来了。"),)
    )


def test_it_is_rebuilt_as_it_was_remembered(vera: Chat) -> None:
    remembered = Dialogue()
    for number in range(2 * TURNS + 3):
        question, answer = f"我买的第 {number} 件，型号 M{number}", f"a{number}" * SHORTENED
        ask(vera, question)
        say(vera, answer, open={"offer": "person"} if number % 2 else {})
        remembered = after(remembered, question, answer, {"offer": "person"} if number % 2 else {})
    assert len(remembered.turns) == TURNS and remembered.earlier
    assert turns.rebuild_dialogue(vera.conversation.pk) == remembered


async def test_it_has_at_hand_only_what_ends_with_the_message_asked_for(conversation: str) -> None:
    said = Dialogue((("退货吗", "可以。"),))
    await dialogues.remember("acme", conversation, said, 2)
    assert dialogues.at_hand("acme", conversation, 2) == said
    for seq in (1, 3, None):
        assert dialogues.at_hand("acme", conversation, seq) is None
    assert dialogues.at_hand("globex", conversation, 2) is None


async def test_it_has_at_hand_only_what_is_recent_and_not_large(
    conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogues, "AT_HAND", 2)
    names = [f"{conversation}-{number}" for number in range(4)]
    for name in names[:3]:
        await dialogues.remember("acme", name, Dialogue((("a", "b"),)), 2)
    await dialogues.remember("acme", names[3], Dialogue((("a" * dialogues.LARGEST, "b"),)), 2)
    assert [bool(dialogues.at_hand("acme", name, 2)) for name in names] == [False, True, True, False]


def test_it_needs_nobody_to_know_that_nothing_was_said(conversation: str) -> None:
    assert dialogues.at_hand("acme", conversation, 0) == Dialogue()
