"""H60 (PIPL 45, 47): Vera asks Acme what it keeps about her, and that it be gone. Vlad, and the Vera of Globex, stay as they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections
from django.test import Client
from django.utils import timezone, translation

from chat import access, actions, caretaker
from chat.models import CannedReply, Effect, Visitor, Webhook
from chat.visitors import erasing
from inference import as_before, dialogue
from kefu.errors import NotFound, Unauthorised, WrongState
from knowledge.models import Entry, KnowledgeBase
from tenants import locks
from tenants.context import inside
from tenants.models import Tenant
from tenants.redis import sync_redis
from tests.admin import administrator, browser
from tests.chat import client as pages
from tests.chat.conftest import login
from tests.chat.files import upload
from tests.chat.leavings import QUEUE, SAID, Left, clear, leave, message
from tests.conftest import make_agent
from tests.tenants.conftest import Done, manage

pytestmark = pytest.mark.slow


@dataclass
class Cast:
    vera: Left  # who asks
    vlad: Left  # of Acme, too
    her_namesake: Left  # of Globex

    def others(self) -> list[dict[str, int]]:
        return [self.vlad.here(), self.her_namesake.here()]


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def cast(live_acme: Tenant, live_globex: Tenant) -> Iterator[Cast]:
    made = Cast(leave(live_acme, "Vera"), leave(live_acme, "Vlad"), leave(live_globex, "Vera"))
    yield made
    for left in (made.vera, made.vlad, made.her_namesake):
        clear(left)


def erase(left: Left) -> list[str]:
    return erasing.erase(left.tenant, left.visitor.pk, quiet=0).found


def command(*words: str) -> Done:
    return manage(*words, name="visitor")


def address(left: Left, verb: str) -> str:
    return f"/admin/chat/visitor/{left.visitor.pk}/{verb}/"


# --- It leaves nothing ------------------------------------------------------------------------------------------------


def test_it_leaves_nothing_of_a_visitor_and_everything_of_the_others(cast: Cast) -> None:
    before = cast.others()
    assert all(cast.vera.here().values()), "the test leaves something of everything"
    result = erasing.erase(cast.vera.tenant, cast.vera.visitor.pk, quiet=0)
    assert result.found == []
    assert result.looked_at["tables"] > 35 and result.looked_at["keys"] and result.looked_at["tasks"]
    assert set(cast.vera.here().values()) == {0}
    assert cast.others() == before
    with pytest.raises(NotFound):
        erase(cast.vera)


def test_it_ends_what_the_visitor_holds(cast: Cast) -> None:
    with inside(cast.vera.tenant):
        known = access.visitor_of_token(cast.vera.tenant, cast.vera.token)
        assert erase(cast.vera) == []
        with pytest.raises(Unauthorised):
            access.visitor_of_token(cast.vera.tenant, cast.vera.token)
        # A page that was let in just before is a new visitor's.
        new, conversation = actions.start_session(known, "en", {})
        assert new.pk != cast.vera.visitor.pk and new.name != "Vera"
        assert not Visitor.objects.filter(pk=cast.vera.visitor.pk).exists()
        conversation.delete()


def test_answers_that_are_kept_for_who_asks_the_same_go_too(cast: Cast) -> None:
    mine, theirs = (
        f"kefu:{{{schema}}}:answer:1:en:full:{as_before.digest(SAID)}" for schema in ("acme", "globex")
    )
    for key in (mine, theirs):
        sync_redis().set(key, b"")
    assert erase(cast.vera) == []
    assert not sync_redis().exists(mine) and sync_redis().delete(theirs)


def test_it_tells_nobody_outside_that_a_conversation_ended(cast: Cast) -> None:
    with inside(cast.vera.tenant):
        told = Webhook.objects.create(
            name="all", url="https://hooks.example", secret="x", events=["conversation.closed"]
        )
        before = set(Effect.objects.values_list("pk", flat=True))
        erase(cast.vera)
        assert set(Effect.objects.values_list("pk", flat=True)) < before
        told.delete()


def test_what_the_company_wrote_in_their_words_is_named_and_stays(cast: Cast) -> None:
    with inside(cast.vera.tenant):
        base = KnowledgeBase.objects.create(name="gaps")
        entry = Entry.objects.create(base=base, question=SAID, answer="三天内")
        reply = CannedReply.objects.create(shortcut="vera", title="For Vera", text="Hello")
        CannedReply.objects.create(shortcut="veranda", title="Veranda", text="Verandas are sold out")
    done = command("erase", "--tenant", "acme", str(cast.vera.visitor.pk), "--dry-run", "--json")
    assert done.json["quotes"] == [f"entry {entry.pk}", f"canned reply {reply.pk}"]
    page = administrator(cast.vera.tenant).get(address(cast.vera, "erase")).content.decode()
    assert f"/admin/knowledge/entry/{entry.pk}/change/" in page and "Veranda" not in page
    assert erase(cast.vera) == []
    with inside(cast.vera.tenant):
        assert Entry.objects.filter(pk=entry.pk).exists()
        base.delete()
        CannedReply.objects.filter(shortcut__startswith="vera").delete()


# --- It proves it -----------------------------------------------------------------------------------------------------


def an_effect(left: Left) -> None:
    with inside(left.tenant):
        Effect.objects.create(kind="webhook", target="1", payload={"id": str(left.visitor.pk)})


def a_key(left: Left) -> None:
    sync_redis().set(dialogue._key("acme", str(left.conversation.pk)), b"")


def a_task(left: Left) -> None:
    sync_redis().lpush(QUEUE, message("acme", left.turn.pk))


def a_file(left: Left) -> None:
    with inside(left.tenant):
        default_storage.save(f"attachments/{left.conversation.pk}/late", ContentFile(b"late"))


def a_row_that_nothing_ties(left: Left) -> None:
    """As a table of a later version might: an id in a text."""
    with inside(left.tenant):
        CannedReply.objects.create(shortcut="late", title="?", text=f"see {left.conversation.pk}")


PLANTED: dict[Callable[[Left], None], str] = {
    an_effect: "acme.chat_effect: 1 rows",
    a_key: ":dialogue in Redis",
    a_task: "task chat.tasks.answer_turn in work",
    a_file: "files in",
    a_row_that_nothing_ties: "acme.chat_cannedreply: 1 rows",
}


@pytest.mark.parametrize("plant", PLANTED, ids=[plant.__name__ for plant in PLANTED])
def test_it_finds_what_comes_late_and_goes_on_from_there(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Left], None]
) -> None:
    """Somebody writes it after everything was removed, and before the search."""
    before = cast.others()
    remove = erasing._remove_rows
    with monkeypatch.context() as patched:
        patched.setattr(erasing, "ROUNDS", 1)
        patched.setattr(erasing, "_remove_rows", lambda *args: (plant(cast.vera), remove(*args))[1])
        found = erase(cast.vera)
    assert len(found) == 1 and PLANTED[plant] in found[0]
    with inside(cast.vera.tenant):
        assert Visitor.objects.get(pk=cast.vera.visitor.pk).erasing_since
        CannedReply.objects.filter(shortcut="late").delete()  # nobody but people can judge that one
    assert erase(cast.vera) == []
    assert set(cast.vera.here().values()) == {0} and cast.others() == before


STEPS = ("traces.drop_keys", "traces.drop_tasks", "_remove_files", "_remove_rows", "tables.search")


@pytest.mark.parametrize("step", STEPS)
def test_it_goes_on_where_it_was_killed(cast: Cast, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def stop(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"chat.visitors.erasing.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            erase(cast.vera)
    with inside(cast.vera.tenant):  # nobody gets in meanwhile, and nothing that was said is there
        half = Visitor.objects.get(pk=cast.vera.visitor.pk)
        assert half.erasing_since and (half.name, half.page) == ("", {})
        with pytest.raises(Unauthorised):
            access.visitor_of_token(cast.vera.tenant, cast.vera.token)
    assert cast.vera.here()["Message"] == 0
    assert erase(cast.vera) == []
    assert set(cast.vera.here().values()) == {0}


def test_what_was_killed_and_forgotten_is_finished_by_the_round_of_tidying_up(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(erasing, "_remove_files", lambda _person: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase(cast.vera)
    with inside(cast.vera.tenant):
        erasing.finish_begun(cast.vera.tenant)
        assert cast.vera.here()["Visitor"] == 1, "it may be under way"
        Visitor.objects.filter(pk=cast.vera.visitor.pk).update(
            erasing_since=timezone.now() - timedelta(hours=1)
        )
        erasing.finish_begun(cast.vera.tenant)
    assert set(cast.vera.here().values()) == {0} and cast.vlad.here()["Visitor"] == 1


def test_only_one_erases_at_a_time(cast: Cast) -> None:
    """The other is another connection."""

    def elsewhere() -> None:
        try:
            with pytest.raises(WrongState):
                erase(cast.vera)
        finally:
            connections.close_all()

    with locks.held(f"visitor acme {cast.vera.visitor.pk}"), ThreadPoolExecutor(1) as other:
        other.submit(elsewhere).result()
    assert cast.vera.here()["Message"] == 2


# --- In the admin -----------------------------------------------------------------------------------------------------


def test_an_administrator_is_told_what_there_is_before_it_goes(cast: Cast) -> None:
    client = administrator(cast.vera.tenant)
    there = cast.vera.here()
    page = client.get(address(cast.vera, "erase")).content.decode()
    assert "Erase Vera for good?" in page
    for said in (
        "conversations: <strong>2<",
        "messages: <strong>2<",
        "files: <strong>2<",
        "by e-mail: <strong>3<",
    ):
        assert said in page
    assert cast.vera.here() == there
    done = client.post(address(cast.vera, "erase"), follow=True)
    assert "Nothing of the visitor is left." in done.content.decode()
    assert set(cast.vera.here().values()) == {0}
    with inside(cast.vera.tenant):
        kept = LogEntry.objects.latest("pk")
        assert kept.user.username == "overseer" and kept.object_id is None
        assert (
            "Vera" not in f"{kept.object_repr}{kept.change_message}" and "messages: 2" in kept.change_message
        )


@pytest.mark.parametrize("verb", ["export", "erase"])
def test_nobody_else_may(cast: Cast, verb: str) -> None:
    vera, before = cast.vera, [cast.vera.here(), *cast.others()]
    with inside(vera.tenant):
        agent = cast.vera.turn.conversation.agent.user
        clerk = User.objects.create(username=f"clerk-{uuid4().hex[:6]}", is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(codename="view_visitor"))
    with inside(cast.her_namesake.tenant):
        gus = User.objects.create(username=f"gus-{uuid4().hex[:6]}", is_staff=True, is_superuser=True)
    for method in ("get", "post"):
        ask = lambda client, path, method=method: getattr(client, method)(path)  # noqa: E731
        assert "/admin/login/" in ask(browser(vera.tenant), address(vera, verb)).headers["Location"]
        assert "/admin/login/" in ask(browser(vera.tenant, agent), address(vera, verb)).headers["Location"]
        assert ask(browser(vera.tenant, clerk), address(vera, verb)).status_code == 403
        # On the neighbour's host, and with the neighbour's id on one's own: as if it were nobody's.
        nobodys = f"/admin/chat/visitor/{uuid4()}/{verb}/"
        for path in (address(vera, verb), nobodys):
            assert ask(browser(cast.her_namesake.tenant, gus), path).status_code in (404, 405)
        assert ask(administrator(vera.tenant), address(cast.her_namesake, verb)).status_code in (404, 405)
    assert (
        browser(vera.tenant).post(address(vera, verb), HTTP_AUTHORIZATION=f"Bearer {vera.token}").status_code
        == 302
    )
    assert [cast.vera.here(), *cast.others()] == before


def test_a_form_from_elsewhere_erases_nobody(cast: Cast) -> None:
    with inside(cast.vera.tenant):
        head = User.objects.create(username=f"head-{uuid4().hex[:6]}", is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="acme.localhost", enforce_csrf_checks=True)
    with inside(cast.vera.tenant):
        client.force_login(head)
    assert client.post(address(cast.vera, "erase")).status_code == 403
    assert cast.vera.here()["Visitor"] == 1


def test_the_admin_shows_visitors_and_what_can_be_done(cast: Cast) -> None:
    client = administrator(cast.vera.tenant)
    page = client.get(f"/admin/chat/visitor/{cast.vera.visitor.pk}/change/").content.decode()
    assert address(cast.vera, "erase") in page and address(cast.vera, "export") in page
    assert f"/admin/chat/conversation/{cast.vera.conversation.pk}/change/" in page
    found = client.get("/admin/chat/visitor/", {"q": str(cast.vlad.visitor.pk)}).content.decode()
    assert str(cast.vlad.visitor.pk) in found and str(cast.vera.visitor.pk) not in found
    assert client.get("/admin/chat/visitor/", {"q": "' OR 1=1"}).status_code == 200


# --- On the command line ----------------------------------------------------------------------------------------------


def test_an_operator_erases_a_visitor_too(cast: Cast) -> None:
    words = ("--tenant", "acme", str(cast.vera.visitor.pk))
    before = cast.vera.here()
    dry = command("erase", *words, "--dry-run", "--json")
    assert dry.code == 0 and dry.json["counts"]["messages"] == 2 and dry.json["dry_run"] is True
    refused = command("erase", *words)
    assert refused.code == 1 and "--yes" in refused.err and cast.vera.here() == before
    done = command("erase", *words, "--yes", "--json")
    assert done.code == 0 and done.json["found"] == [] and done.json["looked_at"]["tables"] > 35
    assert set(cast.vera.here().values()) == {0}
    again = command("erase", *words, "--yes")
    assert again.code == 1 and "There is no such visitor." in again.err


@pytest.mark.parametrize("verb", ["export", "erase"])
def test_a_command_for_one_tenant_finds_nobody_of_another(cast: Cast, verb: str) -> None:
    before = cast.others()
    done = command(verb, "--tenant", "acme", str(cast.her_namesake.visitor.pk), "--dry-run")
    assert done.code == 1 and "There is no such visitor." in done.err
    assert command(verb, "--tenant", "nobody", str(uuid4()), "--dry-run").code == 1
    assert command(verb, "--tenant", "acme", "7; --", "--dry-run").code == 2
    assert cast.others() == before


def test_it_fails_where_something_is_left(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "_remove_files", lambda _person: None)
    done = command("erase", "--tenant", "acme", str(cast.vera.visitor.pk), "--yes")
    assert done.code == 1 and "files in" in done.out and "goes on from here" in done.out


# --- Whoever is there -------------------------------------------------------------------------------------------------


def test_open_pages_of_the_visitor_are_closed_and_agents_see_nothing_more(
    visitor: pages.Visitor, live_acme: Tenant, console: Callable[[str], pages.Socket]
) -> None:
    other = pages.Visitor(visitor.place)
    assert upload(visitor, b"hello", "note.txt").status == 201
    with visitor.socket() as tab, other.socket() as bystander:
        ann = console("Ann")
        visitor.say(tab, "我想退货")
        ann.ask("subscribe", conversation=visitor.conversation)
        assert erasing.erase(live_acme, UUID(visitor.session["visitor"]["id"])).found == []
        assert tab.closed() == 4001
        state = ann.expect("conversation", conversation=visitor.conversation, state="closed")
        assert "visitor" not in state or state["visitor"]["name"] == ""
        assert other.say(bystander, "还在吗")["type"] == "ack"
        ann.expect("conversation.gone", conversation=visitor.conversation)
        assert not ann.all("erased") and not bystander.all("conversation.gone")
    assert visitor.post("still me", "x1")[0] == 401 and visitor.history()[0] == 401
    back = pages.Visitor(visitor.place, token=visitor.token)
    assert back.session["visitor"]["id"] != visitor.session["visitor"]["id"]


def test_a_neighbours_agents_hear_of_nobody_who_was_erased_but_their_own(
    visitor: pages.Visitor,
    live_acme: Tenant,
    live_globex: Tenant,
    globex_place: pages.Place,
    console: Callable[[str], pages.Socket],
) -> None:
    theirs = pages.Visitor(globex_place)
    with inside(live_globex):
        key = login(live_globex, make_agent("Gus"))
    with pages.agent_socket(globex_place, key) as gus, visitor.socket() as tab, theirs.socket() as other:
        ann = console("Ann")
        visitor.say(tab, "我想退货")
        theirs.say(other, "我想换货")
        assert gus.ask("subscribe", conversation=visitor.conversation)["code"] == "not_found"
        gus.ask("subscribe", conversation=theirs.conversation)
        for tenant, who in ((live_acme, visitor), (live_globex, theirs)):
            assert erasing.erase(tenant, UUID(who.session["visitor"]["id"])).found == []
        ann.expect("conversation.gone", conversation=visitor.conversation)
        gus.expect("conversation.gone", conversation=theirs.conversation)
        for agent, own in ((ann, visitor), (gus, theirs)):
            assert [frame["conversation"] for frame in agent.all("conversation.gone")] == [own.conversation]
        assert visitor.conversation not in json.dumps(gus.frames)


def test_a_page_that_no_bell_reached_is_closed_by_who_goes_round(live_acme: Tenant) -> None:
    class Page:
        tenant, login, cursors = live_acme, "", {uuid4(): None}
        lost: list[UUID] = []

        def look(self, conversation: UUID, last_seq: int) -> None:
            raise AssertionError("it is gone")

        def deleted(self, conversation: UUID) -> None:
            self.lost.append(conversation)

    page = Page()
    asyncio.run(caretaker._look_for_silence([page]))  # type: ignore[list-item]
    assert page.lost == [*page.cursors]
