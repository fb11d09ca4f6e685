"""The visitors' and the agents' socket. They translate frames into verbs and bells into frames, and do nothing else."""

from __future__ import annotations

import time
from uuid import UUID

from django.conf import settings
from django.http import parse_cookie
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import access, actions, answering, events, limits, reading
from chat.delivery import agents_group, inside_group
from chat.events import Frame
from chat.models import Agent, Message, Visitor
from chat.socket import Socket, resync_required
from kefu.errors import Blocked, Forbidden, NotFound

BELIEVED = 5.0  # seconds for which a login that was seen in the database is taken to stand


class VisitorSocket(Socket):
    side, kinds = "visitor", events.VISITOR_FRAMES

    visitor: Visitor
    conversation: UUID

    async def _greet(self, hello: events.Hello) -> None:
        self.visitor = await self.call(access.visitor_of_token, self.tenant, hello.token)
        self.locale = self.visitor.locale
        self.conversation = await self.call(reading.open_conversation, self.visitor.pk)
        # Subscribed before the state is read: what is committed in between comes twice, never not at all.
        await self.join(self.conversation_group(self.conversation))
        self.greeted = True
        after = hello.after.get(self.conversation)
        welcome, more = await self.call(reading.visitor_welcome, self.visitor, self.conversation, after)
        await self.say(welcome)
        if more:
            await self.say(resync_required(self.conversation))

    def _own(self, conversation: UUID) -> None:
        """The one conversation this socket is about; an older one can only be read over HTTP."""
        if conversation != self.conversation:
            raise NotFound(_("There is no such conversation."))

    async def send_message(self, frame: events.Send) -> Message:
        self._own(frame.conversation)
        text = limits.checked_text(self.tenant, frame.text)
        return await answering.receive(
            self.tenant, self.visitor.pk, frame.conversation, frame.id, text, self.locale
        )

    async def typing(self, frame: events.Typing) -> None:
        self._own(frame.conversation)
        who = {"kind": "visitor", "name": self.visitor.name}
        await self.tell(
            self.conversation_group(frame.conversation),
            {"type": "typing", "conversation": str(frame.conversation), "sender": who},
        )

    async def read(self, frame: events.Read) -> None:
        self._own(frame.conversation)
        conversation = await self.call(access.visitors_conversation, self.visitor.pk, frame.conversation)
        if await self.call(actions.mark_read, conversation, Message.Sender.VISITOR, frame.seq):
            await self.tell(
                self.conversation_group(frame.conversation), _read_frame(frame, "visitor", self.visitor.name)
            )

    async def resync(self, frame: events.Resync) -> None:
        self._own(frame.conversation)
        await self.resend(frame.conversation, frame.after)

    async def request_agent(self, frame: events.RequestAgent) -> None:
        await self.call(actions.request_agent, self.visitor.pk, frame.conversation, frame.reason)

    async def stop_answer(self, frame: events.StopAnswer) -> None:
        await self.call(actions.stop_answer, self.visitor.pk, frame.conversation)

    async def answer_again(self, frame: events.AnswerAgain) -> None:
        allowed = self.tenant.policy.messages_per_minute  # it costs as much as a message
        await limits.spend(self.tenant, "messages", str(self.visitor.pk), allowed, 60)
        await self.call(actions.answer_again, self.visitor.pk, frame.conversation)

    async def feedback(self, frame: events.GiveFeedback) -> None:
        await self.call(
            actions.give_feedback, self.visitor.pk, frame.conversation, frame.seq, frame.score, frame.comment
        )

    async def rate(self, frame: events.Rate) -> None:
        await self.call(actions.rate, self.visitor.pk, frame.conversation, frame.score, frame.comment)

    async def end(self, frame: events.End) -> None:
        await self.call(actions.end_as_visitor, self.visitor.pk, frame.conversation)

    verbs = {
        "ping": Socket.ping,
        "typing": typing,
        "read": read,
        "message.send": send_message,
        "resync": resync,
        "agent.request": request_agent,
        "answer.stop": stop_answer,
        "answer.again": answer_again,
        "feedback": feedback,
        "rate": rate,
        "conversation.end": end,
    }


class AgentSocket(Socket):
    side, kinds = "agent", events.AGENT_FRAMES

    agent: Agent
    seen_at = float("-inf")  # when the login was last seen in the database

    def _origin_is_ours(self) -> bool:
        # The credential is a cookie, which any page's socket carries: an origin must be named, and be ours.
        return b"origin" in dict(self.scope["headers"]) and super()._origin_is_ours()

    async def _greet(self, hello: events.Hello) -> None:
        await self._check_login()
        await self.join(agents_group(self.tenant.schema_name))
        await self.call(actions.agent_is_here, self.agent)
        self.greeted = True
        await self.say(await self.call(reading.agent_welcome, self.agent))
        for conversation, seq in hello.after.items():
            await self._watch(conversation)
            await self.resend(conversation, seq)

    async def _check_login(self) -> None:
        """Who logged out, was deactivated or got a new password is out of the sockets as well as of the pages."""
        if time.monotonic() - self.seen_at < BELIEVED:
            return
        cookies = parse_cookie(dict(self.scope["headers"]).get(b"cookie", b"").decode("latin-1"))
        self.agent = await self.call(access.agent_of_session, cookies.get(settings.SESSION_COOKIE_NAME))
        self.seen_at = time.monotonic()

    async def _watch(self, conversation: UUID) -> None:
        await self.call(access.agents_conversation, conversation)
        await self.join(self.conversation_group(conversation))
        await self.join(inside_group(self.tenant.schema_name, conversation))

    async def ping(self, frame: events.Ping) -> None:
        await self.call(actions.agent_is_here, self.agent)
        await super().ping(frame)

    async def subscribe(self, frame: events.Subscribe) -> None:
        joined = frame.type == "subscribe"
        if frame.conversation and joined:
            await self._watch(frame.conversation)
        elif frame.conversation:
            await self.leave(self.conversation_group(frame.conversation))
            await self.leave(inside_group(self.tenant.schema_name, frame.conversation))

    async def send_message(self, frame: events.Send) -> Message:
        text = limits.checked_text(self.tenant, frame.text)
        if await answering.is_forbidden(self.tenant, text):
            raise Blocked(_("This message cannot be sent."))
        message: Message = await self.call(
            actions.send_as_agent, self.agent, frame.conversation, frame.id, text
        )
        return message

    async def typing(self, frame: events.Typing) -> None:
        group = self.conversation_group(frame.conversation)
        if group not in self.groups_joined:
            raise Forbidden(_("Subscribe to the conversation first."))
        who = {"kind": "agent", "id": self.agent.pk, "name": self.agent.name}
        await self.tell(group, {"type": "typing", "conversation": str(frame.conversation), "sender": who})

    async def read(self, frame: events.Read) -> None:
        conversation = await self.call(access.agents_conversation, frame.conversation)
        if conversation.agent_id not in (None, self.agent.pk):
            return  # a colleague who looks on does not read for the one who answers
        if await self.call(actions.mark_read, conversation, Message.Sender.AGENT, frame.seq):
            await self.tell(
                self.conversation_group(frame.conversation), _read_frame(frame, "agent", self.agent.name)
            )

    async def resync(self, frame: events.Resync) -> None:
        await self.call(access.agents_conversation, frame.conversation)
        await self.resend(frame.conversation, frame.after)

    async def presence(self, frame: events.SetPresence) -> None:
        await self.call(actions.set_presence, self.agent, frame.state)

    async def take_over(self, frame: events.TakeOver) -> None:
        await self.call(actions.take_over, self.agent, frame.conversation)

    async def hand_back(self, frame: events.HandBack) -> None:
        await self.call(actions.hand_back, self.agent, frame.conversation)

    async def transfer(self, frame: events.Transfer) -> None:
        await self.call(actions.transfer, self.agent, frame.conversation, frame.agent, frame.note)

    async def note(self, frame: events.WriteNote) -> None:
        await self.call(actions.write_note, self.agent, frame.conversation, frame.text)

    async def end(self, frame: events.End) -> None:
        await self.call(actions.end_as_agent, self.agent, frame.conversation)

    verbs = {
        "ping": ping,
        "typing": typing,
        "read": read,
        "message.send": send_message,
        "resync": resync,
        "subscribe": subscribe,
        "unsubscribe": subscribe,
        "presence": presence,
        "conversation.take_over": take_over,
        "conversation.hand_back": hand_back,
        "conversation.transfer": transfer,
        "note": note,
        "conversation.end": end,
    }


def _read_frame(frame: events.Read, kind: str, name: str) -> Frame:
    return {
        "type": "read",
        "conversation": str(frame.conversation),
        "seq": frame.seq,
        "sender": {"kind": kind, "name": name},
        "at": timezone.now().isoformat(),
    }
