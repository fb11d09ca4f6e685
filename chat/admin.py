from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import models
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.defaultfilters import truncatechars
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import RangeDateTimeFilter, RangeNumericFilter
from unfold.paginator import InfinitePaginator

from chat import access, downloads
from chat import admin_identity as admin_identity  # registered with these
from chat import admin_visitors as admin_visitors
from chat import admin_webhooks as admin_webhooks
from chat.admin_forms import NO_ROOM, AgentForm
from chat.models import Agent, AgentQuerySet, CannedReply, Case, Conversation, Feedback, Message, Team
from chat.transcript import transcript
from chat.usage import has_room_for_agents
from kefu.errors import NotFound
from tenants.addresses import client_address
from tenants.admin_sites import ReadOnlyRows, Rows, display, link, tenant_of, tenant_site

STATE_COLOURS = {"bot": "info", "waiting": "danger", "agent": "success", "closed": "primary"}
PRESENCE_COLOURS = {"online": "success", "busy": "warning", "away": "info", "gone": "primary"}


@admin.register(Conversation, site=tenant_site)
class ConversationAdmin(ReadOnlyRows):
    list_display = (
        "visitor_name",
        "shown_state",
        "agent",
        "last_text",
        "last_seq",
        "shown_rating",
        "updated_at",
    )
    list_filter = (
        "state",
        "agent",
        "team",
        ("rating", RangeNumericFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_select_related = ("visitor", "agent")
    search_fields = ("visitor__name", "reason")
    search_help_text = _("A visitor's name, why a person was called, a case number or words of a message")
    paginator = InfinitePaginator  # counting all there ever were would cost more than the page
    show_full_result_count = False
    ordering = ("-updated_at",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Conversation]:
        newest = (
            Message.objects.filter(conversation=models.OuterRef("pk")).order_by("-seq").values("text")[:1]
        )
        rows: models.QuerySet[Conversation] = super().get_queryset(request)
        # Most who open a page never write.
        return rows.filter(last_seq__gt=0).annotate(newest=models.Subquery(newest))

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Conversation], search_term: str
    ) -> tuple[models.QuerySet[Conversation], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        words = search_term.strip()
        if len(words) >= 2:
            said = Message.objects.filter(conversation=models.OuterRef("pk"), text__icontains=words)
            found |= queryset.filter(models.Exists(said))
            number = words.rpartition("-")[2]
            if words[:1] in "Cc" and number.isdecimal() and len(number) < 10:
                found |= queryset.filter(pk__in=Case.objects.filter(pk=int(number)).values("conversation"))
        return found, may_repeat

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        context = transcript(row) if row and self.has_view_permission(request, row) else {}
        return super().changeform_view(request, object_id, form_url, (extra_context or {}) | context)

    def get_urls(self) -> list[Any]:
        page = self.admin_site.page(self.file, "chat.view_conversation")
        return [
            path("<uuid:conversation>/files/<uuid:attachment>/", page, name="chat_conversation_file"),
            *super().get_urls(),
        ]

    def file(self, request: HttpRequest, conversation: UUID, attachment: UUID) -> HttpResponseBase:
        try:
            found = access.sent_file(access.agents_conversation(conversation), attachment)
            return downloads.response(tenant_of(request), client_address(request), found)
        except NotFound as error:
            raise Http404(error.message) from None

    @display(description=_("visitor"), ordering="visitor__name")
    def visitor_name(self, row: Conversation) -> str:
        return row.visitor.name or str(row.visitor_id)[:8]

    @display(description=_("state"), ordering="state", label=STATE_COLOURS)
    def shown_state(self, row: Conversation) -> tuple[str, Any]:
        return row.state, row.get_state_display()

    @display(description=_("last message"))
    def last_text(self, row: Any) -> str:
        return truncatechars((row.newest or "").replace("**", ""), 50)

    @display(description=_("rating"), ordering="rating")
    def shown_rating(self, row: Conversation) -> str:
        return "★" * row.rating if row.rating else ""


@admin.register(Case, site=tenant_site)
class CaseAdmin(ReadOnlyRows):
    list_display = ("shown_number", "shown_text", "shown_settled", "conversation_link", "created_at")
    list_filter = ("is_settled", ("created_at", RangeDateTimeFilter))
    list_select_related = ("conversation__visitor",)
    search_fields = ("text", "conversation__visitor__name")
    fields = ("shown_number", "text", "is_settled", "conversation_link", "created_at")
    actions = ("settle", "reopen")

    @admin.action(description=_("Mark as settled"))
    def settle(self, request: HttpRequest, queryset: models.QuerySet[Case]) -> None:
        self._set(request, queryset, is_settled=True)

    @admin.action(description=_("Open again"))
    def reopen(self, request: HttpRequest, queryset: models.QuerySet[Case]) -> None:
        self._set(request, queryset, is_settled=False)

    def _set(self, request: HttpRequest, queryset: models.QuerySet[Case], *, is_settled: bool) -> None:
        if not request.user.has_perm("chat.change_case"):
            messages.error(request, _("You may not change complaints."))
            return
        count = queryset.update(is_settled=is_settled)
        said = ngettext("%(count)d complaint changed.", "%(count)d complaints changed.", count)
        messages.success(request, said % {"count": count})

    @display(description=_("number"), ordering="pk")
    def shown_number(self, case: Case) -> str:
        return case.number

    @display(description=_("what the visitor wrote"))
    def shown_text(self, case: Case) -> str:
        return truncatechars(case.text, 80)

    @display(description=_("settled"), ordering="is_settled", label={True: "success", False: "warning"})
    def shown_settled(self, case: Case) -> tuple[bool, Any]:
        return case.is_settled, _("settled") if case.is_settled else _("open")

    @display(description=_("conversation"))
    def conversation_link(self, case: Case) -> SafeString:
        return _conversation(case.conversation)


@admin.register(Feedback, site=tenant_site)
class FeedbackAdmin(ReadOnlyRows):
    list_display = ("shown_score", "question", "answer", "comment", "conversation_link", "created_at")
    list_filter = ("score", ("created_at", RangeDateTimeFilter))
    list_select_related = ("message__conversation__visitor",)
    search_fields = ("comment", "message__text")
    fields = ("shown_score", "comment", "question", "answer", "conversation_link", "created_at")
    paginator = InfinitePaginator
    show_full_result_count = False
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Feedback]:
        asked = Message.objects.filter(
            conversation=models.OuterRef("message__conversation"),
            seq__lt=models.OuterRef("message__seq"),
            sender_kind=Message.Sender.VISITOR,
        ).order_by("-seq")
        rows: models.QuerySet[Feedback] = super().get_queryset(request)
        return rows.annotate(asked=models.Subquery(asked.values("text")[:1]))

    @display(description=_("thumb"), ordering="score")
    def shown_score(self, row: Feedback) -> SafeString:
        return thumb(row.score)

    @display(description=_("question"))
    def question(self, row: Any) -> str:
        return truncatechars(row.asked or "", 60)

    @display(description=_("answer"))
    def answer(self, row: Feedback) -> str:
        return truncatechars(row.message.text, 80)

    @display(description=_("conversation"))
    def conversation_link(self, row: Feedback) -> SafeString:
        return _conversation(row.message.conversation)


def thumb(score: int) -> SafeString:
    """A symbol of the theme's font: not every machine has one for emoji."""
    name, word = ("thumb_up", _("good")) if score > 0 else ("thumb_down", _("bad"))
    return format_html('<span class="material-symbols-outlined kefu-thumb" title="{}">{}</span>', word, name)


def _conversation(row: Conversation) -> SafeString:
    return link("chat_conversation_change", row.pk, text=row.visitor.name or _("conversation"))


@admin.register(Agent, site=tenant_site)
class AgentAdmin(Rows):
    form = AgentForm
    list_display = (
        "name",
        "username",
        "shown_presence",
        "shown_load",
        "shown_teams",
        "shown_languages",
        "may_log_in",
        "last_login",
    )
    list_filter = ("teams", "user__is_active")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    actions = ("deactivate", "activate")
    fieldsets = (
        (None, {"fields": ("name",), "description": _("The name that visitors and colleagues see.")}),
        (_("Which visitors come"), {"fields": ("limit", "languages", "teams")}),
        (_("Login"), {"fields": ("username", "password", "is_active")}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Agent]:
        rows: AgentQuerySet = super().get_queryset(request)
        return rows.with_load().prefetch_related("teams")

    def has_delete_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        return False  # what they wrote stays under their name: agents are deactivated

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        obj.user = form.saved_login()
        super().save_model(request, obj, form, change)
        obj.teams.set(form.cleaned_data["teams"])

    @admin.action(description=_("Deactivate the login"), permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: models.QuerySet[Agent]) -> None:
        self._set(request, queryset, is_active=False)

    @admin.action(description=_("Activate the login"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: models.QuerySet[Agent]) -> None:
        more = queryset.filter(user__is_active=False).count()
        if more and not has_room_for_agents(tenant_of(request), more):
            messages.error(request, NO_ROOM)
            return
        self._set(request, queryset, is_active=True)

    def _set(self, request: HttpRequest, queryset: models.QuerySet[Agent], *, is_active: bool) -> None:
        logins = User.objects.filter(agent__in=queryset, is_staff=False)
        count = logins.update(is_active=is_active)
        said = ngettext("%(count)d login changed.", "%(count)d logins changed.", count)
        messages.success(request, said % {"count": count})
        if count < queryset.count():
            messages.warning(request, _("Logins of administrators are changed under “Logins”."))

    @display(description=_("login"), ordering="user__username")
    def username(self, agent: Agent) -> str:
        return agent.user.username

    @display(description=_("presence"), ordering="presence", label=PRESENCE_COLOURS)
    def shown_presence(self, agent: Agent) -> tuple[str, Any]:
        """What they chose, as long as their console is there to hear of visitors."""
        if not agent.is_heard:
            return "gone", _("Console closed")
        return agent.presence, agent.get_presence_display()

    @display(description=_("conversations at once"))
    def shown_load(self, agent: Any) -> str:
        return f"{agent.load} / {agent.limit}"

    @display(description=_("teams"))
    def shown_teams(self, agent: Agent) -> str:
        return ", ".join(team.name for team in agent.teams.all())

    @display(description=_("languages"))
    def shown_languages(self, agent: Agent) -> str:
        names = dict(settings.LANGUAGES)
        return ", ".join(str(names.get(code, code)) for code in agent.languages) or str(_("all"))

    @display(description=_("may log in"), ordering="user__is_active", boolean=True)
    def may_log_in(self, agent: Agent) -> bool:
        return agent.user.is_active

    @display(description=_("last login"), ordering="user__last_login")
    def last_login(self, agent: Agent) -> Any:
        return agent.user.last_login


@admin.register(Team, site=tenant_site)
class TeamAdmin(Rows):
    list_display = ("name", "shown_members", "shown_matters")
    search_fields = ("name",)
    autocomplete_fields = ("members", "intents")
    fieldsets = (
        (None, {"fields": ("name", "members")}),
        (
            _("Which visitors come"),
            {
                "fields": ("intents",),
                "description": _(
                    "Who asks for a person after the bot has understood one of these matters comes to this team."
                    " Agents can also pass visitors on to it."
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Team]:
        rows: models.QuerySet[Team] = super().get_queryset(request)
        return rows.prefetch_related("members", "intents")

    @display(description=_("agents"))
    def shown_members(self, team: Team) -> str:
        return ", ".join(agent.name for agent in team.members.all())

    @display(description=_("matters"))
    def shown_matters(self, team: Team) -> str:
        return truncatechars(", ".join(str(intent) for intent in team.intents.all()), 80)


@admin.register(CannedReply, site=tenant_site)
class CannedReplyAdmin(Rows):
    list_display = ("shortcut", "title", "shown_text")
    search_fields = ("shortcut", "title", "text")

    @display(description=_("text"))
    def shown_text(self, row: CannedReply) -> str:
        return truncatechars(row.text, 80)
