"""A visitor asks, asks on, complains, asks for a person; a neighbour's visitor sees none of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Widget
from tests.product import Product, wait_until

pytestmark = pytest.mark.product
Visitor = Callable[[str], Widget]


def test_it_answers_from_an_approved_entry_and_names_the_source(visitor: Visitor, product: Product) -> None:
    answer = visitor("acme").asks("你们的退货政策是什么？")
    expect(answer).to_contain_text("7 天")
    expect(answer).to_contain_text("AI")
    expect(answer.get_by_role("link", name="退换货政策")).to_have_attribute(
        "href", product.url("acme", "/demo/help/returns")
    )


def test_it_answers_from_the_documents_and_understands_what_follows(visitor: Visitor) -> None:
    vera = visitor("acme")
    expect(vera.asks("我上周买的电饭煲坏了，能换吗？")).to_contain_text("15 天")
    expect(vera.asks("那运费谁出？")).to_contain_text("运费都由我们出")


def test_it_looks_an_order_up_and_asks_for_its_number_once(visitor: Visitor) -> None:
    vera = visitor("acme")
    expect(vera.asks("查一下我的订单到哪了")).to_contain_text("订单号")
    expect(vera.asks("A20231")).to_contain_text("运输中")
    expect(vera.asks("谢谢")).not_to_contain_text("订单号")
    expect(vera.asks("查一下我的订单到哪了")).to_contain_text("运单号")


def test_it_tells_a_refund_to_its_owner_alone(visitor: Visitor) -> None:
    vera = visitor("acme")
    expect(vera.asks("帮我查退款 R10001")).not_to_contain_text("R10001")
    vera.page.evaluate("Kefu.close()")
    vera.page.select_option("#customer", label="周航")
    vera.page.get_by_role("button", name="Log in").click()
    vera.open()
    expect(vera.own).to_have_count(1)  # what was said before logging in is still there
    expect(vera.asks("帮我查退款 R10001")).to_contain_text("2399")
    expect(vera.asks("帮我查退款 R10002")).to_contain_text("没有查到")
    vera.page.evaluate("Kefu.close()")
    vera.page.get_by_role("button", name="Log out").click()
    vera.open()
    expect(vera.own).to_have_count(0)


def test_it_meets_a_complaint_with_a_case_and_a_person(visitor: Visitor) -> None:
    vera = visitor("acme")
    answer = vera.asks("我要投诉")
    expect(answer).to_contain_text("C2")
    answer.get_by_role("button", name="Talk to a person").click()
    expect(vera.panel.get_by_text("You are next")).to_be_visible()


def test_it_says_that_it_does_not_know_and_offers_a_person(visitor: Visitor) -> None:
    answer = visitor("acme").asks("火星上能种土豆吗？")
    expect(answer.get_by_role("button", name="Talk to a person")).to_be_visible()
    expect(answer.get_by_role("link")).to_have_count(0)


def test_it_refuses_a_forbidden_word_and_the_next_turn_is_clean(visitor: Visitor) -> None:
    vera = visitor("acme")
    refusal = vera.asks("你们可以代开发票吗")
    expect(refusal).not_to_contain_text("代开发票")
    expect(vera.asks("你们的退货政策是什么？")).to_contain_text("7 天")


def test_it_keeps_the_conversation_over_a_reload(visitor: Visitor) -> None:
    vera = visitor("acme")
    vera.asks("怎么开发票？")
    vera.page.reload()
    vera.open()
    vera.sees("怎么开发票？")


def test_it_shows_a_neighbours_visitor_nothing(visitor: Visitor) -> None:
    visitor("acme").asks("查一下订单 A20231 到哪了")
    gail = visitor("globex")
    expect(gail.panel.get_by_text("A20231")).to_have_count(0)
    expect(gail.asks("查一下订单 A20231 到哪了")).not_to_contain_text("运输中")
    expect(gail.asks("我上周买的电饭煲坏了，能换吗？")).not_to_contain_text("电饭煲签收后")


def console(person: Callable[[], Page], product: Product, company: str, username: str) -> Page:
    page = person()
    page.goto(product.url(company, "/console/"))
    page.locator("input[name=username]").fill(username)
    page.locator("input[name=password]").fill(product.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("conversation-list")).to_be_visible()
    return page


def test_a_person_takes_over_talks_hands_back_and_closes(
    visitor: Visitor, person: Callable[[], Page], product: Product
) -> None:
    ann = console(person, product, "acme", "ann")
    gus = console(person, product, "globex", "gus")
    vera = visitor("acme")
    vera.say("我的洗衣机漏水，转人工")
    row = ann.locator("conversation-row").filter(has_text="洗衣机漏水")
    row.click()
    ann.get_by_role("button", name="Take over").first.click()
    vera.sees("安然")
    composer = ann.locator("message-composer textarea")
    composer.fill("您好，我是安然，我来帮您。")
    composer.press("Enter")
    vera.sees("您好，我是安然，我来帮您。")
    vera.say("太好了")
    expect(ann.locator("conversation-thread")).to_contain_text("太好了")
    expect(vera.messages.last).to_contain_text("太好了")
    ann.get_by_role("button", name="Hand back").first.click()
    expect(vera.asks("你们的退货政策是什么？")).to_contain_text("7 天")
    expect(gus.locator("conversation-row").filter(has_text="洗衣机")).to_have_count(0)


def test_it_loses_nothing_when_web_and_worker_are_killed(visitor: Visitor, product: Product) -> None:
    vera = visitor("acme")
    vera.asks("你们的退货政策是什么？")
    product.kill("kefu.web")
    vera.say("空调不制冷怎么办")
    product.kill("-Q llm")
    vera.say("我上周买的电饭煲坏了，能换吗？")
    vera.sees("签收后 15 天内")
    wait_until(lambda: product.processes("kefu.web") and product.processes("-Q llm"))
    vera.page.reload()
    vera.open()
    for question in ("你们的退货政策是什么？", "空调不制冷怎么办", "我上周买的电饭煲坏了，能换吗？"):
        expect(vera.own.filter(has_text=question)).to_have_count(1)
    vera.sees("签收后 15 天内")


def test_an_erased_visitor_vanishes_from_an_open_console(
    visitor: Visitor, person: Callable[[], Page], product: Product
) -> None:
    vera, ann = visitor("acme"), console(person, product, "acme", "ann")
    vera.asks("我要转人工，我叫薇拉")
    row = ann.locator("conversation-row").filter(has_text="薇拉")
    row.click()
    expect(ann.locator("conversation-thread").get_by_text("我叫薇拉")).to_be_visible()
    admin = person()
    admin.goto(product.url("acme", "/admin/chat/visitor/"))
    admin.locator("input[name=username]").fill("admin")
    admin.locator("input[name=password]").fill(product.password)
    admin.locator("button[type=submit]").click()
    admin.locator("#result_list a[href*='/chat/visitor/']").first.click()  # who came last
    admin.wait_for_url("**/change/**")
    admin.goto(admin.url.split("/change/")[0] + "/erase/")
    admin.get_by_role("button", name="Erase for good").click()
    expect(row).to_have_count(0)
    expect(ann.get_by_text("我叫薇拉")).to_have_count(0)
