"""The visitors' and the agents' socket. They translate frames into verbs and bells into frames, and do nothing else."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.http import parse_cookie
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import access, actions, answering, events, limits, presence, reading
from chat.cursors import Cursor, missed
from chat.delivery import Bell, agents_topic, inside_topic, list_topic
from chat.drafts import Sent
from chat.ear import conversation_of, resync_required
from chat.events import Frame
from chat.models import Agent, Conversation, Message
from chat.socket import BAD_CREDENTIALS, Socket
from kefu.errors import Blocked, Forbidden, NotFound


class VisitorSocket(Socket):
    side, kinds, login = "visitor", events.VISITOR_FRAMES, ""
    stands = reading.stands

    visitor: access.Caller
    conversation: UUID
    state = ""  # of the conversation, as last heard: only a hint, the database decides

    async def _greet(self, hello: events.Hello) -> None:
        self.visitor = await access.caller_of_token(self.tenant, hello.token)
        self.scope["seat"].take_as(f"visitor:{self.visitor.pk}")
        self.locale, self.conversation = self.visitor.locale, self.visitor.conversation
        # Subscribed before the state is read: bells of what is committed in between wait at the cursor.
        cursor = self.cursors[self.conversation] = Cursor()
        await self.listen(self.conversation_topic(self.conversation))
        news = await missed((self.tenant, (self.conversation, hello.after.get(self.conversation), 0)))
        if news.state is None:  # deleted just now
            raise NotFound(_("There is no such conversation."))
        self.greeted = True
        self.say(reading.welcome([news.state], messages=news.messages))
        if news.too_many:
            self.say(resync_required(self.conversation))
        self.state = news.state["state"]
        self.go_on(self.conversation, cursor, news.messages, news.state)
        self.is_counted = True
        presence.visitor_came(self.tenant, self.conversation, is_news=cursor.seq > 0)

    async def _gone(self) -> None:
        if self.is_counted:
            is_news = self.cursors[self.conversation].seq > 0
            presence.visitor_left(self.tenant, self.conversation, is_news=is_news)
        await super()._gone()

    def pass_on(self, bell: Bell) -> None:
        if presence.is_for_pages(bell):
            presence.answer(self.tenant, self.conversation, bell)
            return
        if bell.kind == events.ERASED:
            self.close(BAD_CREDENTIALS)
            return
        self.state = bell.state or self.state
        super().pass_on(bell)

    def deleted(self, conversation: UUID) -> None:
        self.close(BAD_CREDENTIALS)

    def _own(self, conversation: UUID) -> None:
        """The one conversation this socket is about; an older one can only be read over HTTP."""
        if conversation != self.conversation:
            raise NotFound(_("There is no such conversation."))

    async def send_message(self, frame: events.Send) -> Sent | Message:
        self._own(frame.conversation)
        text = limits.checked_text(self.tenant, frame.text, frame.attachments)
        alone = self.state == Conversation.State.AGENT  # with a person: the bot need not think
        return await answering.receive(
            self.tenant,
            self.visitor.pk,
            self.scope["seat"].address,
            frame.conversation,
            frame.id,
            text,
            self.locale,
            files=frame.attachments,
            thinks=not alone,
            after=self.cursors[self.conversation].seq,
        )

    async def typing(self, frame: events.Typing) -> None:
        self._own(frame.conversation)
        who = {"kind": "visitor", "name": self.visitor.name}
        self.tell(
            self.conversation_topic(frame.conversation),
            {"type": "typing", "conversation": str(frame.conversation), "sender": who},
        )

    async def read(self, frame: events.Read) -> None:
        self._own(frame.conversation)
        conversation = await self.call(access.visitors_conversation, self.visitor.pk, frame.conversation)
        if await self.call(actions.mark_read, conversation, Message.Sender.VISITOR, frame.seq):
            self.tell(
                self.conversation_topic(frame.conversation), _read_frame(frame, "visitor", self.visitor.name)
            )

    async def resync(self, frame: events.Resync) -> None:
        self._own(frame.conversation)
        await self.resend(frame.conversation, frame.after)

    async def request_agent(self, frame: events.RequestAgent) -> None:
        await self.move(frame, actions.request_agent, self.visitor.pk, frame.conversation, frame.reason)

    async def stop_answer(self, frame: events.StopAnswer) -> None:
        await self.call(actions.stop_answer, self.visitor.pk, frame.conversation)

    async def answer_again(self, frame: events.AnswerAgain) -> None:
        limits.spend_message(self.tenant, self.visitor.pk, self.scope["seat"].address)
        await self.call(actions.answer_again, self.visitor.pk, frame.conversation)

    async def feedback(self, frame: events.GiveFeedback) -> None:
        await self.call(
            actions.give_feedback, self.visitor.pk, frame.conversation, frame.seq, frame.score, frame.comment
        )

    async def rate(self, frame: events.Rate) -> None:
        await self.call(actions.rate, self.visitor.pk, frame.conversation, frame.score, frame.comment)

    async def end(self, frame: events.End) -> None:
        await self.move(frame, actions.end_as_visitor, self.visitor.pk, frame.conversation)

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
    stands = reading.one

    agent: Agent
    login = ""

    def _origin_is_ours(self) -> bool:
        # The credential is a cookie, which any page's socket carries: an origin must be named, and be ours.
        return b"origin" in dict(self.scope["headers"]) and super()._origin_is_ours()

    async def _greet(self, hello: events.Hello) -> None:
        cookies = parse_cookie(dict(self.scope["headers"]).get(b"cookie", b"").decode("latin-1"))
        login = cookies.get(settings.SESSION_COOKIE_NAME, "")
        self.agent = await self.call(access.agent_of_session, login)
        self.login = login
        self.scope["seat"].take_as(f"agent:{self.agent.pk}")
        schema = self.tenant.schema_name
        for topic in (agents_topic(schema), self._list("mine"), self._list("waiting")):
            await self.listen(topic)
        if not self.is_counted:
            self.is_counted = True
            await presence.came(self.tenant, self.agent.pk)
        self.greeted = True
        self.say(await self.call(reading.agent_welcome, self.agent))
        for conversation, seq in hello.after.items():
            with suppress(NotFound):  # deleted since: the others count all the same
                await self._watch(conversation, seq)

    async def _gone(self) -> None:
        if self.is_counted:
            presence.left(self.tenant, self.agent.pk)
        await super()._gone()

    def _list(self, name: str) -> str:
        return list_topic(self.tenant.schema_name, f"mine.{self.agent.pk}" if name == "mine" else name)

    async def _watch(self, conversation: UUID, after: int | None = None) -> None:
        if conversation in self.cursors:
            return
        await self.call(access.agents_conversation, conversation)
        cursor = self.cursors[conversation] = Cursor()
        await self.listen(self.conversation_topic(conversation))
        await self.listen(inside_topic(self.tenant.schema_name, conversation))
        try:
            state, messages, more = await self.call(reading.watched, conversation, after)
        except DatabaseError:  # or the next `subscribe` would find a cursor that never moves
            await self._unwatch(conversation)
            raise
        for frame in messages:
            self.say(frame)
        if more:
            self.say(resync_required(conversation))
        self.go_on(conversation, cursor, messages, state)
        presence.ask(self.tenant, conversation)

    async def _unwatch(self, conversation: UUID) -> None:
        self.cursors.pop(conversation, None)
        await self.ignore(self.conversation_topic(conversation))
        await self.ignore(inside_topic(self.tenant.schema_name, conversation))

    def pass_on(self, bell: Bell) -> None:
        """Of a conversation that is watched, the message itself says what the lists would."""
        is_known = bell.listed and conversation_of(bell.conversation) in self.cursors
        if not is_known and bell.kind not in (presence.ASKED, events.ERASED):
            super().pass_on(bell)
        if bell.kind == "conversation.gone":
            self.start(self._unwatch(conversation_of(bell.conversation)))

    def deleted(self, conversation: UUID) -> None:
        self.say(events.gone_frame(conversation))
        self.start(self._unwatch(conversation))

    def missed(self, topics: list[str] | None) -> None:
        super().missed(topics)
        self.start(self._say_how_all_stands())

    async def _say_how_all_stands(self) -> None:
        self.say(await self.call(reading.agent_welcome, self.agent))

    async def ping(self, frame: events.Ping) -> None:
        presence.heard(self.tenant, self.agent.pk)
        await super().ping(frame)

    async def subscribe(self, frame: events.Subscribe) -> None:
        joins = frame.type == "subscribe"
        if frame.conversation:
            await (self._watch(frame.conversation) if joins else self._unwatch(frame.conversation))
        if frame.list:
            await (self.listen if joins else self.ignore)(self._list(frame.list))

    async def send_message(self, frame: events.Send) -> Sent:
        text = limits.checked_text(self.tenant, frame.text, frame.attachments)
        if await answering.is_forbidden(self.tenant, text):
            raise Blocked(_("This message cannot be sent."))
        return await answering.send_as_agent(
            self.tenant, self.agent, frame.conversation, frame.id, text, frame.attachments
        )

    async def typing(self, frame: events.Typing) -> None:
        if frame.conversation not in self.cursors:
            raise Forbidden(_("Subscribe to the conversation first."))
        who = {"kind": "agent", "id": self.agent.pk, "name": self.agent.name}
        self.tell(
            self.conversation_topic(frame.conversation),
            {"type": "typing", "conversation": str(frame.conversation), "sender": who},
        )

    async def read(self, frame: events.Read) -> None:
        conversation = await self.call(access.agents_conversation, frame.conversation)
        if conversation.agent_id not in (None, self.agent.pk):
            return  # a colleague who looks on does not read for the one who answers
        if await self.call(actions.mark_read, conversation, Message.Sender.AGENT, frame.seq):
            self.tell(
                self.conversation_topic(frame.conversation), _read_frame(frame, "agent", self.agent.name)
            )

    async def resync(self, frame: events.Resync) -> None:
        await self.call(access.agents_conversation, frame.conversation)
        await self.resend(frame.conversation, frame.after)

    async def presence(self, frame: events.SetPresence) -> None:
        await self.call(actions.set_presence, self.agent, frame.state)

    async def take_over(self, frame: events.TakeOver) -> None:
        await self.move(frame, actions.take_over, self.agent, frame.conversation)

    async def hand_back(self, frame: events.HandBack) -> None:
        await self.move(frame, actions.hand_back, self.agent, frame.conversation)

    async def transfer(self, frame: events.Transfer) -> None:
        verb, to = (actions.transfer, frame.agent) if frame.agent else (actions.transfer_to_team, frame.team)
        await self.move(frame, verb, self.agent, frame.conversation, to, frame.note)

    async def note(self, frame: events.WriteNote) -> None:
        await self.call(actions.write_note, self.agent, frame.conversation, frame.text)

    async def end(self, frame: events.End) -> None:
        await self.move(frame, actions.end_as_agent, self.agent, frame.conversation)

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
