"""The forms of policies and tenants: everything typed is checked here, as what gets through is in force at once."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminColorInputWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from tenants import actions
from tenants.admin_days import DaysField, OpenDaysField
from tenants.admin_fields import HoursField, LinesField, OriginsField, RowForm
from tenants.models import Domain, Policy, Tenant
from tenants.names import clean_host, free_schema_name

SHORTEST_SILENCE = 30  # seconds


class NumberField(forms.IntegerField):
    widget = UnfoldAdminIntegerFieldWidget


class PolicyForm(RowForm):
    suggestions = LinesField(
        label=_("suggested questions"),
        most=8,
        longest=60,
        help_text=_("One a line; shown before the first question."),
    )
    suggestions_en = LinesField(label=_("suggested questions in English"), most=8, longest=60)
    opening_hours = HoursField(
        label=_("opening hours"),
        help_text=_(
            "Such as 09:00-12:00, 13:00-18:00. Empty: closed on that day; all days empty: always open."
        ),
    )
    closed_days = DaysField(
        label=_("other closed days"),
        most=100,
        help_text=_("One a line, such as 2026-12-31, or 2027-02-05 – 2027-02-12."),
    )
    open_days = OpenDaysField(
        label=_("other open days"),
        most=100,
        help_text=_(
            "One a line, with its times where they are not the usual ones: 2026-10-03 10:00-16:00."
            " They count before the week and before public holidays."
        ),
    )
    agent_silence = NumberField(
        label=_("seconds until a visitor whom nobody answers goes to another agent"),
        min_value=0,
        max_value=86_400,
        help_text=_("0: the visitor stays. An agent whose console is closed is not waited for."),
    )
    widget_origins = OriginsField(
        label=_("sites that may embed the widget"),
        longest=200,
        help_text=_("One a line, such as https://shop.example. Your own addresses here are always allowed."),
    )
    passages = NumberField(label=_("passages in a prompt"), min_value=1, max_value=12)
    turn_deadline = NumberField(label=_("seconds for one answer"), min_value=5, max_value=300)
    answers_kept = NumberField(
        label=_("hours that a model's answer is given again to who asks just the same"),
        min_value=0,
        max_value=720,
        help_text=_(
            "0: every question is asked anew. Only answers to first questions without personal data are kept, and whatever you change in"
            " knowledge, words or policy begins anew."
        ),
    )
    max_text = NumberField(
        label=_("longest message"), min_value=50, max_value=4000, help_text=_("In characters.")
    )

    upload_kinds = forms.MultipleChoiceField(
        label=_("kinds of files"),
        choices=Policy.Files.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_(
            "By their content, whatever a name says. Nobody can see from outside what is in an archive. Only pictures are shown;"
            " everything else is only saved."
        ),
    )
    upload_mb = NumberField(
        label=_("largest file in MB"),
        min_value=1,
        max_value=settings.MAX_UPLOAD_MB,
        help_text=format_lazy(
            _("At most {limit}: the operator of this installation allows no more."),
            limit=settings.MAX_UPLOAD_MB,
        ),
    )
    files_per_message = NumberField(label=_("files a message may have"), min_value=1, max_value=10)

    class Meta:
        model = Policy
        exclude = ("tenant",)
        widgets = {"accent": UnfoldAdminColorInputWidget()}

    def clean_agent_silence(self) -> int:
        seconds: int = self.cleaned_data["agent_silence"]
        if 0 < seconds < SHORTEST_SILENCE:
            raise ValidationError(
                _("Nobody answers that fast: 0, or at least %(seconds)d.") % {"seconds": SHORTEST_SILENCE}
            )
        return seconds

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if both := sorted({*data.get("closed_days", ())} & {*data.get("open_days", ())}):
            self.add_error("open_days", _("%(days)s: closed and open at once.") % {"days": ", ".join(both)})
        return data


class TenantForm(RowForm):
    locale = forms.ChoiceField(
        label=_("language"), choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget()
    )
    time_zone = forms.ChoiceField(
        label=_("time zone"),
        choices=[(name, name) for name in sorted(available_timezones())],
        widget=UnfoldAdminSelect2Widget(),
        initial=settings.TIME_ZONE,
    )


class NewTenantForm(TenantForm):
    """A tenant, where it lives, and the person who sets it up: a tenant nobody can log in to is of no use."""

    host = forms.CharField(
        label=_("host"),
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Such as help.shop.example."),
    )
    username = forms.CharField(label=_("administrator"), max_length=150, widget=UnfoldAdminTextInputWidget())
    password = forms.CharField(
        label=_("password"), widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    )

    class Meta:
        model = Tenant
        fields = ("schema_name", "name", "locale", "time_zone", "plan")
        help_texts = {"schema_name": _("Small letters, digits and underscores; it stays as it is.")}

    def clean_host(self) -> str:
        host = clean_host(self.cleaned_data["host"])
        if Domain.objects.filter(domain=host).exists():
            raise ValidationError(_("This host belongs to another tenant."))
        return host

    def clean_schema_name(self) -> str:
        name = free_schema_name(self.cleaned_data["schema_name"])
        actions.check_leftovers(name)
        return name

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        User.username_validator(name)
        return name

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, User(username=self.cleaned_data.get("username", "")))
        return password


class DomainForms(BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        kept = [
            form
            for form in self.forms
            if form.cleaned_data.get("domain") and not form.cleaned_data.get("DELETE")
        ]
        if self.instance.pk and not kept:
            raise ValidationError(_("A tenant needs at least one host."))
        if self.instance.pk and sum(form.cleaned_data["is_primary"] for form in kept) != 1:
            raise ValidationError(_("Exactly one host is the main one: choose it."))


class DomainForm(RowForm):
    class Meta:
        model = Domain
        fields = ("domain", "is_primary")
        labels = {"domain": _("host"), "is_primary": _("main host")}
        error_messages = {"domain": {"unique": _("This host belongs to another tenant.")}}

    def clean_domain(self) -> str:
        return clean_host(self.cleaned_data["domain"])
