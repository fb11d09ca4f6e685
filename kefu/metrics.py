"""Every metric of our own, in one place. No label names a tenant: there may be thousands."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

STEP_SECONDS = Histogram(
    "kefu_step_seconds",
    "Time one step of the pipeline took",
    ["step"],
    buckets=(0.0001, 0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60),
)
ANSWERS = Counter("kefu_answers_total", "Answers by lane and kind", ["lane", "mode"])
FAULTS = Counter(
    "kefu_answer_faults_total", "Answers of a model that could not be shown as they were", ["fault", "ended"]
)
OVERLAP = Histogram(
    "kefu_answer_overlap_ratio",
    "Share of a model's answer that stands word for word in its passages, or in the bot's last answers",
    ["of"],
    buckets=(0, 0.2, 0.4, 0.6, 0.8, 0.9, 1),
)
RUNGS = Counter("kefu_rungs_total", "Turns by rung of the degradation ladder", ["rung"])
AS_BEFORE = Counter(
    "kefu_answers_as_before_total", "Questions looked up among a model's earlier answers", ["found"]
)
RUNG_CHANGES = Counter("kefu_rung_changes_total", "Changes of a tenant's rung", ["before", "after"])
BREAKERS = Counter("kefu_breaker_changes_total", "Changes of a model server's breaker", ["state"])
MODEL_LOAD = Histogram(
    "kefu_model_load_ratio",
    "Load of model servers, each time one was asked: 0 idle, 1 full",
    buckets=(0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1),
)
FIRST_TOKEN_SECONDS = Histogram(
    "kefu_first_token_seconds",
    "Time from asking a model to its first token",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
MODEL_FAILURES = Counter("kefu_model_failures_total", "Requests to a model that failed", ["reason"])
LOOK_UPS = Counter(
    "kefu_look_ups_total", "Look-ups in business systems, by how they ended", ["kind", "result"]
)
LOOK_UP_SECONDS = Histogram(
    "kefu_look_up_seconds",
    "Time a business system took to answer",
    ["kind"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
TOKENS = Counter("kefu_tokens_total", "Tokens by kind", ["kind"])
SOCKETS = Gauge("kefu_sockets", "Open sockets", ["side"], multiprocess_mode="livesum")
FRAMES = Counter("kefu_frames_total", "Frames received", ["side", "type"])
EFFECTS = Counter(
    "kefu_effects_total", "Tries to send webhooks and e-mails, by how they ended", ["kind", "result"]
)
CANARY_AGE = Gauge(
    "kefu_canary_age_seconds",
    "Since a worker of this queue last consumed anything",
    ["queue"],
    multiprocess_mode="mostrecent",
)
