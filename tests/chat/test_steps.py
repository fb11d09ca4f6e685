"""Administrators read how an answer was made: every step, and every word that one may note, is in their language."""

from __future__ import annotations

from django.utils import translation

from chat.steps import BY, FAULTS, STEPS, step
from inference import business
from inference.as_before import keep_answer
from inference.knowing import give_up
from inference.pipeline import ANSWER, FINISH
from inference.wording import Fault


def facts(**noted: object) -> dict[str, str]:
    with translation.override("en"):
        return {str(name): str(value) for name, value in step({"step": "x", "ms": 1.0, **noted}).facts}


def test_it_has_words_for_every_step_and_source() -> None:
    steps = {one.__name__ for one in (*ANSWER, *FINISH, give_up, keep_answer)}
    assert steps == STEPS.keys()
    assert {source.__name__.lstrip("_") for source in business.SOURCES} == BY.keys()
    assert set(Fault) == FAULTS.keys()


def test_it_tells_what_was_noted_in_words() -> None:
    assert facts(by="similar_entry", rung="extract", why="breaker", action="block", fault="wordy") == {
        "answered by": "similar entry",
        "rung": "passages as they stand",
        "because of": "the model server fails",
        "action": "Refuse",
        "at fault": "too long",
    }
    assert facts(intent=None, as_before=True, tried=["One", "Two"]) == {
        "intent": "–",
        "said before": "yes",
        "tried before": "One, Two",
    }


def test_it_says_nothing_of_what_is_not_so_and_shows_what_it_does_not_know_as_it_stands() -> None:
    assert facts(partly=False) == {}
    assert facts(novelty="new", rung="of another version") == {"novelty": "new", "rung": "of another version"}
    assert step({"step": "of_another_version"}).title == "of_another_version"
