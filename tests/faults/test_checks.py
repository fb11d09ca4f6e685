"""The checker against histories made by hand: a good one, and each fault once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checks import CHECKS, check
from tests.faults.evidence import CANARIES
from tests.faults.history import Event, operations
from tests.faults.judge_owners import periods

ANN = "Ann is now talking with you."
BACK = "Ann has handed the conversation back to the AI assistant."


class Story:
    """Vera asks Acme's bot twice; Ann and Bob race for her, Ann wins, speaks and hands back; Vera asks once more. Gus minds Globex."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.messages: list[dict[str, Any]] = []
        self.pending: list[dict[str, Any]] = []
        self.last_seq = 0
        self.ask("one", "Where is it?")
        self.row("bot", "On its way.", through=1)
        self.ask("two", "When?")
        self.row("bot", "Tomorrow.", through=3)
        for name in ("Ann", "Bob"):
            self.begin(f"takes-{name}", "conversation.take_over", name, race="r")
        self.row("system", ANN)
        self.end("takes-Ann", "ok")
        self.end("takes-Bob", "fail", code="already_taken", agent="Ann")
        self.ask("refused", "Me too", "Bob", outcome="fail")
        self.ask("three", "Good day", "Ann", kind="agent")
        self.ask("perhaps", "Hello?", outcome="unknown")
        self.begin("back", "conversation.hand_back", "Ann")
        self.row("system", BACK)
        self.end("back", "ok")
        self.ask("four", "And now?")
        self.row("bot", "Today.", through=8)
        self.views = [self.view("vera"), self.view("Ann"), self.view("http")]

    def begin(self, op: str, do: str, who: str, **more: Any) -> None:
        fields = {"op": op, "do": do, "who": who, "tenant": "acme", "conversation": "c"}
        self.events.append({"event": "invoke", **fields, **more})

    def end(self, op: str, outcome: str, **more: Any) -> None:
        self.events.append({"event": outcome, "op": op, **more})

    def ask(self, op: str, text: str, who: str = "vera", kind: str = "visitor", outcome: str = "ok") -> None:
        self.begin(op, "message.send", who, text=text)
        if outcome == "ok":
            seq = self.row(kind, text, client_id=op)
            self.end(op, "ok", seq=seq, line="socket", tries=1)
        else:
            self.end(op, outcome, code="already_taken", agent="Ann")

    def row(self, kind: str, text: str, client_id: str | None = None, through: int = 0) -> int:
        self.last_seq += 1
        row = {
            "tenant": "acme",
            "conversation": "c",
            "seq": self.last_seq,
            "id": str(100 + self.last_seq),
            "client_id": client_id,
            "kind": kind,
            "at": 0.1,
            "text": text,
            "through": through,
        }
        self.messages.append(row)
        return self.last_seq

    def view(self, who: str) -> dict[str, Any]:
        frames = [
            {
                "seq": row["seq"],
                "message": row["id"],
                "client_id": row["client_id"],
                "sender": {"kind": row["kind"]},
                "text": row["text"],
            }
            for row in self.messages
        ]
        return {"who": who, "tenant": "acme", "conversation": "c", "messages": frames}

    def kinds(self) -> set[str]:
        conversations = [{"tenant": "acme", "id": "c", "last_seq": self.last_seq}]
        rows = {"conversations": conversations, "messages": self.messages, "pending": self.pending}
        return {violation.kind for violation in check(self.events, self.views, rows)}

    def drop(self, seq: int) -> None:
        """From the database alone."""
        self.messages = [row for row in self.messages if row["seq"] != seq]


def test_it_finds_nothing_in_a_good_history() -> None:
    assert Story().kinds() == set()


def test_it_takes_what_never_ended_for_unknown() -> None:
    outcomes = {one.op: one.outcome for one in operations(Story().events)}

    assert outcomes["perhaps"] == "unknown"
    assert outcomes["refused"] == "fail"
    assert outcomes["one"] == "ok"


def test_it_lets_an_unknown_one_be_there_once() -> None:
    story = Story()
    story.row("visitor", "Hello?", client_id="perhaps")
    story.row("bot", "Yes?", through=story.last_seq)
    story.views = [story.view("vera")]

    assert story.kinds() == set()


def test_it_excuses_a_question_that_a_person_came_to_answer() -> None:
    story = Story()
    story.ask("five", "Is anybody there?")
    story.row("system", ANN)
    story.views = []

    assert story.kinds() == set()


def test_it_excuses_an_agent_to_whom_a_conversation_was_passed_on() -> None:
    story = Story()
    story.begin("passed", "conversation.transfer", "Ann", to="Bob")
    story.row("system", "Bob is now talking with you.")
    story.end("passed", "ok")
    story.views = []

    assert story.kinds() == set()


def test_it_tells_whose_turn_it_was_from_the_systems_lines() -> None:
    owners = [(period.owner, len(period.messages)) for period in periods(Story().messages)]

    assert owners == [("bot", 4), ("agent", 2), ("bot", 3)]


# --- One fault each ---------------------------------------------------------------------------------------------------


def loses_a_message(story: Story) -> None:
    story.drop(3)
    story.messages = [row | {"seq": row["seq"] - (row["seq"] > 3)} for row in story.messages]


def acknowledges_another_seq(story: Story) -> None:
    next(event for event in story.events if event.get("seq") == 8)["seq"] = 9


def stores_twice(story: Story) -> None:
    story.row("visitor", "Where is it?", client_id="one")


def stores_what_it_refused(story: Story) -> None:
    story.row("agent", "Me too", client_id="refused")


def stores_what_nobody_sent(story: Story) -> None:
    story.row("visitor", "boo", client_id="nobody")


def acknowledges_a_resend_anew(story: Story) -> None:
    story.events.append({"event": "again", "op": "one", "seq": 5})


def leaves_a_hole(story: Story) -> None:
    story.drop(4)


def puts_the_later_one_first(story: Story) -> None:
    story.messages[0]["client_id"], story.messages[2]["client_id"] = "two", "one"
    story.messages[0]["text"], story.messages[2]["text"] = "When?", "Where is it?"
    for event in story.events:
        if event["event"] == "ok" and event.get("seq") in (1, 3):
            event["seq"] = 4 - event["seq"]


def never_answers(story: Story) -> None:
    story.events = [event for event in story.events if event["event"] != "unknown"]


def turns_a_good_client_away(story: Story) -> None:
    story.events += [{"event": "left", "at": 1.0, "who": "vera", "code": code} for code in (1012, 4001)]


def shows_too_little(story: Story) -> None:
    del story.views[1]["messages"][6]


def shows_what_is_not_there(story: Story) -> None:
    story.views[0]["messages"].append(story.views[0]["messages"][-1] | {"seq": 77, "message": "77"})


def shows_another_text(story: Story) -> None:
    story.views[0]["messages"][1] = story.views[0]["messages"][1] | {"text": "Lost."}


def shows_one_message_as_two(story: Story) -> None:
    story.views[0]["messages"].append(story.views[0]["messages"][0] | {"seq": 10})


def shows_a_foreign_frame(story: Story) -> None:
    story.events.append({"event": "foreign", "who": "vera", "frame": CANARIES["globex"]})


def stores_a_foreign_text(story: Story) -> None:
    story.messages[1]["text"] = f"It is {CANARIES['globex']}."


def shows_a_foreign_conversation(story: Story) -> None:
    story.views.append(story.view("Gus") | {"tenant": "globex"})


def forgets_the_last_question(story: Story) -> None:
    story.drop(9)
    story.last_seq = 8


def leaves_a_turn_pending(story: Story) -> None:
    story.pending.append({"tenant": "acme", "conversation": "c"})


def answers_one_question_twice(story: Story) -> None:
    story.row("bot", "Today, I said.", through=8)


def answers_what_is_not_asked_yet(story: Story) -> None:
    story.messages[1]["through"] = 3


def speaks_while_a_person_does(story: Story) -> None:
    story.messages[5] |= {"kind": "bot", "through": 3}


def lets_both_win(story: Story) -> None:
    story.events = [event for event in story.events if event.get("op") != "takes-Bob" or "do" in event]
    story.end("takes-Bob", "ok")


def names_the_wrong_winner(story: Story) -> None:
    next(event for event in story.events if event.get("op") == "takes-Bob" and "code" in event)["agent"] = (
        "Cat"
    )


def takes_over_in_silence(story: Story) -> None:
    story.messages[4]["text"] = "Hm."


def hands_back_twice(story: Story) -> None:
    story.row("system", BACK)


def hands_back_when_it_is_thawed(story: Story) -> None:
    story.row("system", BACK)
    story.messages[-1]["at"] = 9.0


def passes_on_to_whom_nobody_named(story: Story) -> None:
    story.begin("passed", "conversation.transfer", "Ann", to="Cat")
    story.row("system", "Bob is now talking with you.")
    story.end("passed", "ok")


FAULTS: tuple[tuple[Callable[[Story], None], str], ...] = (
    (loses_a_message, "lost"),
    (acknowledges_another_seq, "lost"),
    (stores_twice, "there too often"),
    (stores_what_it_refused, "there too often"),
    (stores_what_nobody_sent, "there too often"),
    (acknowledges_a_resend_anew, "acknowledged twice"),
    (leaves_a_hole, "not whole"),
    (puts_the_later_one_first, "out of order"),
    (never_answers, "no answer"),
    (turns_a_good_client_away, "turned away"),
    (shows_too_little, "not shown"),
    (shows_what_is_not_there, "not shown"),
    (shows_another_text, "not shown"),
    (shows_one_message_as_two, "shown twice"),
    (shows_a_foreign_frame, "another tenant's"),
    (stores_a_foreign_text, "another tenant's"),
    (shows_a_foreign_conversation, "another tenant's"),
    (forgets_the_last_question, "unanswered"),
    (leaves_a_turn_pending, "pending"),
    (answers_one_question_twice, "answered twice"),
    (answers_what_is_not_asked_yet, "answered twice"),
    (speaks_while_a_person_does, "talked over"),
    (lets_both_win, "race"),
    (names_the_wrong_winner, "race"),
    (takes_over_in_silence, "takeover"),
    (hands_back_twice, "done twice"),
    (hands_back_when_it_is_thawed, "done late"),
    (passes_on_to_whom_nobody_named, "done late"),
)


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_it_reports_a_product_that(fault: Callable[[Story], None], kind: str) -> None:
    story = Story()
    fault(story)

    assert kind in story.kinds()


def test_it_knows_a_fault_for_each_of_its_checks() -> None:
    assert {kind for _fault, kind in FAULTS} == {*CHECKS}
