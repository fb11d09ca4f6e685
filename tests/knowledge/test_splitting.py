from __future__ import annotations

from knowledge.splitting import PASSAGE_CHARACTERS, split


def test_it_gives_each_passage_the_headings_above_it() -> None:
    pieces = split(
        "开头的话。\n\n# 退换货\n\n总则。\n\n## 运费\n\n谁出。\n\n### 例外\n\n大件。\n\n## 时限\n\n七天。"
    )
    assert [(piece.heading, piece.text) for piece in pieces] == [
        ("", "开头的话。"),
        ("退换货", "总则。"),
        ("退换货 > 运费", "谁出。"),
        ("退换货 > 运费 > 例外", "大件。"),
        ("退换货 > 时限", "七天。"),
    ]


def test_it_cuts_long_text_where_sentences_end() -> None:
    pieces = split("# 说明\n\n" + "商品签收之后的七天以内都可以申请无理由退货。" * 60)
    assert len(pieces) > 3
    assert all(len(piece.text) <= PASSAGE_CHARACTERS[1] and piece.text.endswith("。") for piece in pieces)
    assert sum(len(piece.text) for piece in pieces) == 60 * 22


def test_it_repeats_the_column_names_where_a_table_is_cut() -> None:
    rows = [f"| 型号 {number} 的全称 | 整机保修 {number} 年，主要部件更久 |" for number in range(40)]
    pieces = split("\n".join(["# 保修", "", "| 型号 | 保修 |", "| --- | --- |", *rows]))
    assert len(pieces) > 2
    assert all(piece.text.startswith("| 型号 | 保修 |\n| --- | --- |\n") for piece in pieces)
    assert sum(piece.text.count("的全称") for piece in pieces) == 40


def test_it_takes_no_comment_in_code_for_a_heading() -> None:
    pieces = split("# 安装\n\n```\n# 先更新\napt update\n```\n")
    assert [piece.heading for piece in pieces] == ["安装"]
    assert "# 先更新" in pieces[0].text


def test_it_makes_no_passage_of_a_heading_alone() -> None:
    assert split("# 一\n\n## 二\n\n正文。")[0].text == "正文。"
    assert split("# 一") == []
