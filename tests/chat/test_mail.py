"""The company is told by e-mail, once in effect, that a question was left while nobody was there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone
from pytest_django import Settings

from chat import actions, effects, outbox
from chat.models import Agent, Effect
from inference.turn import Answer
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator
from tests.chat.sending import send
from tests.conftest import Chat, open_chat
from tests.mail_server import MailServer

HELP = "help@acme.example"


@pytest.fixture
def mailed(settings: Settings) -> Iterator[Callable[[MailServer], MailServer]]:
    """`mailed(MailServer(...))` is the installation's mail server from then on."""
    servers: list[MailServer] = []

    def use(server: MailServer) -> MailServer:
        servers.append(server.__enter__())
        settings.EMAIL_URL = f"smtp://127.0.0.1:{server.port}"
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.DEFAULT_FROM_EMAIL = "Kefu <desk@kefu.example>"
        return server

    yield use
    for server in servers:
        server.__exit__()


@pytest.fixture
def server(mailed: Callable[[MailServer], MailServer]) -> MailServer:
    return mailed(MailServer())


@pytest.fixture
def notified(vera: Chat) -> Chat:
    """Vera at Acme, which wants to be told."""
    vera.tenant.policy.notify_email = HELP
    return vera


def wait_for_a_person(chat: Chat) -> None:
    actions.request_agent(chat.visitor.pk, chat.conversation.pk)


def perform(tenant: Tenant) -> None:
    effects.perform(tenant.schema_name, Effect.Kind.EMAIL, HELP)


def test_it_tells_what_the_visitor_wrote(notified: Chat, server: MailServer) -> None:
    send(notified, "1", "我的订单在哪？\n快点", Answer("…", "reply"))
    wait_for_a_person(notified)
    send(notified, "2", "please call me", Answer("…", "reply"))
    perform(notified.tenant)
    letter = server.letters[0]
    text = letter.get_content().replace("\r\n", "\n")
    assert (letter["To"], letter["From"]) == (HELP, "Kefu <desk@kefu.example>")
    assert "Acme" in letter["Subject"] and letter["Auto-Submitted"] == "auto-generated"
    assert "> 我的订单在哪？\n> 快点" in text and text.index("我的订单") < text.index("> please call me")
    assert "http://acme.localhost/console/" in text
    perform(notified.tenant)
    assert len(server.letters) == 1


def test_it_tells_nobody_while_somebody_is_there(notified: Chat, server: MailServer, ann: Agent) -> None:
    wait_for_a_person(notified)
    assert not Effect.objects.exists()


def test_it_tells_nobody_who_did_not_ask_for_it(vera: Chat, server: MailServer, globex: Tenant) -> None:
    wait_for_a_person(vera)
    with inside(globex):
        wait_for_a_person(open_chat(globex))
        assert not Effect.objects.exists()
    assert not Effect.objects.exists()


def test_it_records_nothing_without_a_mail_server(notified: Chat, settings: Settings) -> None:
    settings.EMAIL_URL = ""
    wait_for_a_person(notified)
    assert not Effect.objects.exists()


def test_it_sends_the_same_letter_again_where_the_line_broke(
    notified: Chat, mailed: Callable[[MailServer], MailServer]
) -> None:
    server = mailed(MailServer("451", "drop", "250"))
    wait_for_a_person(notified)
    for _ in range(3):
        Effect.objects.update(due_at=timezone.now())
        perform(notified.tenant)
    effect = Effect.objects.get()
    assert effect.done_at and effect.attempts == 3
    first, second = server.letters  # the first was taken, but nobody knew
    assert first["Message-ID"] == second["Message-ID"] == f"<{effect.pk.hex}@kefu.example>"


@pytest.mark.parametrize("ways", [MailServer("554"), MailServer(refuses=True)])
def test_it_gives_up_where_the_mail_server_says_never(
    notified: Chat, mailed: Callable[[MailServer], MailServer], ways: MailServer
) -> None:
    mailed(ways)
    wait_for_a_person(notified)
    perform(notified.tenant)
    effect = Effect.objects.get()
    assert effect.failed_at and effect.last_error and ways.letters == []


def test_it_waits_for_a_mail_server_that_is_away(
    notified: Chat, server: MailServer, settings: Settings
) -> None:
    settings.EMAIL_PORT = 9  # nobody listens there
    wait_for_a_person(notified)
    perform(notified.tenant)
    effect = Effect.objects.get()
    assert effect.failed_at is None and "ConnectionRefused" in effect.last_error
    assert outbox.claim(Effect.Kind.EMAIL, HELP) is None


def test_it_lets_no_name_add_a_header(notified: Chat, server: MailServer) -> None:
    notified.tenant.name = "Acme\r\nBcc: spy@globex.example"
    notified.visitor.name = "Vera\r\nBcc: spy@globex.example"
    notified.visitor.save()
    wait_for_a_person(notified)
    effects.attempt(notified.tenant, outbox.claim(Effect.Kind.EMAIL, HELP))
    letter = server.letters[0]
    assert letter["Bcc"] is None and letter["Subject"].strip().startswith("Acme Bcc: spy@globex.example")


@pytest.mark.parametrize(("url", "said"), [("", "EMAIL_URL"), ("smtp://x", "nobody is told")])
def test_its_policy_says_whether_mail_can_be_sent(
    acme: Tenant, settings: Settings, url: str, said: str
) -> None:
    settings.EMAIL_URL = url
    page = administrator(acme).get(f"/admin/tenants/policy/{acme.pk}/change/").content.decode()
    assert said in page


def test_its_policy_takes_one_proper_address(acme: Tenant) -> None:
    client = administrator(acme)
    address = f"/admin/tenants/policy/{acme.pk}/change/"
    form = client.get(address).context["adminform"].form
    for typed, fits in (("no address", False), ("a@b.example\nBcc: c@d.example", False), (HELP, True)):
        data = {**form.initial, "notify_email": typed}
        assert ("notify_email" in form.__class__(data, instance=acme.policy).errors) is not fits
