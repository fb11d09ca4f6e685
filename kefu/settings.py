"""Every setting an operator decides, read from the environment; what a tenant decides is its Policy.

`make run` keeps generated secrets and the addresses of embedded services in `$KEFU_DATA/env`, which is read here, so that any
`manage.py` command works beside a running product. Real environment variables win over that file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from tenants import owner

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
DATA_DIR = Path(env.str("KEFU_DATA", default=str(BASE_DIR / ".data"))).absolute()
if "DATABASE_URL" in os.environ:
    os.environ.setdefault("KEFU_OWNER_DATABASE_URL", "")  # the one in the file belongs to another database
env.read_env(str(DATA_DIR / "env"))
# onnxruntime on Linux tells its maker which models are run and how, unless this stands in the environment before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
VERSION = "0.1.0"  # as in pyproject.toml, which the image does not hold


def secret(name: str, shortest: int) -> str:
    """The secret in `name`, or in the file named by `name`_FILE. Refuses to start with none, or with one that can be guessed."""
    file = env.str(f"{name}_FILE", default="")
    value: str = Path(file).read_text().strip() if file else env.str(name, default="")
    if len(value) < shortest or len(set(value)) < 8:
        raise ImproperlyConfigured(
            f"{name} must be set to at least {shortest} random characters (or use {name}_FILE)."
        )
    return value


# --- Security ---------------------------------------------------------------------------------------------------------

DEBUG = env.bool("KEFU_DEBUG", default=False)
SECRET_KEY = secret("KEFU_SECRET_KEY", shortest=40)
ENCRYPTION_KEYS = secret("KEFU_ENCRYPTION_KEYS", shortest=44).split(",")  # Fernet keys; the first one writes
SECURE_TLS = env.bool("KEFU_TLS", default=False)  # behind a proxy that ends TLS and sets X-Forwarded-Proto

ALLOWED_HOSTS = ["*"]  # the tenant middleware answers 404 to any host that is no tenant's domain
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_TLS else None
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_TLS else 0
TRUSTED_PROXIES = env.int("KEFU_TRUSTED_PROXIES", default=0)  # how many proxies append to X-Forwarded-For

# django-csp. The admin's own scripts need `unsafe-eval` (Alpine) and inline styles; kefu.middleware relaxes it there only.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "object-src": ["'none'"],
    },
}

# --- Applications -----------------------------------------------------------------------------------------------------

ADMIN_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]
SHARED_APPS = [
    *(["daphne"] if "runserver" in sys.argv else []),  # it loads Twisted, which no other process needs
    "django_tenants",
    "tenants",
    "kefu",
    "channels",
    "django_prometheus",
    "servestatic",
    "ninja",  # the pages of /api/v1/docs from here, not from somebody else's network
    "django.contrib.staticfiles",
    *ADMIN_APPS,
]
TENANT_APPS = [*ADMIN_APPS, "knowledge", "inference", "chat"]
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = ["django_tenants.W001"]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "tenants.middleware.TenantMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "kefu.middleware.AdminContentSecurityPolicy",
    "kefu.middleware.AdminTimeZone",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "kefu.urls"
PUBLIC_SCHEMA_URLCONF = "kefu.urls_public"
ASGI_APPLICATION = "kefu.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------------------------------------

_address = env.db_url("DATABASE_URL", default="postgres://kefu@127.0.0.1:5432/kefu")
# The login that the owner's opens tables to, where there are two (tenants.roles). Web and workers do not even keep the owner's in memory.
APPLICATION_DATABASE: dict[str, Any] = {}
if not owner.is_at_work:
    os.environ.pop("KEFU_OWNER_DATABASE_URL", None)
elif env.str("KEFU_OWNER_DATABASE_URL", default=""):
    _application, _address = _address, env.db_url("KEFU_OWNER_DATABASE_URL")
    APPLICATION_DATABASE = _application if _application["USER"] != _address["USER"] else {}
_pool = {"min_size": 0, "max_size": env.int("KEFU_DATABASE_CONNECTIONS", default=32), "timeout": 10}
DATABASES = {
    "default": {
        **_address,
        "ENGINE": "tenants.database",
        # Under ASGI every request is a thread of its own: connections live in a pool of the process, not with threads.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # or each connection that a restart of PostgreSQL broke would fail somebody once more
        "OPTIONS": {**_address.get("OPTIONS", {}), "pool": _pool},
    },
}
ORIGINAL_BACKEND = "django_prometheus.db.backends.postgresql"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
# Threads, and so connections, that one process opens to the database for its coroutines.
DATABASE_THREADS = env.int("KEFU_DATABASE_THREADS", default=8)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "console-login"
LOGIN_REDIRECT_URL = "console"
LOGOUT_REDIRECT_URL = "console-login"

# --- Redis: the bell between processes, the broker, the dialogue state ------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
# redis-py 8 gives every socket a 5 s timeout, shorter than the blocking reads of the channel layer and of Celery.
REDIS_SOCKET_TIMEOUT = 60
_CHANNEL_LAYERS = {
    "kefu": {
        "BACKEND": "chat.layer.BellLayer",
        "CONFIG": {"address": REDIS_URL, "prefix": "kefu"},
    },
    "channels_redis": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": REDIS_SOCKET_TIMEOUT}],
            "prefix": "kefu",
        },
    },
}
# Ours is faster and tells when Redis may have lost something; the other is there should ours ever stand in the way.
CHANNEL_LAYERS = {"default": _CHANNEL_LAYERS[env.str("KEFU_CHANNEL_LAYER", default="kefu")]}
CELERY_BROKER_URL = REDIS_URL

# Of one process; the schema is part of every key. The admin keeps what its search found here.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
    },
}

# --- Language models --------------------------------------------------------------------------------------------------

# The installation's own provider, used by every tenant that has none. Without an address, answers come from rung `extract`.
LLM_BASE_URL = env.str("KEFU_LLM_BASE_URL", default="")
LLM_VENDOR = env.str("KEFU_LLM_VENDOR", default="other")  # a row of inference.vendors
LLM_API_KEY = env.str("KEFU_LLM_API_KEY", default="")
LLM_MODEL = env.str("KEFU_LLM_MODEL", default="")
LLM_PASSAGE_CHARACTERS = env.int("KEFU_LLM_PASSAGE_CHARACTERS", default=3000)
LLM_MAX_TOKENS = env.int("KEFU_LLM_MAX_TOKENS", default=400)

# ONNX models that workers run themselves, a folder each: tenants may choose among them, and name no others.
MODELS = Path(env.str("KEFU_MODELS", default=str(DATA_DIR / "models"))).absolute()
LOCAL_ANSWERS = env.int("KEFU_LOCAL_ANSWERS", default=2)  # at once, of each such model and worker process

# Turns the limits of every tenant's policy off, for load tests only; health and the start say so loudly.
LIMITS = env.str("KEFU_LIMITS", default="on") != "off"
# Sockets that one web process holds, whoever they belong to, so that its memory has an end; the next one is answered 503.
MAX_SOCKETS = env.int("KEFU_MAX_SOCKETS", default=25_000)

# The largest file that any policy may let visitors and agents send. docker/nginx/kefu.conf says the same.
MAX_UPLOAD_MB = env.int("KEFU_MAX_UPLOAD_MB", default=20)

# Where a worker on threads tells Prometheus its figures; 0: nowhere. The web process does so under /metrics.
METRICS_PORT = env.int("KEFU_METRICS_PORT", default=0)
METRICS_ADDRESS = env.str("KEFU_METRICS_ADDRESS", default="127.0.0.1")

# --- To the outside: webhooks, model servers, e-mails -------------------------------------------------------------

# Servers inside your network that tenants may send webhooks to, or have as model servers: "crm.internal:8080". Public ones need no
# permission, and neither does KEFU_LLM_BASE_URL.
OUTBOUND_ALLOW = {place.strip().lower() for place in env.list("KEFU_OUTBOUND_ALLOW", default=[])}
# For example smtp+tls://user:password@mail.example:587. Without one no e-mail is sent, and the admin says so.
EMAIL_URL = env.str("EMAIL_URL", default="")
if EMAIL_URL:
    vars().update(env.email_url_config(EMAIL_URL))
EMAIL_TIMEOUT = 8  # seconds for each of a mail server's answers
DEFAULT_FROM_EMAIL = env.str("KEFU_EMAIL_FROM", default="kefu@localhost")

# --- Words, time, files -----------------------------------------------------------------------------------------------

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
FORMAT_MODULE_PATH = ["kefu.formats"]
LOCALE_PATHS = [BASE_DIR / "kefu" / "locale"]
TIME_ZONE = env.str("KEFU_TIME_ZONE", default="Asia/Shanghai")
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served with content hashes where `collectstatic` has run (the image does), straight from the sources elsewhere.
STATIC_HASHED = env.bool("KEFU_STATIC_HASHED", default=False)
SERVESTATIC_USE_FINDERS = not STATIC_HASHED
SERVESTATIC_MAX_AGE = 60
STORAGES = {
    "default": {
        "BACKEND": "django_tenants.files.storage.TenantFileSystemStorage",
    },
    "staticfiles": {
        "BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"
        if STATIC_HASHED
        else "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}
# A folder for each tenant, below; no address leads there. A `location` in STORAGES would put everybody's files into one.
MULTITENANT_RELATIVE_MEDIA_ROOT = "%s"
MEDIA_ROOT = DATA_DIR / "files"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(schema)s %(name)s %(message)s"}},
    "filters": {"schema": {"()": "tenants.logs.WithSchema"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["schema"]},
    },
    "root": {"handlers": ["console"], "level": env.str("KEFU_LOG_LEVEL", default="INFO")},
    "loggers": {
        "httpx2": {"level": "WARNING"},
        "django.channels.server": {"level": "WARNING"},
        "mcp": {"level": "CRITICAL"},  # what it complains about, it repeats: replies about visitors
    },
}

# --- Admin ------------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "kefu.admin_navigation.site_title",
    "SITE_HEADER": "kefu.admin_navigation.site_title",
    "SITE_SUBHEADER": "kefu.admin_navigation.site_subheader",
    "SITE_SYMBOL": "support_agent",
    "SITE_URL": None,
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("console/favicon.svg")}],
    "STYLES": [lambda request: static("admin_kefu/admin.css")],
    "SCRIPTS": [lambda request: static("admin_kefu/admin.js")],
    "DASHBOARD_CALLBACK": "kefu.admin_overview.overview",
    "SIDEBAR": {"show_search": True, "navigation": "kefu.admin_navigation.navigation"},
    "COMMAND": {"search_models": ["knowledge.entry", "knowledge.document", "inference.intent", "inference.sensitiveword"]},
    "COLORS": {
        "primary": {
            "50": "#eff5ff", "100": "#dbe8fe", "200": "#bfd7fe", "300": "#93bbfd", "400": "#6096fa", "500": "#3b74f0",
            "600": "#1f5fd6", "700": "#1c4fb4", "800": "#1d4491", "900": "#1d3c74", "950": "#162648",
        },
    },
}  # fmt: skip
