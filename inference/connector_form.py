"""The form of a connector: what is typed is checked here as it will be when it is asked, and a secret never comes back out."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanSwitchWidget

from inference import queries
from inference.connectors import VISITOR, is_bound
from inference.filling import WrongTemplate, fill, names_in, names_in_all
from inference.models import Connector
from inference.slot_fields import SlotsField
from tenants import outbound
from tenants.admin_fields import PairsField, RowForm

Kind = Connector.Kind
# Which kinds ask with which fields; what is not named here belongs to all.
OF_KINDS: dict[str, tuple[str, ...]] = {
    "query": (Kind.SQL,),
    "url": (Kind.HTTP, Kind.MCP),
    "method": (Kind.HTTP,),
    "headers": (Kind.HTTP, Kind.MCP),
    "secret_header": (Kind.HTTP, Kind.MCP),
    "secret": (Kind.HTTP, Kind.MCP),
    "forget_secret": (Kind.HTTP, Kind.MCP),
    "tool": (Kind.MCP,),
    "body": (Kind.HTTP, Kind.MCP),
    "columns": (Kind.HTTP, Kind.MCP),
}
NEEDED: dict[str, tuple[str, ...]] = {Kind.SQL: ("query",), Kind.HTTP: ("url",), Kind.MCP: ("url", "tool")}
HEADER = re.compile(r"[A-Za-z0-9-]+")
SLOT = re.compile(r"%\((\w+)\)s")
STORED = _("One is stored. It is never shown again; leave this empty to keep it, unless the server changes.")
NOT_STORED = _("Such as “Bearer …”, as the server wants it. Stored encrypted, and never shown again.")


class ConnectorForm(RowForm):
    headers = PairsField(
        label=_("headers"), required=False, help_text=_("One a line: the name, a colon and the value.")
    )
    columns = PairsField(
        label=_("columns"),
        required=False,
        help_text=_(
            "One a line: the column, a colon and where the reply has it, such as “status: data.orders.0.status”. "
            "Without any, the columns are what the reply itself consists of."
        ),
    )
    secret = forms.CharField(
        label=_("secret"),
        required=False,
        strip=True,
        # Never rendered back, not even into a form that was refused.
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    forget_secret = forms.BooleanField(
        label=_("needs no secret"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=_("Forgets the stored secret."),
    )
    slots = SlotsField(
        label=_("slots"),
        required=False,
        help_text=_(
            "What is looked for in the question and in what the visitor said before, and asked for once if it is missing. "
            "A pattern is a regular expression. A personal one makes the whole connector personal."
        ),
    )
    by_status = PairsField(
        label=_("answers by status"),
        required=False,
        help_text=_("One a line: the status, a colon, and what is said instead of the answer above."),
    )
    by_status_en = PairsField(label=_("answers by status in English"), required=False)

    class Meta:
        model = Connector
        fields = (
            *("name", "title", "kind", "is_enabled", "model_may_ask"),
            *("query", "url", "method", "headers", "secret_header", "secret", "tool", "body", "columns"),
            *("slots", "needs_identity", "owner_column", "template", "by_status", "nothing_found"),
            *("template_en", "by_status_en", "nothing_found_en"),
        )
        help_texts = {
            "query": _(
                "One SELECT over your own tables. What depends on the visitor: %(order_number)s, %(visitor_id)s."
            ),
            "url": _("Such as https://shop.example/api/orders/{order_number}?user={visitor_id}."),
            "tool": _("“Try it” lists the tools of the server as it is saved."),
            "body": _(
                "JSON, such as {“number”: “{order_number}”}: the body of a POST, or the arguments of a tool."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.pop("secret", None)
        self.stored = self.instance.secret
        self.stored_for = _server(self.instance.url), self.instance.secret_header
        self.fields["secret"].help_text = STORED if self.stored else NOT_STORED
        self.fields["secret_header"].required = False
        for name in ("headers", "columns", "by_status", "by_status_en"):
            self.fields[name].widget.attrs["rows"] = 4

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        kind = data.get("kind", Kind.SQL)
        for name in [name for name, kinds in OF_KINDS.items() if kind not in kinds]:
            self.errors.pop(name, None)  # nobody sees it, and nothing asks by it
        for name in NEEDED.get(kind, ()):
            if name not in self.errors and not data.get(name):
                self.add_error(name, _("This kind needs it."))
        self._keep_secret(data)
        if not self.errors:
            self._check(
                data, Connector(**{name: data[name] for name in data if name in ConnectorForm.Meta.fields})
            )
        return data

    def _keep_secret(self, data: dict[str, Any]) -> None:
        data["secret_header"] = data.get("secret_header") or "Authorization"
        if data.get("forget_secret"):
            data["secret"] = ""
        elif not data.get("secret"):
            data["secret"] = self.stored
            if self.stored and (_server(data.get("url", "")), data["secret_header"]) != self.stored_for:
                # Else whoever may edit addresses could have it sent to a server of their own.
                self.add_error(
                    "secret", _("The server has changed: enter the secret again, or say that none is needed.")
                )

    def _check(self, data: dict[str, Any], row: Connector) -> None:
        """Everything that is put in has to be known, and what is personal tied to who asks."""
        known = set(row.slots) | ({VISITOR} if row.is_personal else set())
        used = SLOT.findall(row.query) if row.kind == Kind.SQL else []
        for field in ("url", "headers", "body"):
            if row.kind in OF_KINDS[field]:
                self._must_know(field, names_in_all(getattr(row, field)) - known)
        self._must_know("query", set(used) - known)
        for field in ("nothing_found", "nothing_found_en"):
            self._must_know(field, names_in(getattr(row, field)) - set(row.slots))
        if row.is_personal and not is_bound(row):
            self.add_error(
                "needs_identity",
                _(
                    "Nothing ties what is found to the visitor: put “visitor_id” into what is asked, or name the column of the owner."
                ),
            )
        if row.columns and row.kind != Kind.SQL:
            sayable = set(row.columns) | set(row.slots)
            for field in ("template", "template_en"):
                self._must_know(field, names_in(getattr(row, field)) - sayable)
            if row.owner_column and row.owner_column not in row.columns:
                self.add_error("owner_column", _("It is none of the columns above."))

    def _must_know(self, field: str, unknown: set[str]) -> None:
        if unknown:
            self.add_error(field, _("There is no “%(name)s” to put in.") % {"name": min(unknown)})

    def clean_query(self) -> str:
        query: str = self.cleaned_data["query"]
        try:
            return queries.checked(query) if query else ""
        except queries.Forbidden as forbidden:
            raise ValidationError(str(forbidden)) from forbidden

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if "{" in _server(url):
            raise ValidationError(_("Which server is asked may not depend on the visitor."))
        try:
            refusal = outbound.refusal(fill(url, dict.fromkeys(names_in(url), "x"))) if url else ""
        except WrongTemplate as wrong:
            refusal = str(wrong)
        if refusal:
            raise ValidationError(refusal)
        return url

    def clean_secret_header(self) -> str:
        return _header(self.cleaned_data["secret_header"] or "Authorization")

    def clean_headers(self) -> dict[str, str]:
        return {_header(name): checked_template(text) for name, text in self.cleaned_data["headers"].items()}

    def clean_body(self) -> dict[str, Any]:
        body = self.cleaned_data["body"] or {}
        if not isinstance(body, dict):
            raise ValidationError(_("Write an object, such as {“number”: “{order_number}”}."))
        try:
            names_in_all(body)
        except WrongTemplate as wrong:
            raise ValidationError(str(wrong)) from wrong
        return body

    def clean_template(self) -> str:
        return checked_template(self.cleaned_data["template"])

    def clean_nothing_found(self) -> str:
        return checked_template(self.cleaned_data["nothing_found"])

    def clean_by_status(self) -> dict[str, str]:
        return _checked_templates(self.cleaned_data["by_status"])

    def clean_template_en(self) -> str:
        return checked_template(self.cleaned_data["template_en"])

    def clean_nothing_found_en(self) -> str:
        return checked_template(self.cleaned_data["nothing_found_en"])

    def clean_by_status_en(self) -> dict[str, str]:
        return _checked_templates(self.cleaned_data["by_status_en"])


def checked_template(text: str) -> str:
    """A text with plain {names} only. Raises ValidationError."""
    try:
        names_in(text)
    except WrongTemplate as wrong:
        raise ValidationError(str(wrong)) from wrong
    return text


def _checked_templates(texts: dict[str, str]) -> dict[str, str]:
    return {name: checked_template(text) for name, text in texts.items()}


def _server(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _header(name: str) -> str:
    if not HEADER.fullmatch(name):
        raise ValidationError(_("“%(name)s” is not the name of a header.") % {"name": name})
    return name
