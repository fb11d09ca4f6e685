"""What the terminal shows once the product is up."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kefu.demo import content
from kefu.dev.programs import Installation

Row = tuple[str, str, str]
GAP: Row = ("", "", "")


def panel(here: Installation, seconds: float, model_is_ready: bool) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)  # an address in two halves cannot be clicked
    table.add_column(style="dim", overflow="fold")
    for row in [*pages(here.port), GAP, *facts(here, model_is_ready)]:
        table.add_row(*row)
    title = Text(f" Kefu is running (ready in {seconds:.1f} s) ", style="bold green")
    return Panel(table, title=title, title_align="left", border_style="green", padding=(1, 1), expand=False)


def pages(port: int) -> Iterator[Row]:
    for company in content.COMPANIES:
        about, host = content.read(company, "tenant"), f"{company}.localhost"
        agents = ", ".join(agent["username"] for agent in about["agents"])
        yield about["name"], address(host, port, "/demo/"), "a visitor's page"
        yield "", address(host, port, "/console/"), f"agents: {escape(agents)}"
        yield "", address(host, port, "/admin/"), f"admin: {escape(about['admin']['username'])}"
    yield "Platform", address("localhost", port, "/admin/"), "operator: admin"


def facts(here: Installation, model_is_ready: bool) -> Iterator[Row]:
    yield "Password", escape(here.demo_password), "of all these logins"
    if here.model_name:
        yield "Model", escape(here.model_name), "" if model_is_ready else "still loading"
    else:
        yield "Model", "none: answers are quotes", "`make model` fetches one"
    yield "Data", escape(str(here.data)), "logs are in logs/"
    yield "Stop", "Ctrl-C", "nothing is lost"


def address(host: str, port: int, path: str) -> str:
    url = f"http://{host}:{port}{path}"
    return f"[link={url}]{url}[/link]"
