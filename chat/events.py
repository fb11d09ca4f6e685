"""The wire's vocabulary: every frame a client may send, and every frame it may get (chat/PROTOCOL.md).

Incoming frames are declared types; what does not fit is answered with an error and closes nothing. Outgoing ones are built here and
nowhere else, from rows.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from django.utils.translation import gettext as _
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from chat.models import Agent, Conversation, Message, Note, Team
from kefu.errors import BadFrame, KefuError, TooLong, UnknownType

if TYPE_CHECKING:
    from chat.drafts import Sent

PROTOCOL = 1
HEARTBEAT = 25  # seconds
LONGEST_TEXT = 4000  # characters
LONGEST_FRAME = 64 * 1024  # bytes
MOST_FILES = 10  # of a message
ERASED = "erased"  # between processes only: pages of this conversation's visitor are closed

FrameId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
FRAME_ID: TypeAdapter[str] = TypeAdapter(FrameId)
Number = Annotated[int, Field(strict=True, ge=1, le=2**62)]
Seq = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
Epoch = Seq
Frame = dict[str, Any]
StreamFrame = Literal["start", "delta", "end"]


def _storable(text: str) -> str:
    """JSON can spell what no database keeps: NUL, and halves of surrogate pairs."""
    if "\x00" in text:
        raise ValueError("not a text")
    text.encode()  # raises UnicodeEncodeError, which is a ValueError, for half of a pair
    return text


Text = Annotated[str, AfterValidator(_storable)]
Files = Annotated[
    tuple[UUID, ...], Field(max_length=MOST_FILES), AfterValidator(lambda ids: (*dict.fromkeys(ids),))
]


class Incoming(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Hello(Incoming):
    type: Literal["hello"]
    token: str = ""
    after: dict[UUID, Seq] = {}


class Ping(Incoming):
    type: Literal["ping"]
    id: FrameId | None = None


class Typing(Incoming):
    type: Literal["typing"]
    conversation: UUID


class Read(Incoming):
    type: Literal["read"]
    conversation: UUID
    seq: Seq


class Answered(Incoming):
    """A frame that gets exactly one `ack` or `error` with its id."""

    id: FrameId


class About(Answered):
    """... and is about one conversation."""

    conversation: UUID


class Moving(About):
    """... and changes who answers, unless it is no longer in the epoch that the client knew: see `chat.fence`."""

    epoch: Epoch | None = None


class Send(About):
    type: Literal["message.send"]
    text: Annotated[Text, AfterValidator(str.strip)] = ""
    attachments: Files = ()


class Resync(About):
    type: Literal["resync"]
    after: Seq


class RequestAgent(Moving):
    type: Literal["agent.request"]
    reason: Annotated[Text, Field(max_length=200)] = ""


class StopAnswer(About):
    type: Literal["answer.stop"]


class AnswerAgain(About):
    type: Literal["answer.again"]


class GiveFeedback(About):
    type: Literal["feedback"]
    seq: Seq
    score: Literal[-1, 1]
    comment: Annotated[Text, Field(max_length=1000)] = ""


class Rate(About):
    type: Literal["rate"]
    score: Annotated[int, Field(ge=1, le=5, strict=True)]
    comment: Annotated[Text, Field(max_length=1000)] = ""


class End(Moving):
    type: Literal["conversation.end"]


class Subscribe(Answered):
    type: Literal["subscribe", "unsubscribe"]
    list: Literal["mine", "waiting", "all"] | None = None
    conversation: UUID | None = None


class SetPresence(Answered):
    type: Literal["presence"]
    state: Literal["online", "busy", "away"]


class TakeOver(Moving):
    type: Literal["conversation.take_over"]


class HandBack(Moving):
    type: Literal["conversation.hand_back"]


class Transfer(Moving):
    type: Literal["conversation.transfer"]
    agent: Number | None = None
    team: Annotated[Number | None, Field(validate_default=True)] = None
    note: Annotated[Text, Field(max_length=LONGEST_TEXT)] = ""

    @field_validator("team")
    @classmethod
    def is_to_one(cls, team: int | None, known: ValidationInfo) -> int | None:
        if (team is None) == (known.data.get("agent") is None):
            raise ValueError("either a colleague or a team")
        return team


class WriteNote(About):
    type: Literal["note"]
    text: Annotated[Text, Field(min_length=1, max_length=LONGEST_TEXT)]


# What each side may send. The hello comes first, on both.
BOTH = (Ping, Typing, Read, Send, Resync, End)
VISITOR = (*BOTH, RequestAgent, StopAnswer, AnswerAgain, GiveFeedback, Rate)
AGENT = (*BOTH, Subscribe, SetPresence, TakeOver, HandBack, Transfer, WriteNote)


def _kinds(models: tuple[type[Incoming], ...]) -> dict[str, TypeAdapter[Any]]:
    return {
        name: TypeAdapter(model)
        for model in models
        for name in model.model_fields["type"].annotation.__args__  # type: ignore[union-attr]
    }


HELLO = _kinds((Hello,))
VISITOR_FRAMES = _kinds(VISITOR)
AGENT_FRAMES = _kinds(AGENT)


def parse(text: str | None, kinds: dict[str, TypeAdapter[Any]]) -> Any:
    """The frame in `text`. Raises BadFrame, UnknownType or TooLong, each with the frame's `id` if it could be read."""
    frame = _object(text)
    name, id = frame.get("type"), _id_of(frame)
    if not isinstance(name, str) or name not in kinds:
        raise UnknownType(_("This kind of frame is unknown."), id=id)
    if name == "message.send" and isinstance(frame.get("text"), str) and len(frame["text"]) > LONGEST_TEXT:
        raise TooLong(_("A message may have at most %(limit)d characters.") % {"limit": LONGEST_TEXT}, id=id)
    try:
        return kinds[name].validate_python(frame)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BadFrame(_("The field “%(field)s” is missing or wrong.") % {"field": field}, id=id) from None


def _object(text: str | None) -> Frame:
    try:
        frame = json.loads(text or "")
    except (ValueError, RecursionError):
        raise BadFrame(_("A frame must be a JSON object.")) from None
    if not isinstance(frame, dict):
        raise BadFrame(_("A frame must be a JSON object."))
    return frame


def _id_of(frame: Frame) -> str | None:
    try:
        return FRAME_ID.validate_python(frame.get("id"))
    except ValidationError:
        return None


# --- What the server sends --------------------------------------------------------------------------------------------


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None


def sender(message: Message | Sent) -> Frame:
    said: Frame = {"kind": message.sender_kind, "name": message.sender_name}
    if message.agent_id:
        said["id"] = message.agent_id
    return said


def message_frame(message: Message | Sent) -> Frame:
    return {
        "type": "message",
        "conversation": str(message.conversation_id),
        "seq": message.seq,
        "message": str(message.pk),
        "client_id": message.client_id,
        "sender": sender(message),
        "text": message.text,
        "html": message.html,
        "attachments": message.attachments,
        "ai": message.sender_kind == Message.Sender.BOT,
        "mode": message.mode,
        "sources": message.sources,
        "stream": str(message.stream) if message.stream else None,
        "at": _at(message.created_at),
    }


def listed_frame(message: Sent, **standing: Any) -> Frame:
    """What a new message changes in the agents' lists: `standing` holds the state, and the rest is as it was."""
    return {
        "type": "conversation",
        "conversation": str(message.conversation_id),
        **standing,
        "last": _last(message),
    }


def ack_frame(id: str, message: Message | Sent | None = None) -> Frame:
    if message is None:
        return {"type": "ack", "id": id}
    return {
        "type": "ack",
        "id": id,
        "conversation": str(message.conversation_id),
        "seq": message.seq,
        "message": str(message.pk),
        "at": _at(message.created_at),
    }


def error_frame(error: KefuError, id: str | None = None) -> Frame:
    return {"type": "error", **({"id": id} if id else {}), **error.as_dict()}


def gone_frame(conversation: UUID) -> Frame:
    """For agents: its visitor was erased."""
    return {"type": "conversation.gone", "conversation": str(conversation)}


def state_frame(conversation: Conversation, position: int = 0, eta_seconds: int = 0) -> Frame:
    """What everybody in the conversation may know of it; `position` in the queue counts from 1."""
    agent = conversation.agent
    return {
        "type": "conversation",
        "conversation": str(conversation.pk),
        "state": conversation.state,
        "epoch": conversation.epoch,
        "agent": {"id": agent.pk, "name": agent.name} if agent else None,
        "queue": {"position": position, "eta_seconds": eta_seconds} if position else None,
        "seq": conversation.last_seq,
        "read": {"visitor": conversation.visitor_read_seq, "agent": conversation.agent_read_seq},
    }


def _last(message: Message | Sent) -> Frame:
    return {
        "seq": message.seq,
        "text": message.text[:120],
        "files": len(message.attachments),
        "at": _at(message.created_at),
        "sender": sender(message),
    }


def inside_state_frame(conversation: Conversation, last: Message | None) -> Frame:
    """What agents see on top: who it is, why they were called, and how it stands."""
    visitor = conversation.visitor
    return state_frame(conversation) | {
        "visitor": {
            "id": str(visitor.pk),
            "name": visitor.name,
            "account": visitor.external_id,
            "locale": visitor.locale,
            "page": visitor.page,
        },
        "reason": conversation.reason,
        "team": {"id": conversation.team.pk, "name": conversation.team.name} if conversation.team else None,
        "waiting_since": _at(conversation.waiting_since),
        "unread": conversation.unread,
        "last": _last(last) if last else None,
        "cases": [case.number for case in conversation.cases.all()],
        "created_at": _at(conversation.created_at),
    }


def agent_frame(agent: Agent) -> Frame:
    return {"id": agent.pk, "name": agent.name, "presence": agent.presence}


def colleague_frame(agent: Agent, load: int) -> Frame:
    """What agents see of each other before they pass somebody on."""
    return agent_frame(agent) | {"here": agent.is_heard, "load": load, "limit": agent.limit}


def team_frame(team: Team) -> Frame:
    return {"id": team.pk, "name": team.name, "agents": sorted(agent.pk for agent in team.members.all())}


def note_frame(note: Note) -> Frame:
    return {
        "type": "note",
        "conversation": str(note.conversation_id),
        "n": note.n,
        "text": note.text,
        "sender": {"id": note.agent_id, "name": note.agent.name if note.agent else ""},
        "at": _at(note.created_at),
    }


def stream_frame(kind: StreamFrame, conversation: Any, stream: Any, **more: Any) -> Frame:
    return {"type": f"answer.{kind}", "conversation": str(conversation), "stream": str(stream), **more}
