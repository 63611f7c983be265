"""Exceptions: one class for each kind of failure; all are HappnError."""

from __future__ import annotations

from typing import Any


class HappnError(Exception):
    """A happn function failed. `status` is the number of the C library, `name` what the server calls it, `code` its number
    (403, ...) or None, `details` everything else it said."""

    def __init__(self, message: str, status: int = 0, name: str = "", code: int | None = None, details: dict[str, Any] | None = None):
        super().__init__(message)
        self.status = status
        self.name = name
        self.code = code
        self.details = details or {}


class InvalidArgument(HappnError, ValueError):
    pass


class InvalidJson(HappnError, ValueError):
    pass


class BadPath(HappnError, ValueError):
    pass


class ConfigError(HappnError, ValueError):
    pass


class AccessDenied(HappnError, PermissionError):
    pass


class RequestTimeout(HappnError, TimeoutError):
    pass


class Closed(HappnError, ConnectionError):
    pass


class ConnectError(HappnError, ConnectionError):
    pass


class Refused(HappnError):
    pass


class LimitExceeded(HappnError):
    pass


class Busy(LimitExceeded):
    pass


class NotFound(HappnError, LookupError):
    pass


class StoreFailed(HappnError):
    pass


class Conflict(HappnError):
    pass


class Unsupported(HappnError, NotImplementedError):
    pass


class ScriptError(HappnError):
    pass


class ProtocolError(HappnError):
    pass


class AddressInUse(HappnError, OSError):
    pass


class IoError(HappnError, OSError):
    pass


class OutOfMemory(HappnError, MemoryError):
    pass


class Forked(HappnError, RuntimeError):
    pass


#: By the status of the C library (status.def). A test checks that every status is here.
BY_STATUS: dict[int, type[HappnError]] = {
    -1: OutOfMemory, -2: InvalidArgument, -3: InvalidJson, -4: InvalidJson, -5: InvalidJson, -6: LimitExceeded, -7: BadPath,
    -8: NotFound, -9: StoreFailed, -10: Conflict, -11: Closed, -12: Busy, -13: RequestTimeout, -14: AccessDenied,
    -15: ConfigError, -16: IoError, -17: AddressInUse, -18: ScriptError, -19: ProtocolError, -20: Unsupported, -21: Forked,
    -22: Refused, -23: ConnectError,
}


def make(status: int, details: Any = None, text: str = "") -> HappnError:
    details = details if isinstance(details, dict) else {}
    rest = {key: value for key, value in details.items() if key not in ("name", "message", "code")}
    kind = BY_STATUS.get(status, HappnError)
    return kind(details.get("message") or text, status, details.get("name", ""), details.get("code"), rest)
