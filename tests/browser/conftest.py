from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Locator, Page, expect, sync_playwright

from tests.product import Product, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
)
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_in_browser(item):
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(
                    pytest.mark.skip(reason="no chromium here: apt install chromium fonts-noto-cjk")
                )


def is_in_browser(item: pytest.Item) -> bool:
    return "tests/browser" in str(item.path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Playwright keeps an event loop running, beside which pytest-asyncio can start none: it ends with the file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def person(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Each call is somebody else's browser, with cookies and a storage of its own; a page error fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def sits_down() -> Page:
        context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield sits_down
    for context in contexts:
        context.close()
    assert errors == []


class Widget:
    """A visitor on a company's page."""

    def __init__(self, page: Page, product: Product, company: str) -> None:
        self.page, self.product = page, product
        page.goto(product.url(company, "/demo/"))
        self.open()

    def open(self) -> None:
        """The panel's iframe lies in a closed shadow root: it is found by its address, not by a selector."""
        self.page.wait_for_function("window.Kefu")
        self.page.evaluate("Kefu.open()")
        wait_until(lambda: self.page.wait_for_timeout(50) or self._frames())
        self.panel = self._frames()[-1]
        expect(self.box).to_be_enabled()

    def _frames(self) -> list[Frame]:
        return [frame for frame in self.page.frames if "/widget/v1/panel" in frame.url]

    @property
    def box(self) -> Locator:
        return self.panel.get_by_role("textbox").first

    @property
    def messages(self) -> Locator:
        return self.panel.locator("kefu-message")

    @property
    def own(self) -> Locator:
        return self.panel.locator("kefu-message[data-kind=visitor]")

    def say(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")

    def sees(self, *texts: str) -> None:
        for text in texts:
            expect(self.panel.get_by_role("log")).to_contain_text(text)

    def asks(self, question: str) -> Locator:
        """Sends the question; the bot's answer to it, once it stands in the record."""
        answers = self.panel.locator("kefu-message[data-kind=bot]:has(footer time)")
        before = answers.count()
        self.say(question)
        expect(answers).to_have_count(before + 1)
        return answers.last


@pytest.fixture
def visitor(person: Callable[[], Page], product: Product) -> Callable[[str], Widget]:
    return lambda company: Widget(person(), product, company)
