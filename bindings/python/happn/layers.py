"""Layers of a service in Python: functions that see what comes in before it is carried out. Service.layer adds them."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any, Awaitable, Callable, NamedTuple

from . import _native
from .errors import Refused

_NEXT, _FAIL, _REPLY = 0, 1, 2  # happn/layer.h
HOOK, CANCEL = 3, 4  # happn/mailbox.h
_FAILED = {"name": "LayerError", "message": "a layer of the server failed"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Message:
    """What somebody asks for. `data` may be changed or replaced; everything else is to be read."""

    __slots__ = ("action", "path", "options", "session_id", "username", "_body", "_before", "_data")

    def __init__(self, meta: dict[str, Any], body: str):
        #: 'set', 'get', 'remove', 'on', ...
        self.action: str = meta["action"]
        self.path: str = meta["path"]
        self.options: Any = meta["options"]
        self.session_id: str = meta["session"]["id"]
        #: Who is logged in, '' when nobody is.
        self.username: str = meta["session"]["username"]
        self._body = body
        self._before: str | None = None
        self._data: Any = None

    @property
    def data(self) -> Any:
        if self._before is None:
            self._data = json.loads(self._body)
            self._before = _encode(self._data)
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._before = ""  # which no value is
        self._data = value

    def _changed(self) -> str | None:
        """The data as text when it is not what has come: who only looks at it changes no number and no escape in it."""
        if self._before is None:
            return None
        text = _encode(self._data)
        return text if text != self._before else None

    def __repr__(self) -> str:
        return f"<happn.Message {self.action} {self.path}>"


class Reply(NamedTuple):
    value: Any


def reply(value: Any) -> Reply:
    """What a layer returns that answers itself: everything behind it is left out."""
    return Reply(value)


LayerFunction = Callable[[Message], "Reply | Message | None | Awaitable[Reply | Message | None]"]


class Layer:
    """Gives the messages of one layer's ticket to its function, and what that decides to the mailbox."""

    def __init__(self, hub: Any, function: LayerFunction):
        self._hub = hub
        self._function = function
        self._tasks: dict[int, asyncio.Future[Any]] = {}

    def on_event(self, kind: int, status: int, meta: str, body: str) -> None:
        if kind == HOOK:
            self._begin(json.loads(meta), body)
        elif kind == CANCEL:
            self._cancel(json.loads(meta)["token"])
        else:  # the service has closed
            for token in list(self._tasks):
                self._cancel(token)

    def _cancel(self, token: int) -> None:
        task = self._tasks.pop(token, None)
        if task is not None:
            task.cancel()

    def _begin(self, meta: dict[str, Any], body: str) -> None:
        token, message = meta["token"], Message(meta, body)
        try:
            result = self._function(message)
            if inspect.isawaitable(result):
                task = self._tasks[token] = asyncio.ensure_future(result)
                task.add_done_callback(lambda task: self._end(token, message, task))
                return
            self._settle(token, message, result)
        except Exception as error:
            self._fail(token, error)

    def _end(self, token: int, message: Message, task: "asyncio.Future[Any]") -> None:
        waits = self._tasks.pop(token, None) is not None
        if task.cancelled():
            if waits:  # not by us: the event loop ends, or the layer itself wanted it; neither is a mistake
                self._complete(token, _FAIL, _encode(_FAILED))
            return
        try:
            self._settle(token, message, task.result())
        except Exception as error:
            self._fail(token, error)

    def _settle(self, token: int, message: Message, result: Any) -> None:
        if isinstance(result, Reply):
            self._complete(token, _REPLY, _encode(result.value))
        elif result is None or result is message:
            self._complete(token, _NEXT, message._changed())
        else:
            raise TypeError(f"a layer returned a {type(result).__name__} instead of None, its message or happn.reply(...)")

    def _fail(self, token: int, error: Exception) -> None:
        """Who asked hears of a refusal as it was meant, and nothing of a mistake, which is told here."""
        if isinstance(error, Refused):
            told = {"name": error.name, "message": str(error), "code": error.code or 0}
        else:
            told = _FAILED
            self._hub.loop.call_exception_handler({"message": "a happn layer failed", "exception": error})
        self._complete(token, _FAIL, _encode(told))

    def _complete(self, token: int, verdict: int, text: str | None) -> None:
        if self._hub.mailbox is not None:
            _native.happn_mb_hook_complete(self._hub.mailbox, 0, token, verdict, text)
