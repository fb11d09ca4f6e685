"""What can go wrong, in the words of the wire protocol (PROTOCOL, rule 6).

KefuError
├── NotFound       also for what belongs to somebody else
├── Forbidden
├── Unauthorised   no credentials, or bad ones
├── RateLimited    carries retry_after
├── TooLong
├── Blocked        by screening
├── AlreadyTaken   another agent was first; carries who
├── WrongState
└── Overloaded     temporary: the same request may succeed later
"""

from __future__ import annotations

from typing import Any


class KefuError(Exception):
    """An expected failure with a code that a client can branch on and a sentence that a person can read."""

    code = "internal"
    status = 500
    temporary = False

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, id: str | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.id = id  # of the frame that failed, where it could be read
        self.extra = extra

    def as_dict(self) -> dict[str, Any]:
        said: dict[str, Any] = {"code": self.code, "message": str(self.message), "temporary": self.temporary}
        if self.retry_after is not None:
            said["retry_after"] = self.retry_after
        return said | self.extra


class BadFrame(KefuError):
    code, status = "bad_frame", 400


class UnknownType(KefuError):
    code, status = "unknown_type", 400


class NotFound(KefuError):
    code, status = "not_found", 404


class Forbidden(KefuError):
    code, status = "forbidden", 403


class Unauthorised(KefuError):
    code, status = "forbidden", 401


class RateLimited(KefuError):
    code, status, temporary = "rate_limited", 429, True


class TooLong(KefuError):
    code, status = "too_long", 413


class Blocked(KefuError):
    code, status = "blocked", 422


class AlreadyTaken(KefuError):
    code, status = "already_taken", 409


class WrongState(KefuError):
    code, status = "wrong_state", 409


class Overloaded(KefuError):
    code, status, temporary = "overloaded", 503, True
