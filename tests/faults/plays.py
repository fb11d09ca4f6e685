"""What visitors and agents do with each other, for as long as a run lasts."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from random import Random

from tests.chat.client import Frame
from tests.faults.bots import AgentBot, VisitorBot
from tests.faults.cast import quick_question, slow_question
from tests.faults.evidence import CANARIES

Over = Callable[[], bool]


async def asks_the_bot(visitor: VisitorBot, _agents: list[AgentBot], over: Over) -> None:
    """Questions for both lanes, alone and in bursts."""
    random = visitor.random
    questions = (quick_question(visitor.tenant), slow_question(visitor.tenant))
    while not over():
        burst = random.choice((1, 1, 1, 2, 4))
        await asyncio.gather(*(visitor.say(random.choice(questions)) for _ in range(burst)))
        await asyncio.sleep(random.uniform(0.1, 1.5))


async def talks_with_people(visitor: VisitorBot, agents: list[AgentBot], over: Over) -> None:
    """Round after round: bot, takeover race, talk, perhaps a transfer, and back to the bot."""
    random = visitor.random
    await asyncio.gather(
        *(agent.watch(visitor.conversation, visitor.epochs[visitor.conversation]) for agent in agents)
    )
    while not over():
        await visitor.say(random.choice((quick_question(visitor.tenant), slow_question(visitor.tenant))))
        if random.random() < 0.3:
            await visitor.ask("agent.request", visitor.conversation)
        owner, other = await race(visitor, *random.sample(agents, 2))
        await talk(visitor, owner, random)
        await say(other, visitor, "refused unless I have it")
        if random.random() < 0.5:
            about = {"agent": other.number, "note": "Please."}
            await owner.ask("conversation.transfer", visitor.conversation, to=other.name, **about)
            owner = other
            await talk(visitor, owner, random)
        await owner.ask("conversation.hand_back", visitor.conversation)
        await visitor.say(quick_question(visitor.tenant))


async def race(visitor: VisitorBot, one: AgentBot, two: AgentBot) -> tuple[AgentBot, AgentBot]:
    """(who won, who did not)"""
    name = uuid.uuid4().hex
    first, _second = await asyncio.gather(*(take(agent, visitor, name) for agent in (one, two)))
    return (one, two) if first["type"] == "ack" else (two, one)


async def take(agent: AgentBot, visitor: VisitorBot, race: str) -> Frame:
    """Once more if the conversation has moved on since the agent last heard of it: the refusal brings how it stands."""
    while True:
        answer = await agent.ask("conversation.take_over", visitor.conversation, race=race)
        if answer.get("code") != "wrong_state":
            return answer
        await asyncio.sleep(agent.random.uniform(0.1, 0.5))


async def talk(visitor: VisitorBot, agent: AgentBot, random: Random) -> None:
    """Both at once, the visitor without waiting for acks."""
    canary = CANARIES[visitor.tenant]
    words = [f"{canary}: {visitor.name} says {number}" for number in range(random.randint(1, 4))]
    await asyncio.gather(
        *(visitor.say(text) for text in words), *(say(agent, visitor, "I see") for _ in "12")
    )
    await asyncio.sleep(random.uniform(0.1, 1.0))


async def say(agent: AgentBot, visitor: VisitorBot, text: str) -> None:
    text = f"{CANARIES[visitor.tenant]}: {agent.name} says “{text}”"
    await agent.ask("message.send", visitor.conversation, text=text)
