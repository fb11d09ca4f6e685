from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from tenants import actions, roles, sizes, usage
from tenants.admin_forms import DomainForm, DomainForms, NewTenantForm, PolicyForm, TenantForm
from tenants.admin_sites import InlineRows, LiveRows, Rows, display, platform_site, tenant_of, tenant_site
from tenants.context import inside
from tenants.hours import HOLIDAYS_KNOWN_UNTIL, days_from, now_at
from tenants.models import Domain, Plan, Policy, Tenant

SHOWN_DAYS = 14


@admin.register(Policy, site=tenant_site)
class PolicyAdmin(LiveRows):
    """Exactly the tenant's own row: the table holds everybody's."""

    form = PolicyForm
    text_lines = 3
    change_form_outer_before_template = "admin/parts/policy_links.html"
    fieldsets = (
        (
            _("What visitors see"),
            {"fields": ("bot_name", "accent", "greeting", "suggestions", "disclaimer")},
        ),
        (
            _("The same in English"),
            {
                "fields": ("greeting_en", "suggestions_en", "disclaimer_en", "offline_text_en"),
                "classes": ("collapse",),
                "description": _(
                    "For visitors who read English, where that is not your own language. What is empty is said in Kefu's words."
                ),
            },
        ),
        (
            _("When people are there"),
            {
                "fields": (
                    "opening_hours",
                    "holidays",
                    "closed_days",
                    "open_days",
                    "next_days",
                    "offline_text",
                    "notify_email",
                )
            },
        ),
        (
            _("Who gets a visitor that waits for a person"),
            {"fields": ("assignment", "agent_silence")},
        ),
        (
            _("How the bot answers"),
            {
                "fields": (
                    "tone",
                    "use_model",
                    "mask_personal_data",
                    "dense_weight",
                    "passages",
                    "turn_deadline",
                    "answers_kept",
                    "blocked_text",
                )
            },
        ),
        (
            _("Under load"),
            {
                "fields": (
                    "ladder_first_token",
                    "ladder_wait",
                    "ladder_load",
                    "ladder_errors",
                    "ladder_stay",
                ),
                "description": _(
                    "Above any of these the bot steps down: from full answers to light ones, to passages as they stand, and, when"
                    " questions still wait too long, to offering a person at once. When it is calm again it steps up, one at a"
                    " time. 0: not looked at. How it stands is shown above the providers."
                ),
            },
        ),
        (
            _("Budgets of a day"),
            {
                "fields": ("visitor_day_tokens", "day_tokens", "day_cost"),
                "description": _(
                    "0: no limit. From 80 % on, answers come from the light provider; with all of it used, from entries, look-ups"
                    " and passages, without a model, until the next day begins. People stay within reach. Prices are with the"
                    " providers; how much of today is used stands on the first page."
                ),
            },
        ),
        (
            _("Limits"),
            {
                "fields": (
                    "widget_origins",
                    "max_text",
                    "messages_per_minute",
                    "address_messages_per_minute",
                    "tenant_messages_per_minute",
                    "sessions_per_hour",
                    "sockets_per_visitor",
                    "sockets_per_address",
                    "sockets_per_tenant",
                    "frames_per_ten_seconds",
                ),
                "description": _(
                    "0: no limit. Many people may share one address, in an office, a school or a mobile network:"
                    " what is counted by address is there against floods. Connections are counted by each web process for itself."
                ),
            },
        ),
        (
            _("Limits of files"),
            {
                "fields": (
                    "uploads",
                    "upload_kinds",
                    "upload_mb",
                    "files_per_message",
                    "uploads_per_minute",
                    "address_uploads_per_minute",
                    "upload_mb_per_day",
                ),
                "description": _("Of what visitors and agents send along with messages. 0: no limit."),
            },
        ),
    )

    readonly_fields = ("next_days",)

    @display(description=_("the next days"))
    def next_days(self, policy: Policy) -> SafeString:
        """What the fields above it come to, as saved."""
        today = now_at(policy.tenant).date()
        return render_to_string("admin/widgets/days.html", {"days": days_from(policy, today, SHOWN_DAYS)})

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Policy]:
        rows: models.QuerySet[Policy] = super().get_queryset(request).select_related("tenant")
        return rows.filter(tenant=tenant_of(request))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("admin:tenants_policy_change", tenant_of(request).pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name in HELP:
            field.help_text = HELP[db_field.name]
        return field


def _mail_help() -> str:
    if settings.EMAIL_URL:
        return gettext("Empty: nobody is told.")
    return gettext(
        "Nothing is sent: the operator of this installation has set up no mail server (EMAIL_URL)."
    )


HELP = {
    "bot_name": _("Stands above every answer, always with the word AI beside it."),
    "accent": _("Of buttons and of the visitor's own messages."),
    "greeting": _("The first thing a visitor reads."),
    "disclaimer": _("The small line under the chat."),
    "offline_text": _("Said when a visitor asks for a person and none is there. Empty: when you open again."),
    "holidays": format_lazy(
        _(
            "And open on the weekends that are worked in exchange. The official calendar is known until the end of {year};"
            " later holidays have to be entered as closed days, until a newer version knows them."
        ),
        year=HOLIDAYS_KNOWN_UNTIL,
    ),
    "notify_email": lazy(_mail_help, str)(),
    "assignment": _(
        "An agent is given as many visitors as their own limit allows: whom they had before first, then by language and team."
        " Nobody is given any who is busy, away or gone."
    ),
    "dense_weight": _(
        "0: only words count, 1: only meaning. Try questions on the hit-test page before you change it."
    ),
    "use_model": _("Off: answers come from entries, look-ups and passages as they stand."),
    "mask_personal_data": _(
        "Identity, phone and card numbers are hidden before anything is sent to a model."
    ),
    "uploads": _("Off: neither visitors nor agents can send any. What was sent stays."),
    "address_uploads_per_minute": _("Many people may share one address."),
    "uploads_per_minute": _("Agents are not counted."),
    "upload_mb_per_day": _("Of all their files together, also those of uploads that broke off."),
    "blocked_text": _("Said when a message contains a word that is refused."),
    "ladder_wait": _("Twice as long is borne with light answers, four times as long with passages."),
    "ladder_load": _("By its own figures (vLLM, TensorRT-LLM, SGLang, llama.cpp), or by the GPU. 1: full."),
    "ladder_errors": _(
        "Of the last minute, from five questions on. A server that fails three times in a row is left alone anyway."
    ),
}


# --- The platform -----------------------------------------------------------------------------------------------------


class DomainRows(InlineRows):
    model = Domain
    form = DomainForm
    formset = DomainForms
    fields = ("domain", "is_primary")
    hide_title = True


@admin.register(Tenant, site=platform_site)
class TenantAdmin(Rows):
    list_display = (
        "name",
        "shown_status",
        "plan",
        "hosts",
        "used",
        "size",
        "rows",
        "schema_name",
    )
    list_filter = ("status", "plan")
    search_fields = ("name", "schema_name", "domains__domain")
    actions = ("suspend", "resume")
    change_form_outer_before_template = "admin/parts/tenant_verbs.html"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Tenant]:
        rows: models.QuerySet[Tenant] = super().get_queryset(request)
        rows = rows.exclude(schema_name="public")  # the platform itself is no tenant
        return usage.with_usage(rows).prefetch_related("domains")

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Tenant | None:
        tenant: Tenant | None = super().get_object(request, *args, **kwargs)
        if tenant:  # its own admin is found on the port on which this one is
            tenant.port = "".join(request.get_host().rpartition(":")[1:]) if ":" in request.get_host() else ""
        return tenant

    def get_form(
        self, request: HttpRequest, obj: Tenant | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(
            request, obj, change, **kwargs | {"form": TenantForm if obj else NewTenantForm}
        )

    def get_fieldsets(self, request: HttpRequest, obj: Tenant | None = None) -> Any:
        about = ("schema_name", "name", "locale", "time_zone", "plan")
        if obj:
            return (
                (None, {"fields": (*about, "status", "own_admin", "created_at", "changed_at")}),
                (_("What it uses"), {"fields": ("quotas", "size", "rows")}),
            )
        return (
            (None, {"fields": about}),
            (_("Where it is found"), {"fields": ("host",)}),
            (_("Who sets it up"), {"fields": ("username", "password")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        shown = ("status", "own_admin", "quotas", "size", "rows", "created_at", "changed_at")
        return ("schema_name", *shown) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Tenant | None) -> list[Any]:
        return [DomainRows] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        return False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Where this process may not make a schema: the command that may."""
        if roles.is_owner() or not self.has_add_permission(request):
            response: HttpResponse = super().add_view(request, form_url, extra_context)
            return response
        context = platform_site.context(request, gettext("Add a tenant"))
        return render(request, "admin/tenants_add.html", context)

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            self._add(obj, form.cleaned_data)
        transaction.on_commit(lambda: actions.touch(obj))

    def _add(self, obj: Tenant, data: dict[str, Any]) -> None:
        about = {name: data[name] for name in ("locale", "time_zone", "plan")}
        tenant = actions.add(obj.schema_name, obj.name, [data["host"]], **about)
        with inside(tenant):
            User.objects.create_superuser(data["username"], password=data["password"])
        obj.pk = tenant.pk

    @admin.action(description=_("Suspend…"), permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: models.QuerySet[Tenant]) -> HttpResponse | None:
        return self._each(request, queryset, actions.suspend, "suspend")

    @admin.action(description=_("Resume…"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: models.QuerySet[Tenant]) -> HttpResponse | None:
        return self._each(request, queryset, actions.resume, "resume")

    def _each(
        self, request: HttpRequest, queryset: models.QuerySet[Tenant], act: Any, name: str
    ) -> HttpResponse | None:
        """Asks first, with what will happen to whom."""
        tenants = list(queryset.exclude(status=Tenant.Status.ERASING))
        if request.POST.get("confirmed") != name:
            title = gettext("Suspend tenants") if name == "suspend" else gettext("Resume tenants")
            context = platform_site.context(request, title, tenants=tenants, action=name)
            return render(request, "admin/tenants_confirm.html", context)
        for tenant in tenants:
            act(tenant)
        said = ngettext("%(count)d tenant changed.", "%(count)d tenants changed.", len(tenants))
        messages.success(request, said % {"count": len(tenants)})
        return None

    @display(
        description=_("status"),
        ordering="status",
        label={"active": "success", "suspended": "danger", "erasing": "danger"},
    )
    def shown_status(self, tenant: Tenant) -> tuple[str, str]:
        return tenant.status, tenant.get_status_display()

    @display(description=_("used of the plan"))
    def used(self, tenant: Tenant) -> SafeString:
        """What is nearest to its limit."""
        limited = [quota for quota in usage.standing(tenant) if quota.allowed]
        most = max(limited, key=lambda quota: quota.percent, default=None)
        return render_to_string("admin/parts/most_used.html", {"quota": most})

    @display(description=_("usage"))
    def quotas(self, tenant: Tenant) -> SafeString:
        measured = getattr(tenant, "usage", None)
        context = {
            "quotas": usage.standing(tenant),
            "measured": measured and measured.measured_at,
            "is_kept": True,
        }
        return render_to_string("admin/parts/quotas.html", context)

    @display(description=_("database"))
    def size(self, tenant: Tenant) -> str:
        return filesizeformat(size.bytes) if (size := _size(tenant)) else "–"

    @display(description=_("rows, about"))
    def rows(self, tenant: Tenant) -> str:
        return f"{size.rows:,}" if (size := _size(tenant)) else "–"

    @display(description=_("its own admin"))
    def own_admin(self, tenant: Tenant) -> SafeString:
        """At its main host, on the port that the operator uses: people log in there with a login of that tenant."""
        hosts = sorted(tenant.domains.all(), key=lambda domain: not domain.is_primary)
        if not hosts:
            return mark_safe("–")
        address = hosts[0].domain + getattr(tenant, "port", "")
        return format_html('<a class="kefu-link" href="//{0}/admin/">{0}/admin/</a>', address)

    @display(description=_("hosts"))
    def hosts(self, tenant: Tenant) -> str:
        """The main one first."""
        domains = sorted(tenant.domains.all(), key=lambda domain: (not domain.is_primary, domain.domain))
        return ", ".join(domain.domain for domain in domains)


def _size(tenant: Tenant) -> sizes.Size | None:
    """None for the first minute of a new one."""
    return sizes.by_schema().get(tenant.schema_name)


@admin.register(Plan, site=platform_site)
class PlanAdmin(Rows):
    list_display = (
        "shown_name",
        "shown_agents",
        "shown_conversations",
        "shown_storage",
        "shown_tokens",
        "tenants",
    )
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name",)}),
        (
            _("What a tenant may use"),
            {
                "fields": ("agents", "conversations", "storage_mb", "tokens"),
                "description": _(
                    "0: no limit. No visitor is turned away: with conversations or tokens used up, the bot answers without"
                    " a language model until the month ends, and people stay within reach. Further agents and files are"
                    " refused to the tenant's administrators. They are warned from 80 % on."
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Plan]:
        rows: models.QuerySet[Plan] = super().get_queryset(request)
        count = models.Count("tenants", filter=~models.Q(tenants__schema_name="public"))
        return rows.annotate(tenant_count=count)

    def has_delete_permission(self, request: HttpRequest, obj: Plan | None = None) -> bool:
        """Of a plan that nobody has; the first one is what new tenants get."""
        is_kept = obj is not None and (obj.pk == Plan.FIRST or obj.tenants.exists())
        return super().has_delete_permission(request, obj) and not is_kept

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for tenant in obj.tenants.all():
            transaction.on_commit(partial(actions.touch, tenant))

    @display(description=_("name"), ordering="name")
    def shown_name(self, plan: Plan) -> str:
        return str(plan)

    @display(description=_("agents"), ordering="agents")
    def shown_agents(self, plan: Plan) -> str:
        return _limit(plan.agents)

    @display(description=_("conversations in a month"), ordering="conversations")
    def shown_conversations(self, plan: Plan) -> str:
        return _limit(plan.conversations)

    @display(description=_("storage in MB"), ordering="storage_mb")
    def shown_storage(self, plan: Plan) -> str:
        return _limit(plan.storage_mb)

    @display(description=_("tokens of language models in a month"), ordering="tokens")
    def shown_tokens(self, plan: Plan) -> str:
        return _limit(plan.tokens)

    @display(description=_("tenants"), ordering="tenant_count")
    def tenants(self, plan: Any) -> int:
        return int(plan.tenant_count)


def _limit(number: int) -> str:
    return f"{number:,}" if number else gettext("no limit")
