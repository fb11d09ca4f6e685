"""How a language model would see a look-up, for the page on which administrators try it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from inference import tools
from inference.dialogue import Dialogue
from inference.mind import Mind, usable_providers
from inference.models import Connector, Provider
from inference.tools import Tool
from inference.turn import Turn
from tenants.models import Tenant


def offer(tenant: Tenant, row: Connector, question: str) -> dict[str, Any]:
    """What it is told, and whether it is told it, where `question` is all that a visitor has written. Inside the tenant's schema."""
    tool = tools.tool_of(Turn(tenant, question, Dialogue(), Mind()), row)
    providers = [one for one in usable_providers() if tools.calls_tools(one)]
    function = tool.schema["function"]
    return {
        "question": question,
        "function": function,
        "parameters": json.dumps(function["parameters"], ensure_ascii=False, indent=2),
        "named": [(name, [*words]) for name, words in tool.values.items()],
        "providers": providers,
        "obstacles": list(_obstacles(tenant, row, tool, providers)),
    }


def _obstacles(tenant: Tenant, row: Connector, tool: Tool, providers: list[Provider]) -> Iterator[str]:
    if not row.is_enabled:
        yield _("It is not enabled.")
    if not row.model_may_ask:
        yield _("“The model may ask it” is not switched on.")
    if not tenant.policy.use_model:
        yield _("The policy asks no language model.")
    if not providers:
        yield _("There is no model server that calls tools.")
    for name in tool.lacks:
        yield _("The question names nothing for “%(name)s”.") % {"name": name}
