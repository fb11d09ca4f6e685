"""What needs no model: a person called, an open question answered, an approved entry, a look-up in the company's own systems."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import date

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference import connectors, slots
from inference.anger import asks, complains, is_angry
from inference.apology import apology
from inference.filling import in_language
from inference.following import leans
from inference.intents import is_meant
from inference.models import Connector, Intent
from inference.opening import hours_text
from inference.turn import Answer, Lane, Record, Source, Turn
from knowledge.entries import EntryMatch
from tenants.hours import now_at

# A person is within reach whatever any model thinks: these words alone are enough.
PERSON = re.compile(
    r"转人工|人工客服|人工服务|找人工|真人|活人|找(个|你们)?(人|客服|经理|主管)(来|聊|谈|说)|^\W*人工\W*$|轉人工|真人客服"
    r"|\b(human|real person|live agent|speak to (a person|someone|an agent)|talk to (a person|someone|an agent))\b",
    re.IGNORECASE | re.MULTILINE,
)
# ... unless they say that none is wanted. Kept narrow: a person called in vain does less harm than one who does not come.
NO_PERSON = re.compile(
    r"(不用|不要|不想|不需要|不必|无需|别)(再|帮我|给我)?(转|找)?(人工(客服|服务)?|真人)"
    r"|\b(don't|do not) (want|need)( to (speak|talk) to)? (a |an )?(human|real person|person|live agent|agent)\b",
    re.IGNORECASE,
)
ASKS_HOW = re.compile(
    r"多久|几天|多长时间|什么时候|怎么|如何|政策|规则|\bhow (long|do|can)\b|\bpolicy\b", re.IGNORECASE
)
HAS_NONE = re.compile(
    r"^\W*(我)?(也)?(没有|不知道|不清楚|不记得|记不(得|清)|忘了?|忘记|找不到|没带|弄丢)[^?？吗]{0,12}$"
    r"|\b(do(n't| not) (have|know|remember)|forgot|can('t|not) find|lost) (it|one|my|the|that)\b",
    re.I,
)
YES = re.compile(
    r"^\W*(好(的|啊|吧|呀)?|可以|要(的)?|是(的)?|行|嗯+|需要|转吧?|麻烦(你|您)?了?|ok(ay)?|yes( please)?|sure|please( do)?)\W*$",
    re.I,
)
NO = re.compile(
    r"^\W*(不(用|要|需要|必|用了)?|算了|暂时不|no( thanks?| thank you)?|not now)\W*(谢谢)?\W*$", re.I
)

URGENT = (Intent.Action.HAND_OVER, Intent.Action.COMPLAINT)
SURE = 0.9  # of an intent, before something is answered or looked up for it: a search in the documents errs more gently
MEANT = 0.85  # of it by the second opinion alone, before what is on record is the whole answer to a question with a number


async def answer_from_business(turn: Turn) -> None:
    turn.entry = _entry(turn, turn.question)
    for source in SOURCES:
        turn.answer = await source(turn)
        if turn.answer or turn.needs_worker:
            turn.note(by=source.__name__.lstrip("_"))
            return


async def _files_alone(turn: Turn) -> Answer | None:
    """Said at once, and honestly: nothing here looks into a file."""
    if turn.question or not turn.has_files:
        return None
    text = _(
        "I have your file, but I cannot look into it. Tell me what it is about, or shall I call a colleague who can?"
    )
    return Answer(text, "reply", open={"offer": "person"})


async def _person(turn: Turn) -> Answer | None:
    accepts = turn.dialogue.open.get("offer") == "person" and YES.match(turn.question)
    return _call_person() if accepts or PERSON.search(NO_PERSON.sub("", turn.question)) else None


async def _declined(turn: Turn) -> Answer | None:
    offered = turn.dialogue.open.get("offer") and NO_PERSON.search(turn.question)
    if offered or (turn.dialogue.turns and NO.match(turn.question)):
        return Answer(_("All right. Just write when there is anything else."), "reply")
    return None


async def _open_question(turn: Turn) -> Answer | None:
    """The visitor gives what the bot has just asked for, an order number for instance, or says that there is none."""
    connector = turn.mind.connectors.get(turn.dialogue.open.get("connector", ""))
    if connector and slots.in_text(connector.slots, turn.question, _today(turn)):
        return await _look_up(turn, connector)
    return _offer_instead() if connector and HAS_NONE.search(turn.question) else None


async def _exact_entry(turn: Turn) -> Answer | None:
    return _from_entry(turn.entry) if turn.entry and turn.entry.score >= 1 else None


async def _angry(turn: Turn) -> Answer | None:
    """A complaint or anger in plain words needs no model to be one; who is still angry when a person is offered gets one."""
    if complains(turn.question):
        return _take_complaint(turn)
    if not is_angry(turn.question):
        return None
    return _call_person() if turn.dialogue.open.get("offer") == "person" else _take_complaint(turn)


async def _named_intent(turn: Turn) -> Answer | None:
    """What the tenant wants done about the detected intent; anger and the wish for a person are believed sooner than the rest."""
    if turn.detected is None or turn.detected.intent is None:
        return None
    intent = turn.mind.intents.get(turn.detected.intent)
    if intent is None or intent.action not in ACTIONS:
        return None
    if intent.action not in URGENT and turn.detected.confidence < SURE:
        return None
    return await ACTIONS[intent.action](turn, intent)


async def _similar_entry(turn: Turn) -> Answer | None:
    follows = turn.dialogue.turns and leans(turn.question)
    return _from_entry(turn.entry) if turn.entry and not follows else None


SOURCES: tuple[Callable[[Turn], Awaitable[Answer | None]], ...] = (
    _files_alone,
    _person,
    _declined,
    _open_question,
    _exact_entry,
    _angry,
    _named_intent,
    _similar_entry,
)


def _entry(turn: Turn, question: str) -> EntryMatch | None:
    """The approved entry that is asked for. What must be fitted to the case waits for the model, where there is one."""
    match = turn.mind.entries.match(question)
    if match:
        turn.note(entry=match.entry_id, score=round(match.score, 3))
    if match and match.mode == "situational" and turn.mind.providers and turn.tenant.policy.use_model:
        return None
    return match


def _from_entry(match: EntryMatch) -> Answer:
    title = match.source_title or match.question
    return Answer(match.answer, "verbatim", sources=(Source(title, match.source_url),))


# --- What can be done about an intent ---------------------------------------------------------------------------------


async def _reply(turn: Turn, intent: Intent) -> Answer | None:
    text = in_language(intent.reply, intent.reply_en)
    return Answer(text, "reply") if text else None


async def _hand_over(turn: Turn, intent: Intent) -> Answer:
    return _call_person()


def _call_person() -> Answer:
    return Answer(
        _("Of course, I am calling a colleague for you."),
        "hand_over",
        hand_over=gettext_lazy("asked for a person"),
    )


async def _complaint(turn: Turn, intent: Intent) -> Answer:
    return _take_complaint(turn)


def _take_complaint(turn: Turn) -> Answer:
    """An apology for this very matter, a case that was really opened, and a person offered."""
    return Answer(apology(turn), "complaint", complaint=True, open={"offer": "person"})


async def _opening_hours(turn: Turn, intent: Intent) -> Answer | None:
    text = hours_text(turn.tenant.policy, now_at(turn.tenant))
    return Answer(text, "reply") if text else None


async def _look_up_for(turn: Turn, intent: Intent) -> Answer | None:
    """Without a number, how long a refund takes is a question of policy: an entry or a document answers it.

    A number alone makes the quick model sure, whatever is asked about it ("A20231 运费谁出？"): what is on record then goes along.
    """
    connector = intent.connector
    if connector is None or not connector.is_enabled:
        return None
    is_named = slots.in_text(connector.slots, turn.question, _today(turn))
    if ASKS_HOW.search(turn.question) and not is_named:
        return None
    answer = await _look_up(turn, connector)
    beside = slots.left_out(connector.slots, turn.question)
    is_doubted = turn.lane == Lane.WORKER and is_named and beside
    if answer and is_doubted and not await is_meant(turn, intent.name, MEANT):
        turn.record, turn.entry = Record(connector.name, answer, beside), _entry(turn, beside)
        return None
    return answer


async def _look_up(turn: Turn, connector: Connector) -> Answer | None:
    values = slots.found(connector.slots, turn.dialogue, turn.question, _today(turn))
    missing = next((slot for slot in connector.slots if slot not in values), None)
    if turn.lane == Lane.QUICK and (connector.is_personal or not missing):
        turn.needs_worker = True  # it waits on another system; and who asks is known there
        return None
    if connector.is_personal and not turn.visitor:
        turn.note(connector=connector.name, result=connectors.Result.UNIDENTIFIED)
        return Answer(connectors.log_in(), "look_up", open={"offer": "person"})
    if missing:
        return _ask_for(turn, connector, missing)
    outcome = await connectors.look_up(turn.tenant, connector, values, turn.visitor)
    turn.note(connector=connector.name, result=outcome.result, waited=round(outcome.ms))
    is_told = outcome.result in (connectors.Result.FOUND, connectors.Result.NOTHING)
    return Answer(outcome.text, "look_up", open={} if is_told else {"offer": "person"})


def _ask_for(turn: Turn, connector: Connector, slot: str) -> Answer | None:
    """Once. Who does not give it the first time is not asked again, but answered otherwise."""
    if turn.dialogue.open.get("slot") == slot:
        return None if asks(turn.question) else _offer_instead()
    wanted = connector.slots[slot]
    text = in_language(wanted["ask"], wanted.get("ask_en", ""))
    return Answer(text, "look_up", open={"connector": connector.name, "slot": slot})


def _offer_instead() -> Answer:
    text = _("I cannot look it up without that. Shall I call a colleague who can find it another way?")
    return Answer(text, "look_up", open={"offer": "person"})


def _today(turn: Turn) -> date:
    return now_at(turn.tenant).date()


Act = Callable[[Turn, Intent], Awaitable[Answer | None]]
ACTIONS: dict[str, Act] = {
    Intent.Action.HAND_OVER: _hand_over,
    Intent.Action.COMPLAINT: _complaint,
    Intent.Action.REPLY: _reply,
    Intent.Action.LOOK_UP: _look_up_for,
    Intent.Action.OPENING_HOURS: _opening_hours,
}
