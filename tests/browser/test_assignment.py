"""An administrator has visitors assigned; the agent gets them one at a time, and visitors see where they stand. At Globex."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Widget
from tests.browser.test_visit import console
from tests.product import Product

pytestmark = pytest.mark.product
Visitor = Callable[[str], Widget]


@pytest.fixture
def admin(person: Callable[[], Page], product: Product) -> Page:
    page = person()
    page.goto(product.url("globex", "/admin/"))
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(product.password)
    page.locator("button[type=submit]").click()
    expect(page.get_by_role("heading", name="How it answered today")).to_be_visible()
    return page


def save(admin: Page) -> None:
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.get_by_text("was changed successfully")).to_be_visible()


def decide(admin: Page, product: Product, assignment: str, limit: int) -> None:
    """How Globex assigns, and how many visitors Gus gets at once."""
    admin.goto(product.url("globex", "/admin/tenants/policy/"))
    admin.locator("select[name=assignment]").select_option(assignment)
    save(admin)
    admin.goto(product.url("globex", "/admin/chat/agent/?q=gus"))
    admin.get_by_role("link", name="顾思").first.click()
    admin.locator("input[name=limit]").fill(str(limit))
    save(admin)


@pytest.fixture
def assigned(admin: Page, product: Product) -> Iterator[None]:
    decide(admin, product, "least_busy", 1)
    yield
    decide(admin, product, "off", 5)


def status(visitor: Widget, text: str) -> None:
    expect(visitor.panel.locator("kefu-status")).to_contain_text(text)


def test_it_gives_visitors_to_an_agent_one_at_a_time(
    assigned: None, visitor: Visitor, person: Callable[[], Page], product: Product
) -> None:
    early = visitor("globex")
    early.say("我的卡丢了，转人工")
    status(early, "as soon as somebody is there")

    gus = console(person, product, "globex", "gus")
    status(early, "顾思")
    late = visitor("globex")
    late.say("宽带断了，转人工")
    status(late, "You are next, about")

    row = gus.locator("conversation-row").filter(has_text="我的卡丢了")
    row.click()
    expect(gus.locator("presence-menu .load")).to_have_text("1 / 1")
    expect(gus.locator("thread-header")).to_contain_text("On the page")
    early.page.close()
    expect(gus.locator("thread-header")).to_contain_text("Not on the page")

    gus.get_by_role("button", name="Close", exact=True).first.click()
    gus.get_by_role("button", name="Close it").click()
    expect(gus.locator("notice-stack")).to_contain_text("was assigned to you")
    status(late, "顾思")
    late.panel.get_by_role("button", name="End conversation").click()
    late.panel.get_by_role("button", name="End", exact=True).click()
    expect(gus.locator("presence-menu .load")).to_have_text("0 / 1")
