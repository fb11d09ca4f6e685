"""The two screening steps: what visitors may say, and what must not leave."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.screening import Action, mask, verdict
from inference.turn import Answer, Turn


async def screen_question(turn: Turn) -> None:
    """Refuses, calls a person or masks, by the strongest word found. A refused question stays out of the dialogue."""
    turn.hits = turn.mind.lexicon.scan(turn.question)
    action = verdict(turn.hits)
    if action is None:
        return
    turn.note(words=sorted({hit.category for hit in turn.hits}), action=action)
    if action == Action.BLOCK:
        turn.blocked = True
        turn.question = mask(turn.question, turn.hits)
        text = turn.tenant.policy.blocked_text or _(
            "I cannot talk about that. What else may I help you with?"
        )
        turn.answer = Answer(text, "refusal")
    elif action == Action.HAND_OVER:
        text = _("This should be looked at by a person. I am calling a colleague for you now.")
        turn.answer = Answer(text, "hand_over", hand_over=gettext_lazy("sensitive words"))
    elif action == Action.MASK:
        turn.question = mask(turn.question, turn.hits)


async def screen_answer(turn: Turn) -> None:
    """The last look before an answer leaves. A word that may not be said replaces the whole answer, not only itself."""
    assert turn.answer is not None
    hits = turn.mind.lexicon.scan(turn.answer.text)
    action = verdict(hits)
    if action in (Action.BLOCK, Action.HAND_OVER):
        turn.note(words=sorted({hit.category for hit in hits}), action=action)
        turn.answer = unsayable()
    elif action == Action.MASK:
        turn.answer = replace(turn.answer, text=mask(turn.answer.text, hits))


def unsayable() -> Answer:
    text = _("I would rather not answer this myself. Shall I call a colleague for you?")
    return Answer(text, "refusal", open={"offer": "person"})
