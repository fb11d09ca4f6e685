"""Complaints and anger, by the words themselves: no model and no prompt is asked whether they are meant.

Narrow on purpose, as what is angry in other words is still seen by the intent model: of 67,000 published questions (BQ, LCQMC, SMP2019,
BANKING77, CLINC150, Bitext) four are taken for angry, and they are.
"""

from __future__ import annotations

import re

# The words without which none of the rest fits: every question is searched for them, and few have one.
MENTIONED = re.compile(r"投诉|投訴|举报|曝光|告你们|消费者|12315|complain|reclamation|claim")
HEATED = re.compile(
    r"气死|忍无|受够|太|坑|骗|垃圾|流氓|奸商|黑|无良|什么|差|烂|恶劣|耍我|妈的|傻|[草操]你|滚蛋|推来|大欺客|说法|没人管|谁来管|不满|没用|废物|没人理"
    r"|unacceptable|disgraceful|appalling|scammer|fraudster|fed up|rip|worst|terrible|horrible|awful|lousy|useless|pathetic",
)
COMPLAINT = re.compile(r"投诉|投訴|举报你们|12315")
ASKS_ABOUT = re.compile(
    r"怎[么麼样]|如何|电话|流程|渠道|多久|几天|进度|结果|处理|编号|上次|哪[里儿]|找谁|[?？]|吗|\bhow\b|\bwhere\b",
)
# Who says so is not asking how that is done, whatever else they ask.
DEMANDS = re.compile(
    r"(要|想|得|必须|一定|准备|决定)(去|打电话|向[^，。！？]{1,8}|跟[^，。！？]{1,8}|12315)?(投诉|投訴|举报|曝光)"
    r"|(投诉|投訴|举报|曝光)(你们|你|妳們|你們|他|她|客服|定了)|(登记|记录|记|提)(一个|个|一下)?投诉|告你们|欺[骗诈]消费者"
    r"|\b(fil|mak|lodg|submitt?|register|rais)(e|ing)? (a |an |my )?(\w+ ){0,2}(complaint|reclamation|claim against)\b"
    r"|\b(have|got) a complaint\b|\b(want|like|need|going|wish) to complain\b",
)
ASKS_HOW = re.compile(
    r"(怎么|如何|怎样|哪里?|能不能|可不可以|可以)[^，。！？]{0,8}(投诉|投訴|举报|曝光)"
    r"|(投诉|投訴|举报)[^，。！？]{0,4}(电话|渠道|流程|方式|入口|热线|进度|结果)|\b(how|where)\b[^.!?]{0,60}(complain|claim)",
)
ANGER = re.compile(
    r"气死(我|人)|忍无可忍|受够了|太(过分|气人|恶心|欺负人|不像话|不负责任)|坑(死)?人(了|啊|的)"
    r"|(你们?|您们?|你們|店家?|商家|客服|公司|平台)(就是|都是|全是|真是|真的是|是|真)?(个|一群)?(大)?(骗子|垃圾|骗人|流氓|奸商|黑店)"
    r"|(骗子|垃圾|黑心|无良|流氓)(公司|商家|店|平台|客服|服务|企业)|什么(破|烂|垃圾|鬼)(店|公司|服务|客服|态度|东西|质量|玩意)"
    r"|(服务|态度|质量|客服|售后|信号)[^，。！？]{0,3}(太|真|这么|那么|极|非常)(差|烂|恶劣|垃圾)|(你们|服务|客服|售后)[^，。！？]{0,4}差劲|[烂差]透了|耍我"
    r"|[他你]妈的|傻[逼叉]|[草操]你|滚蛋|推来推去|店大欺客|(是|这)?什么态度|(给|要)[^，。！？]{0,3}(个)?说法|没人管|谁来管|(强烈|非常|极其?)不满"
    r"|你们?(也|可)?(真|太|这么|好)(没用|废物|差劲)|(一直|半天|根本|从来|都)没人理"
    r"|\b(unacceptable|disgraceful|appalling|scammers?|fraudsters)\b|\bfed up with (you|your|this)\b|\brip[- ]?off\b"
    r"|\b(worst|terrible|horrible|awful|lousy)\b[^.!?]{0,20}\b(service|support|company|shop|store)\b"
    r"|\byou( guys| people)?( are|'re)( all| just| so| completely| absolutely| the)* (useless|pathetic|terrible|horrible|awful|worst)\b"
    r"|\b(service|support|shop|company) (is|was) (so |just )?(terrible|horrible|awful|useless|pathetic)\b",
)


def asks(text: str) -> bool:
    return ASKS_ABOUT.search(text.lower()) is not None


def complains(text: str) -> bool:
    """A question about complaining is only a question."""
    text = text.lower()
    if not MENTIONED.search(text):
        return False
    demands = DEMANDS.search(text) and not ASKS_HOW.search(text)
    return bool(demands or (COMPLAINT.search(text) and not asks(text)))


def is_angry(text: str) -> bool:
    text = text.lower()
    return HEATED.search(text) is not None and ANGER.search(text) is not None
