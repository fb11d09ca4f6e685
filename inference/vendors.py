"""What is known of each maker of model servers: one row a vendor. Choosing one in the admin fills the provider's form from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figures:
    """Where a server tells its load, and under which names; of several, the first that is there. What is missing is not known."""

    path: str
    running: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    used: tuple[str, ...] = ()  # share of the cache for what it is working on, 0 to 1


@dataclass(frozen=True)
class Preset:
    """Fields of a provider, by their names there."""

    base_url: str = ""
    tells_usage: bool = True
    json_schema: bool = True
    tool_choice: str = "required"
    token_parameter: str = "max_tokens"
    thinking_off: dict[str, Any] = field(default_factory=dict)


TEMPLATE_OFF = {"chat_template_kwargs": {"enable_thinking": False}}
SWITCH_OFF = {"thinking": {"type": "disabled"}}

PRESETS: dict[str, Preset] = {
    "openai": Preset("https://api.openai.com/v1", token_parameter="max_completion_tokens"),
    "azure": Preset("https://NAME.openai.azure.com/openai/v1", token_parameter="max_completion_tokens"),
    # Tells its usage unasked, knows tool_choice "auto" only, and JSON without a schema.
    "zhipu": Preset("https://open.bigmodel.cn/api/paas/v4", False, False, "auto", "max_tokens", SWITCH_OFF),
    "deepseek": Preset("https://api.deepseek.com", json_schema=False, thinking_off=SWITCH_OFF),
    "qwen": Preset(
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        tool_choice="auto",
        thinking_off={"enable_thinking": False},
    ),
    "vllm": Preset("http://127.0.0.1:8000/v1", thinking_off=TEMPLATE_OFF),
    "trtllm": Preset("http://127.0.0.1:8000/v1", tool_choice="auto", thinking_off=TEMPLATE_OFF),
    "sglang": Preset("http://127.0.0.1:30000/v1", thinking_off=TEMPLATE_OFF),
    "ollama": Preset(
        "http://127.0.0.1:11434/v1", tool_choice="none", thinking_off={"reasoning_effort": "none"}
    ),
    "llamacpp": Preset("http://127.0.0.1:8080/v1", tool_choice="auto", thinking_off=TEMPLATE_OFF),
    "onnx": Preset(json_schema=False, tool_choice="none"),  # no server: see inference.local
    "other": Preset(json_schema=False, tool_choice="auto"),
}

FIGURES: dict[str, Figures] = {
    "vllm": Figures(
        "/metrics",
        ("vllm:num_requests_running",),
        ("vllm:num_requests_waiting",),
        ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),  # as older ones call it
    ),
    "trtllm": Figures(
        "/prometheus/metrics",  # its /metrics is JSON
        ("trtllm_num_requests_running",),
        ("trtllm_num_requests_waiting",),
        ("trtllm_kv_cache_utilization",),
    ),
    "sglang": Figures(
        "/metrics", ("sglang:num_running_reqs",), ("sglang:num_queue_reqs",), ("sglang:token_usage",)
    ),
    "llamacpp": Figures(
        "/metrics",
        ("llamacpp:requests_processing",),
        ("llamacpp:requests_deferred",),
        ("llamacpp:kv_cache_usage_ratio",),
    ),
}


def presets() -> dict[str, dict[str, Any]]:
    """For a page."""
    return {vendor: asdict(preset) for vendor, preset in PRESETS.items()}


def abilities_of(vendor: str) -> dict[str, Any]:
    return {name: value for name, value in asdict(PRESETS[vendor]).items() if name != "base_url"}
