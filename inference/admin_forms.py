"""The forms whose rules protect something: keys, and what an intent needs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from inference.local.folders import names
from inference.models import Intent, Provider, SensitiveWord
from inference.normalise import dense
from tenants.admin_fields import LinesField, RowForm


class ProviderForm(RowForm):
    api_key = forms.CharField(
        label=_("key"),
        required=False,
        strip=True,
        # Never rendered back, not even into a form that was refused.
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    forget_key = forms.BooleanField(
        label=_("needs no key"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=_("Forgets the stored key."),
    )
    folder = forms.ChoiceField(
        label=_("model"),
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text=_("From the folder of models that the operator keeps on this installation."),
    )
    model = forms.CharField(
        label=_("model"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget()
    )

    class Meta:
        model = Provider
        fields = (
            *("name", "role", "vendor", "base_url", "api_version", "api_key", "model", "extra_body"),
            *("tells_usage", "json_schema", "tool_choice", "token_parameter", "thinking_off"),
            *("max_tokens", "passage_characters", "first_token_seconds", "next_token_seconds"),
            *("input_price", "output_price", "is_enabled"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.pop("api_key", None)
        here = names()
        self.fields["folder"].choices = [(name, name) for name in here] or [("", _("none there"))]  # type: ignore[attr-defined]
        self.initial["folder"] = self.instance.model if self.instance.is_local else ""
        self.stored_key, self.stored_url = self.instance.api_key, self.instance.base_url
        self.fields["api_key"].help_text = (
            _(
                "A key is stored. It is never shown again; leave this empty to keep it, unless the address changes."
            )
            if self.stored_key
            else _("Stored encrypted, and never shown again.")
        )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("vendor") == Provider.Vendor.ONNX:
            # Nothing of a server, whose key would stay for nobody to see.
            return data | {"model": data.get("folder", ""), "base_url": "", "api_version": "", "api_key": ""}
        if not data.get("model"):
            self.add_error("model", self.fields["model"].error_messages["required"])
        if data.get("forget_key"):
            data["api_key"] = ""
        elif not data.get("api_key"):
            data["api_key"] = self.stored_key
            if self.stored_key and data.get("base_url") != self.stored_url:
                # Else whoever may edit addresses could have the key sent to a server of their own.
                self.add_error(
                    "api_key", _("The address has changed: enter the key again, or say that none is needed.")
                )
        return data

    def _post_clean(self) -> None:
        """What the row itself says of a folder stands beside the field that shows it."""
        super()._post_clean()  # type: ignore[misc]
        if self.instance.is_local and (wrong := self.errors.pop("model", None)):
            self.errors.setdefault("folder", wrong)

    def clean_extra_body(self) -> dict[str, Any]:
        return self._object("extra_body")

    def clean_thinking_off(self) -> dict[str, Any]:
        return self._object("thinking_off")

    def _object(self, name: str) -> dict[str, Any]:
        value = self.cleaned_data[name] or {}
        if not isinstance(value, dict):
            raise ValidationError(_("Write an object, such as {“enable_thinking”: false}."))
        return value


NEEDED: dict[str, str] = {Intent.Action.REPLY: "reply", Intent.Action.LOOK_UP: "connector"}


class IntentForm(RowForm):
    more_examples = LinesField(
        label=_("more examples"),
        longest=500,
        most=500,
        help_text=_(
            "One a line, as visitors would say it. Ten to thirty different ones teach an intent well."
        ),
    )

    class Meta:
        model = Intent
        fields = ("name", "title", "action", "reply", "reply_en", "connector", "is_enabled")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        needed = NEEDED.get(data.get("action", ""))
        if needed and needed not in self.errors and not data.get(needed):
            self.add_error(needed, _("This action needs it."))
        return data


class SensitiveWordForm(RowForm):
    class Meta:
        model = SensitiveWord
        fields = ("word", "category", "action", "is_enabled")

    def clean_word(self) -> str:
        word: str = self.cleaned_data["word"].strip()
        if not dense(word):
            raise ValidationError(
                _("A word needs at least one letter or digit: nothing else is searched for.")
            )
        return word
