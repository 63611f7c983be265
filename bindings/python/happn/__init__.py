"""happn: realtime JSON documents.

    async with happn.Service({"port": 55000}) as service:
        async with service.client() as client:
            await client.set("/a/b", {"x": 1})
            async for event in client.on("/a/*"):
                print(event.path, event.data)

    async with happn.connect("ws://localhost:55000") as client:
        ...
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import json
import os
import re
import warnings
import weakref
from collections import deque
from typing import Any, AsyncIterator, Awaitable, Callable

from . import _native, errors
from .errors import *  # noqa: F401,F403
from .errors import HappnError, Closed
from .layers import CANCEL as _CANCEL, HOOK as _HOOK, Layer, LayerFunction, Message, reply
from .security import Security

__version__ = _native.happn_version()
__all__ = ["Service", "Client", "Subscription", "Event", "Message", "Security", "connect", "reply", "HappnError"] + [
    name for name in vars(errors) if isinstance(vars(errors)[name], type) and issubclass(vars(errors)[name], HappnError)
]

_DONE, _DATA, _END, _STATE, _REPORT = 1, 2, 5, 6, 7
_BATCH = 256
_MOST_WAITING = 100_000
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _options(options: dict[str, Any]) -> str | None:
    return _encode(options) if options else None


def _layer_options(
    actions: "str | list[str] | None" = None,
    path: "str | list[str] | None" = None,
    timeout: int = 10_000,
    on_timeout: str = "refuse",
    max_pending: int = 1000,
) -> str:
    return _encode({"actions": actions, "path": path, "deadline": timeout, "onDeadline": on_timeout, "maxPending": max_pending})


def _check(status: int) -> None:
    if status < 0:
        raise errors.make(status, None, _native.status_text(status))


class _Hub:
    """One mailbox, read by the event loop it was made on."""

    live: "weakref.WeakSet[_Hub]" = weakref.WeakSet()

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        opened = _native.open_mailbox(None)
        if isinstance(opened, int):
            _check(opened)
        self.mailbox: Any = opened
        self.pid = os.getpid()
        self.last = 0
        self.waiting: dict[int, asyncio.Future[tuple[str, str]]] = {}
        self.handlers: dict[int, Callable[[int, int, str, str], None]] = {}
        self.fd = _native.happn_mailbox_fd(opened)
        self.loop.add_reader(self.fd, self.drain)
        _Hub.live.add(self)

    def ticket(self) -> int:
        self.last += 1
        return self.last

    def call(self, function: Callable[..., int], *args: Any, ticket: int | None = None) -> "asyncio.Future[tuple[str, str]]":
        if self.mailbox is None:
            raise errors.make(-11, None, "already closed")
        if self.pid != os.getpid():
            raise errors.make(-21, None, _native.status_text(-21))
        if any(isinstance(text, str) and "\0" in text for text in args):  # JSON has none; a path would end there
            raise errors.make(-7, None, "Bad path: it has a NUL")
        number = self.ticket() if ticket is None else ticket
        future: asyncio.Future[tuple[str, str]] = self.loop.create_future()
        self.waiting[number] = future
        try:
            _check(function(self.mailbox, number, *args))
        except BaseException:
            del self.waiting[number]
            raise
        return future

    def drain(self) -> None:
        """Takes one batch; the descriptor stays readable while there is more, so others get their turn."""
        if self.mailbox is None:
            return
        for kind, status, ticket, meta, body in _native.happn_mailbox_take(self.mailbox, _BATCH):
            try:
                self.dispatch(kind, status, ticket, meta, body)
            except Exception as error:  # one handler's failure is not the others'
                self.loop.call_exception_handler({"message": "a happn handler failed", "exception": error})

    def dispatch(self, kind: int, status: int, ticket: int, meta: str, body: str) -> None:
        if kind == _DONE:
            future = self.waiting.pop(ticket, None)
            if future is None or future.done():
                return
            if status < 0:
                future.set_exception(errors.make(status, json.loads(body) if body else None, _native.status_text(status)))
            else:
                future.set_result((meta, body))
        elif kind in (_DATA, _HOOK, _CANCEL, _END):
            handler = self.handlers.pop(ticket, None) if kind == _END else self.handlers.get(ticket)
            if handler is not None:
                handler(kind, status, meta, body)
        elif kind == _REPORT:
            handler = self.handlers.pop(ticket, None)
            if handler is not None:
                handler(kind, status, meta, body)
        elif kind == _STATE and ticket != 0:
            handler = self.handlers.get(ticket)
            if handler is not None:
                handler(kind, status, meta, body)
        elif kind == _STATE:
            warnings.warn(f"happn: {meta}", ResourceWarning, stacklevel=2)

    def forget(self) -> Any:
        mailbox, self.mailbox = self.mailbox, None
        if mailbox is None:
            return None
        _Hub.live.discard(self)
        if not self.loop.is_closed():
            self.loop.remove_reader(self.fd)
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(errors.make(-11, None, "already closed"))
            for handler in list(self.handlers.values()):
                try:
                    handler(_END, -11, "{}", "null")
                except Exception as error:  # as in drain; the mailbox is closed all the same
                    self.loop.call_exception_handler({"message": "a happn handler failed", "exception": error})
        self.waiting.clear()
        self.handlers.clear()
        return mailbox

    async def close(self) -> None:
        mailbox = self.forget()
        if mailbox is not None:
            await asyncio.shield(self.loop.run_in_executor(None, _native.happn_mailbox_close, mailbox))


@atexit.register
def _close_all() -> None:
    for hub in list(_Hub.live):
        mailbox = hub.forget() if hub.pid == os.getpid() else None
        if mailbox is not None:
            _native.happn_mailbox_close(mailbox)


class Event:
    """Something happened to a document. `data` and `meta` are read when first asked for."""

    __slots__ = ("_body", "_meta", "_data", "_read")

    def __init__(self, body: str, meta: str):
        self._body: str | None = body
        self._meta: Any = meta
        self._data: Any = None

    @property
    def data(self) -> Any:
        if self._body is not None:
            self._data, self._body = json.loads(self._body), None
        return self._data

    @property
    def meta(self) -> dict[str, Any]:
        if isinstance(self._meta, str):
            self._meta = json.loads(self._meta)
        return self._meta

    @property
    def path(self) -> str:
        return self.meta.get("path", "")

    @property
    def action(self) -> str:
        """'set' or 'remove'."""
        return self.meta.get("action", "").split("@", 1)[0].strip("/").lower()

    def __repr__(self) -> str:
        return f"<happn.Event {self.action} {self.path}>"


Handler = Callable[[Event], "None | Awaitable[None]"]


class Subscription:
    """What `Client.on` gives. Await it to be sure that the server knows; iterate over it for the events; `await off()`.

    Events that nobody has iterated over wait, up to `max_waiting`; those that come then are dropped, with a ResourceWarning."""

    def __init__(self, client: "Client", path: str, handler: Handler | None, options: dict[str, Any], max_waiting: int = _MOST_WAITING):
        self._client = client
        self._hub = client._hub
        self._handler = handler
        self._events: deque[Event] = deque()
        self._max_waiting = max_waiting
        #: How many events were dropped because too many waited.
        self.dropped = 0
        self._news = asyncio.Event()
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.path = path
        #: What the server answered: with initialCallback the documents that were there.
        self.initial: Any = None
        #: With initialCallback and reconnect=True: called with the documents that are there when it is made again (`initial` has them, too).
        self.on_values: Callable[[Any], Any] | None = None
        self._ticket = self._hub.ticket()
        self._hub.handlers[self._ticket] = self._on_event
        try:
            done = self._hub.call(_native.happn_mb_on, client._ticket, path, _options(options), ticket=self._ticket)
        except BaseException:
            self._hub.handlers.pop(self._ticket, None)
            raise
        self._ready = asyncio.ensure_future(self._wait(done))
        self._ready.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _wait(self, done: "asyncio.Future[tuple[str, str]]") -> "Subscription":
        self.initial = json.loads((await done)[1])
        return self

    def _on_event(self, kind: int, status: int, meta: str, body: str) -> None:
        if kind == _END:
            self._ended = True
        elif kind == _STATE:
            self.initial = json.loads(body)
            if self.on_values is not None:
                self._run(self.on_values(self.initial))
        elif self._handler is None:
            self._keep(Event(body, meta))
        else:
            self._run(self._handler(Event(body, meta)))
        self._news.set()

    def _keep(self, event: Event) -> None:
        if len(self._events) < self._max_waiting:
            self._events.append(event)
            return
        self.dropped += 1
        if self.dropped == 1:
            warnings.warn(f"happn: {self._max_waiting} events of {self.path} wait to be iterated over, more are dropped", ResourceWarning, stacklevel=2)

    def _run(self, result: Any) -> None:
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(result)
            self._tasks.add(task)
            task.add_done_callback(self._ran)

    def _ran(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._hub.loop.call_exception_handler({"message": "a happn handler failed", "exception": task.exception(), "task": task})

    def __await__(self):
        return asyncio.shield(self._ready).__await__()

    async def __aiter__(self) -> AsyncIterator[Event]:
        try:
            await self
            while True:
                while self._events:
                    yield self._events.popleft()
                if self._ended:
                    return
                self._news.clear()
                await self._news.wait()
        finally:
            if not self._ended and self._hub.mailbox is not None:
                self._forget()

    def _forget(self) -> None:
        """Ends the subscription without waiting."""
        try:
            done = self._hub.call(_native.happn_mb_off, self._client._ticket, self._ticket)
            done.add_done_callback(lambda future: future.cancelled() or future.exception())
        except HappnError:
            pass

    async def off(self) -> None:
        """Ends it. When this returns no event comes any more."""
        if self._ended:
            return
        self._events.clear()
        try:
            await self._hub.call(_native.happn_mb_off, self._client._ticket, self._ticket)
        except Closed:
            if not self._ended:  # else its count was used up meanwhile
                raise

    async def __aenter__(self) -> "Subscription":
        return await self

    async def __aexit__(self, *exc: Any) -> None:
        if not self._ended and self._hub.mailbox is not None:
            await self.off()


class Client:
    """The verbs. Made by `Service.client()` or `happn.connect()`; enter it with `async with`, or `await client.open()`."""

    def __init__(self, hub: "_Hub | Callable[[], _Hub]", service: int, options: str | None, owns_hub: bool):
        self._make_hub = hub
        self._service = service
        self._options = options
        self._owns_hub = owns_hub
        self._ticket = 0
        self._hub: Any = None
        #: What the server answered to the login: its `id`, and on a secured server `user` and `token`.
        self.session: dict[str, Any] = {}
        #: What administrators do.
        self.security = Security(self._administer)
        self._subscriptions: "weakref.WeakSet[Subscription]" = weakref.WeakSet()
        #: Called with the reason when the connection ends by itself.
        self.on_end: Callable[[str], Any] | None = None
        #: With reconnect=True: called with what becomes of a lost connection: {"state": "lost" | "retry" | "back", "attempt", "wait", "reason"}.
        self.on_connection: Callable[[dict[str, Any]], Any] | None = None

    async def open(self) -> "Client":
        if self._ticket:
            return self
        self._hub = self._make_hub() if callable(self._make_hub) else self._make_hub
        self._ticket = self._hub.ticket()
        self._hub.handlers[self._ticket] = self._on_event
        try:
            done = await self._hub.call(_native.happn_mb_client_open, self._service, self._options, ticket=self._ticket)
            self.session = json.loads(done[1]) or {}
        except BaseException:
            await self.close()
            raise
        return self

    def _on_event(self, kind: int, status: int, meta: str, body: str) -> None:
        if kind == _STATE:
            if self.on_connection is not None:
                self.on_connection(json.loads(meta))
            return
        reason = json.loads(meta).get("reason") if meta else None
        if reason and self.on_end is not None:
            self.on_end(reason)

    def _call(self, function: Callable[..., int], *args: Any) -> "asyncio.Future[tuple[str, str]]":
        if not self._ticket:
            raise errors.make(-11, None, "the client is not open")
        return self._hub.call(function, self._ticket, *args)

    async def _publish(self, function: Callable[..., int], *args: Any, options: dict[str, Any]) -> tuple[str, str]:
        told = options.pop("on_published", None)
        if told is None:
            return await self._call(function, *args, _options(options))
        if not self._ticket:
            raise errors.make(-11, None, "the client is not open")

        def on_report(kind: int, status: int, meta: str, body: str) -> None:
            message = json.loads(meta).get("error") if meta else None
            error = errors.make(status, {"message": message} if message else None, _native.status_text(status)) if status < 0 else None
            told(error, json.loads(body))

        ticket = self._hub.ticket()
        self._hub.handlers[ticket] = on_report
        try:
            options = {**options, "onPublished": True}
            return await self._hub.call(function, self._ticket, *args, _options(options), ticket=ticket)
        except HappnError:
            self._hub.handlers.pop(ticket, None)  # nothing is published
            raise

    async def set(self, path: str, data: Any, **options: Any) -> Any:
        """Stores; returns the stored document. Options: merge, noStore, noPublish, timeout, ...

        With consistency=1 or 3 and on_published=function: called once after the answer, unless that was an error, as function(error, report);
        the report says who got it: {"successful", "failed", "skipped", "queued", "acknowledged"}."""
        return json.loads((await self._publish(_native.happn_mb_set, path, _encode(data), options=options))[1])

    async def get(self, path: str, **options: Any) -> Any:
        """The document, None when there is none; for a pattern a list of documents, each with its `_meta`."""
        return json.loads((await self._call(_native.happn_mb_get, path, _options(options)))[1])

    async def get_with_meta(self, path: str, **options: Any) -> tuple[Any, dict[str, Any]]:
        meta, body = await self._call(_native.happn_mb_get, path, _options(options))
        return json.loads(body), json.loads(meta)

    async def get_paths(self, path: str) -> list[str]:
        """The paths of the documents that match."""
        found = json.loads((await self._call(_native.happn_mb_get_paths, path))[1])
        items = found if isinstance(found, list) else [found] if found else []
        return [item["_meta"]["path"] for item in items]

    async def count(self, path: str, **options: Any) -> int:
        """How many documents a get with these options (criteria, ...) would find."""
        return json.loads((await self._call(_native.happn_mb_count, path, _options(options)))[1])["value"]

    async def increment(self, path: str, gauge: str = "counter", by: float = 1, **options: Any) -> float:
        """Adds to a counter of the document, atomically; returns its new value."""
        return json.loads((await self._call(_native.happn_mb_set, path, _encode(gauge), _options({**options, "increment": by})))[1])["value"]

    async def set_sibling(self, path: str, data: Any, **options: Any) -> str:
        """Stores below the path under a new name; returns its path."""
        meta, _ = await self._call(_native.happn_mb_set, path, _encode(data), _options({**options, "set_type": "sibling"}))
        return json.loads(meta)["path"]

    async def publish(self, path: str, data: Any, **options: Any) -> None:
        """Tells the subscribers without storing anything."""
        await self._call(_native.happn_mb_set, path, _encode(data), _options({**options, "noStore": True, "noDataResponse": True}))

    async def remove(self, path: str, **options: Any) -> int:
        """Removes what matches; returns how many there were. on_published as in set."""
        return json.loads((await self._publish(_native.happn_mb_remove, path, options=options))[1])["removed"]

    def on(self, path: str, handler: Handler | None = None, *, max_waiting: int = _MOST_WAITING, **options: Any) -> Subscription:
        """Subscribes. Options: event_type ('set', 'remove', 'all'), initialCallback, initialEmit, count, ... Iterating ends after `count` events, if it is
        given. max_waiting: see Subscription."""
        if not self._ticket:
            raise errors.make(-11, None, "the client is not open")
        subscription = Subscription(self, path, handler, options, max_waiting)
        self._subscriptions.add(subscription)
        return subscription

    async def off_path(self, pattern: str = "*") -> None:
        """Ends all subscriptions whose path matches, also while a lost connection is away."""
        parts = [re.escape(part) for part in re.split(r"\*+", pattern)]
        whole = re.compile("[\\s\\S]*".join(parts))
        await asyncio.gather(*(one.off() for one in list(self._subscriptions) if whole.fullmatch(one.path)))

    async def _administer(self, verb: str, arguments: dict[str, Any]) -> Any:
        return json.loads((await self._call(_native.happn_mb_administer, verb, _encode(arguments)))[1])

    async def change_password(self, old_password: str, new_password: str) -> None:
        """One's own."""
        await self._call(_native.happn_mb_change_password, _encode({"oldPassword": old_password, "newPassword": new_password}))

    async def revoke_token(self) -> None:
        """Ends this login's token, and with it every session that was opened with it: this one, too."""
        await self._call(_native.happn_mb_revoke_token)

    async def close(self) -> None:
        ticket, self._ticket = self._ticket, 0
        hub = self._hub
        if hub is None or not ticket:
            return
        if self._owns_hub:
            await hub.close()
        elif hub.mailbox is not None:
            try:
                await hub.call(_native.happn_mb_client_close, ticket)
            except Closed:
                pass

    async def __aenter__(self) -> "Client":
        return await self.open()

    async def __aexit__(self, *exc: Any) -> None:
        await self.close()


class Service:
    """A happn service in this process. `config` as in docs/config.md."""

    def __init__(self, config: dict[str, Any] | None = None):
        self._config = _encode(config or {})
        self._hub: _Hub | None = None
        self._ticket = 0
        self._layers: list[tuple[LayerFunction, str]] = []
        #: The port it listens on, 0 when it does not.
        self.port = 0
        #: Users, groups, permissions, sessions, tokens, when it is secured.
        self.security = Security(self._administer)

    async def start(self) -> "Service":
        if self._hub is None:
            hub = self._hub = _Hub()
            self._ticket = hub.ticket()
            try:
                await hub.call(_native.happn_mb_service_new, self._config, ticket=self._ticket)
                for function, options in self._layers:
                    await self._add_layer(hub, function, options)
                meta, _ = await hub.call(_native.happn_mb_service_start, self._ticket)
            except BaseException:
                await self.close()
                raise
            self.port = json.loads(meta)["port"]
        return self

    def _running(self) -> _Hub:
        if self._hub is None:
            raise errors.make(-11, None, "the service is not started")
        return self._hub

    async def _administer(self, verb: str, arguments: dict[str, Any]) -> Any:
        hub = self._running()
        return json.loads((await hub.call(_native.happn_mb_administer, self._ticket, verb, _encode(arguments)))[1])

    def client(self, **login: Any) -> Client:
        """A client in this process, without a socket: the host, who may do everything, or who logs in (username=..., password=..., or token=...)."""
        return Client(self._running(), self._ticket, _options(login), False)

    def layer(self, function: LayerFunction | None = None, **options: Any) -> Any:
        """Adds a layer before the service starts; also as a decorator. It sees what comes in before the layers of scripts, and before it is checked
        for permission: function(message), plain or async, returns None (go on, with what was changed in `message.data`) or happn.reply(value), or raises
        happn.Refused(text, name=..., code=...). Any other exception refuses the message, too, and is told to the loop's exception handler only.

        Options: actions ('set' or a list) and path ('/a/*' or a list), which messages it wants; others do not wake Python. timeout=10000,
        milliseconds, and on_timeout='refuse' or 'next': what becomes of a message that waits for longer. max_pending=1000: more are refused."""
        if self._hub is not None:
            raise errors.make(-2, None, "the service is started: await add_layer(...)")

        def add(function: LayerFunction) -> LayerFunction:
            self._layers.append((function, _layer_options(**options)))
            return function

        return add if function is None else add(function)

    async def add_layer(self, function: LayerFunction, **options: Any) -> None:
        """As layer, while the service runs: it sees what comes in after the layers of scripts, and what they have made of it."""
        await self._add_layer(self._running(), function, _layer_options(**options))

    async def _add_layer(self, hub: _Hub, function: LayerFunction, options: str) -> None:
        ticket = hub.ticket()
        hub.handlers[ticket] = Layer(hub, function).on_event
        await hub.call(_native.happn_mb_layer_add, self._ticket, options, ticket=ticket)

    async def reload(self) -> None:
        """Loads the scripts anew, all or nothing."""
        await self._running().call(_native.happn_mb_service_reload, self._ticket)

    async def close(self, reconnect: bool = True) -> None:
        """Ends the service; reconnect=False tells its clients not to come back."""
        hub, self._hub = self._hub, None
        if hub is not None:
            try:
                if not reconnect:
                    await hub.call(_native.happn_mb_service_close, self._ticket, 0)
            finally:
                await hub.close()

    async def __aenter__(self) -> "Service":
        return await self.start()

    async def __aexit__(self, *exc: Any) -> None:
        await self.close()


def connect(url: str | None = None, **options: Any) -> Client:
    """A client over a WebSocket: `async with happn.connect("ws://host:55000", username=..., password=...) as client`.

    With reconnect=True a lost connection is made again, and its subscriptions with it (reconnectMin, reconnectMax, reconnectAttempts);
    meanwhile calls raise Closed, and client.on_connection hears of it."""
    if url is not None:
        options["url"] = url
    return Client(_Hub, 0, _encode(options), True)
