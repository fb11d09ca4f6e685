from __future__ import annotations

import pytest

from inference.personal import find_personal, mask_personal


def found(text: str) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in find_personal(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("身份证11010519491231002X谢谢", "id_card", "11010519491231002X"),
        ("身份证：110105 19491231 002x", "id_card", "110105 19491231 002x"),
        ("１１０１０５１９４９１２３１００２Ｘ", "id_card", "１１０１０５１９４９１２３１００２Ｘ"),
        ("卡号6222 0212 3456 7890 128", "bank_card", "6222 0212 3456 7890 128"),
        ("4111-1111-1111-1111", "bank_card", "4111-1111-1111-1111"),
        ("我手机13800138000，打给我", "phone", "13800138000"),
        ("138-0013-8000", "phone", "138-0013-8000"),
        ("１３８ ００１３ ８０００", "phone", "１３８ ００１３ ８０００"),
        ("138\u200b0013\u200b8000", "phone", "138\u200b0013\u200b8000"),
        ("1 3 8 0 0 1 3 8 0 0 0", "phone", "1 3 8 0 0 1 3 8 0 0 0"),
        ("+86 138 0013 8000", "phone", "+86 138 0013 8000"),
        ("座机010-62345678转", "phone", "010-62345678"),
        ("call +1 650-253-0000 now", "phone", "+1 650-253-0000"),
        ("写信到li.lei@example.com吧", "email", "li.lei@example.com"),
        ("li＠example．com", "email", "li＠example．com"),
    ],
)
def test_it_finds_personal_data(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "你们的退货政策是什么？",
        "订单 A20231 到哪了",
        "订单号 202311051380013800012",
        "单号SF13800138000123",
        "11010519491231002A 和 110105194912310021",
        "4111111111111112",
        "客服电话 400-800-1234 或 95588",
        "满 1000 减 100，2024-11-11 12:00 开始",
        "@张三 在吗",
        "12800138000",
        "一共 13800138000.55 元",
    ],
)
def test_it_leaves_other_numbers_alone(text: str) -> None:
    assert found(text) == []
    assert mask_personal(text) == text


def test_it_masks_all_but_what_identifies_nobody() -> None:
    text = "手机138-0013-8000，身份证11010519491231002X，卡4111 1111 1111 1111，li@example.com，订单A20231"
    masked = "手机138-****-8000，身份证110***********002X，卡4111 **** **** 1111，l*@example.com，订单A20231"
    assert mask_personal(text) == masked
    assert len(masked) == len(text)


def test_it_finds_several_in_order() -> None:
    text = "13800138000 或 13900139000 或 a@b.cn"
    assert [kind for kind, _ in found(text)] == ["phone", "phone", "email"]
