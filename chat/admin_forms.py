"""An agent and the login behind it, in one form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from chat.models import Agent, Team
from chat.usage import has_room_for_agents
from tenants.admin_fields import RowForm

NO_ROOM = _(
    "Your plan allows no further agent. Deactivate the login of one who is no longer there, or ask the operator for another plan."
)


class AgentForm(RowForm):
    username = forms.CharField(
        label=_("login"),
        max_length=150,
        validators=[User.username_validator],
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=_(
            "With which this person logs in to the console. A login that exists already may answer, too."
        ),
    )
    password = forms.CharField(
        label=_("password"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    is_active = forms.BooleanField(
        label=_("may log in"), required=False, initial=True, widget=UnfoldBooleanSwitchWidget()
    )

    limit = forms.IntegerField(
        label=_("conversations at once"),
        initial=5,
        min_value=0,
        max_value=100,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=_(
            "Visitors come by themselves up to this number, where the policy assigns them; 0: none come."
            " By hand an agent may take more."
        ),
    )
    languages = forms.MultipleChoiceField(
        label=_("languages"),
        choices=settings.LANGUAGES,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=_("Visitors of these languages come here first. None chosen: all."),
    )
    teams = forms.ModelMultipleChoiceField(
        label=_("teams"),
        queryset=Team.objects.all(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    class Meta:
        model = Agent
        fields = ("name", "limit", "languages")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.login = self.instance.user if self.instance.pk else None
        if self.login:
            self.initial.update(
                username=self.login.username,
                is_active=self.login.is_active,
                teams=self.instance.teams.all(),
            )
            self.fields["password"].help_text = _("Leave empty to keep the one there is.")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        named = User.objects.filter(username=data.get("username", "")).first()
        if named and named != self.login:
            self._use_existing(named)
        elif not self.login and not data.get("password"):
            self.add_error("password", _("A new login needs a password."))
        self._check_staff()
        self._check_password(data.get("password", ""))
        self._check_plan()
        return data

    def _check_plan(self) -> None:
        counts_already = self.instance.pk and self.instance.user.is_active
        tenant = connection.tenant  # type: ignore[attr-defined]
        if self.cleaned_data.get("is_active") and not counts_already and not has_room_for_agents(tenant, 1):
            raise ValidationError(NO_ROOM)

    def _use_existing(self, named: User) -> None:
        if self.login or Agent.objects.filter(user=named).exists():
            self.add_error("username", _("This login belongs to another agent."))
        else:
            self.login = named

    def _check_staff(self) -> None:
        """Who may edit agents only must not get hold of an administrator's login."""
        if (
            self.login
            and self.login.is_staff
            and {"password", "is_active", "username"} & set(self._touched())
        ):
            raise ValidationError(
                _(
                    "This is an administrator's login: its name, password and access are changed under “Logins”."
                )
            )

    def _touched(self) -> list[str]:
        assert self.login is not None
        data, login = self.cleaned_data, self.login
        changed = {
            "password": bool(data.get("password")),
            "is_active": bool(data.get("is_active")) != login.is_active,
            "username": data.get("username") != login.username,
        }
        return [name for name, is_changed in changed.items() if is_changed]

    def _check_password(self, password: str) -> None:
        if not password:
            return
        try:
            validate_password(password, self.login or User(username=self.cleaned_data.get("username", "")))
        except ValidationError as error:
            self.add_error("password", error)

    def saved_login(self) -> User:
        """The login, created or changed as typed; the agent itself is saved by the admin."""
        data = self.cleaned_data
        login = self.login or User()
        login.username, login.is_active = data["username"], data["is_active"]
        if data["password"]:
            login.set_password(data["password"])
        login.save()
        return login
