"""How a complaint is met: an apology for this very matter, the number of a case that is really opened, a person offered."""

from __future__ import annotations

import re
from zlib import crc32

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.turn import Turn

# What went wrong, by the words that say so; the first that fits. Each is put into the apology's own sentence.
MATTERS = (
    (
        r"快递|物流|配送|送货|发货|没到|没收到|deliver|shipping|parcel",
        gettext_lazy("that your delivery did not go as it should"),
    ),
    (r"坏|故障|质量|破|裂|漏|修|broken|defect|quality", gettext_lazy("that the product let you down")),
    (r"退款|退货|换货|退钱|refund|return", gettext_lazy("that your return is causing you trouble")),
    (r"扣费|多扣|乱扣|话费|账单|收费|流量|charge|bill", gettext_lazy("about the trouble with your bill")),
    (
        r"信号|断网|网速|宽带|上不了网|掉线|network|signal|slow",
        gettext_lazy("that the connection let you down"),
    ),
    (r"态度|敷衍|不理|没人|客服|rude|ignored|nobody", gettext_lazy("about how you were treated")),
)
OTHERWISE = gettext_lazy("that we gave you reason to complain")
OPENINGS = (
    gettext_lazy("I am truly sorry %(matter)s."),
    gettext_lazy("I am sorry %(matter)s, and I understand your annoyance."),
    gettext_lazy("That should not have happened, and I am sorry %(matter)s."),
)


def apology(turn: Turn) -> str:
    """Markdown with a place for {case_number}. Who complains again in the same words gets another opening."""
    said = "\n".join([*(question for question, _answer in turn.dialogue.turns[-2:]), turn.question])
    matter = next((words for pattern, words in MATTERS if re.search(pattern, said, re.I)), OTHERWISE)
    opening = OPENINGS[(crc32(turn.question.encode()) + len(turn.dialogue.turns)) % len(OPENINGS)]
    return _(
        "%(sorry)s I have recorded it as case **{case_number}**, and a colleague will look into it. "
        "Would you like to talk to a person right now?"
    ) % {"sorry": str(opening) % {"matter": matter}}
