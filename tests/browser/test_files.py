"""A visitor shows a picture, an agent looks at it and answers with a file; each gets what the other sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import Widget
from tests.browser.test_visit import console
from tests.chat.files import PDF, png
from tests.product import Product

pytestmark = pytest.mark.product
Visitor = Callable[[str], Widget]

# What a browser does when somebody pastes a picture from the clipboard.
PASTE = """async (field, bytes) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


def test_a_picture_goes_to_the_agent_and_a_file_comes_back(
    visitor: Visitor, person: Callable[[], Page], product: Product, tmp_path: Path
) -> None:
    vera, ann = visitor("acme"), console(person, product, "acme", "ann")
    vera.say("洗衣机显示 E4，转人工")
    row = ann.locator("conversation-row").filter(has_text="E4")
    row.click()
    ann.get_by_role("button", name="Take over").first.click()
    vera.sees("安然")

    tray = vera.panel.locator("file-tray li")
    vera.box.evaluate(PASTE, [*png(320, 200)])
    expect(tray).to_have_attribute("data-status", "ready")
    vera.say("就是这个")
    expect(tray).to_have_count(0)
    expect(vera.own.last.locator(".file-thumbnail img")).to_have_js_property("naturalWidth", 320)

    shown = ann.locator("thread-message", has_text="就是这个").locator(".file-thumbnail")
    expect(shown.locator("img")).to_have_js_property("naturalWidth", 320)
    shown.click()
    light = ann.get_by_role("dialog")
    expect(light.locator("img")).to_have_js_property("naturalWidth", 320)
    expect(light.get_by_role("button").nth(0)).to_be_focused()
    for _ in range(6):  # round and round, never behind the picture
        ann.keyboard.press("Tab")
        assert ann.evaluate("document.activeElement.closest('dialog, body').tagName") in ("DIALOG", "BODY")
    ann.keyboard.press("Escape")
    expect(light).to_have_count(0)
    expect(shown).to_be_focused()

    manual = FilePayload(name="维修单.pdf", mimeType="application/octet-stream", buffer=PDF)
    ann.locator("message-composer input[type=file]").set_input_files(manual)
    expect(ann.locator("file-tray li")).to_have_attribute("data-status", "ready")
    ann.get_by_role("button", name="Send").click()
    save = vera.panel.get_by_role("button", name="Save 维修单.pdf")
    with vera.page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == "维修单.pdf"
    download.value.save_as(tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == PDF

    vera.page.reload()  # nothing is in the page's own hands any more
    vera.open()
    expect(vera.own.locator(".file-thumbnail img").last).to_have_js_property("naturalWidth", 320)


def test_it_says_what_cannot_be_sent_and_sends_the_rest(visitor: Visitor) -> None:
    vera = visitor("acme")
    picker = vera.panel.locator("kefu-composer input[type=file]")
    page = FilePayload(name="page.html", mimeType="text/html", buffer=b"<script>alert(1)</script>")
    forged = FilePayload(name="forged.png", mimeType="image/png", buffer=b"<svg onload=alert(1)>")
    large = FilePayload(name="large.png", mimeType="image/png", buffer=png() + bytes(11 * 2**20))
    picker.set_input_files([page, forged, large, FilePayload(name="good.png", mimeType="", buffer=png())])
    rows = vera.panel.locator("file-tray li")
    expect(rows.filter(has_text="page.html")).to_contain_text("kind cannot be sent")
    expect(rows.filter(has_text="forged.png")).to_contain_text("not what its name says")
    expect(rows.filter(has_text="large.png")).to_contain_text("at most 10 MB")
    expect(rows.filter(has_text="good.png")).to_have_attribute("data-status", "ready")
    vera.say("")
    expect(vera.own.last.locator(".file-thumbnail")).to_have_count(1)
    vera.sees("cannot look into it")
    expect(rows).to_have_count(3)
    for name in ("page.html", "forged.png", "large.png"):
        vera.panel.get_by_role("button", name=f"Remove {name}").click()
    expect(vera.panel.locator("file-tray")).to_be_hidden()
