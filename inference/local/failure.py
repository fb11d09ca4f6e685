from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

# Why a model in this machine's own hands gave no answer, and what a person is told of it.
REASONS: dict[str, Any] = {
    "not there": _("There is no such model among the folders that the operator has put below KEFU_MODELS."),
    "not installed": _("The package onnxruntime-genai is not installed: pip install onnxruntime-genai."),
    "not loaded": _("The model in this folder cannot be loaded."),
    "too long": _("The question, with what belongs to it, is too long for this model."),
    "refused": _("The model does not take what it is asked."),
    "ended": _("The process of the model has ended."),
}
OURS = {"too long", "refused"}  # the model is well, it did not like what it was asked


class LocalFailed(Exception):
    """Its text is a key of REASONS; `detail` is what the library said, for who set the model up."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail, self.is_ours = detail, reason in OURS

    @property
    def words(self) -> str:
        return " ".join(part for part in (str(REASONS[str(self)]), self.detail) if part)
