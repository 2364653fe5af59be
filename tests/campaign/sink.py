"""What stands for the outside world: one provider with three faces, which can be made to fail.

keyed: HTTP, the same key twice has one effect. searchable: the same, and it can be asked what it
accepted. plain: SMTP, which keeps no key. Every effect (a message handed to a person) is kept with
its time, so that the campaign can count what was lost and what came twice.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default as mail_policy
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as SMTPProtocol

from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError
from tests.campaign.faults import Faults
from tests.campaign.servers import HOST


@dataclass(frozen=True, slots=True)
class Effect:
    """One message that reached a person."""

    key: str
    to: str
    text: str
    at: float


@dataclass
class Outside:
    """The effects so far, and the faults that are injected."""

    faults: Faults = field(default_factory=Faults)
    effects: list[Effect] = field(default_factory=list)
    calls: int = 0
    refused: int = 0
    hidden: int = 0
    repeats: int = 0
    _by_key: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _random: Random = field(default_factory=lambda: Random(4))

    def take(self, key: str, to: str, text: str, *, is_keyed: bool) -> tuple[str, bool]:
        """Have one message's effect; return its reference, and whether the reply is lost.

        Raises SendError where the provider refuses before any effect.
        """
        with self._lock:
            self.calls += 1
            if self.faults.is_down or self._random.random() < self.faults.before:
                self.refused += 1
                raise SendError("provider down", is_retryable=True, is_provider_fault=True)
            if is_keyed and key in self._by_key:
                self.repeats += 1
            else:
                self.effects.append(Effect(key, to, text, time.time()))
                self._by_key[key] = f"ref-{len(self.effects)}"
            is_hidden = self._random.random() < self.faults.hidden
            self.hidden += is_hidden
            return self._by_key[key], is_hidden

    def find(self, key: str) -> str | None:
        """Return the reference of what was accepted under this key."""
        with self._lock:
            if self.faults.is_down:
                raise SendError("provider down", is_retryable=True, is_provider_fault=True)
            return self._by_key.get(key)

    def duplicates(self) -> int:
        """Count the effects beyond the first of each text to each address."""
        with self._lock:
            return sum(Counter((each.to, each.text) for each in self.effects).values()) - len(
                {(each.to, each.text) for each in self.effects}
            )

    def seen(self) -> dict[str, list[Effect]]:
        """Return the effects by key."""
        with self._lock:
            found: dict[str, list[Effect]] = {}
            for each in self.effects:
                found.setdefault(each.key, []).append(each)
            return found


class Sink:
    """The provider's servers: HTTP for the two faces that keep keys, SMTP for the plain one."""

    def __init__(self, smtp_port: int) -> None:
        self.outside = Outside()
        self.http = _Server((HOST, 0), _handler(self.outside))
        self.http.daemon_threads = True
        self.smtp = Controller(
            _Mailbox(self.outside), hostname=HOST, port=smtp_port, ready_timeout=20
        )

    @property
    def http_port(self) -> int:
        """Return where the HTTP faces listen."""
        return int(self.http.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.smtp.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.smtp.stop()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: whoever called was killed."""


def _handler(outside: Outside) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                reference, is_hidden = outside.take(**body, is_keyed=True)
            except SendError:
                self._reply(503, {})
                return
            if is_hidden:
                self.close_connection = True
                return
            self._reply(200, {"reference": reference})

        def do_GET(self) -> None:
            key = parse_qs(urlsplit(self.path).query)["key"][0]
            try:
                self._reply(200, {"reference": outside.find(key)})
            except SendError:
                self._reply(503, {})

        def _reply(self, status: int, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Mailbox:
    def __init__(self, outside: Outside) -> None:
        self.outside = outside

    async def handle_DATA(self, server: SMTPProtocol, _session: object, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=mail_policy)
        body = mail.get_body(("plain",))
        key = str(mail["Message-ID"] or "").strip("<>").partition("@")[0]
        try:
            _reference, is_hidden = self.outside.take(
                key, envelope.rcpt_tos[0], body.get_content() if body else "", is_keyed=False
            )
        except SendError:
            return "451 4.3.0 Try again later"
        if is_hidden:
            server.transport.close()
        return "250 OK"


class KeyedProvider:
    """The keyed face, as a channel's provider sees it."""

    name = "campaign"
    guarantee = Guarantee.KEYED
    per_second = 0.0

    def __init__(self, port: int, *, is_searchable: bool = False) -> None:
        self.port = port
        if is_searchable:
            self.guarantee = Guarantee.SEARCHABLE

    def send(self, outgoing: Outgoing) -> str:
        """Hand over one message under its key; raises SendError."""
        body = {"key": outgoing.key, "to": outgoing.to, "text": outgoing.text}
        return str(self._ask("POST", "/messages", json.dumps(body)))

    def find(self, outgoing: Outgoing) -> str | None:
        """Return the reference of an earlier attempt that was accepted, or None."""
        return self._ask("GET", f"/messages?key={outgoing.key}", None)

    def _ask(self, method: str, path: str, body: str | None) -> str | None:
        http = HTTPConnection(HOST, self.port, timeout=10)
        try:
            http.request(method, path, body)
            reply = http.getresponse()
            content = reply.read()
        except (OSError, HTTPException) as error:
            raise SendError(
                type(error).__name__, is_retryable=True, is_ambiguous=method == "POST"
            ) from None
        finally:
            http.close()
        if reply.status != 200:
            raise SendError(f"said {reply.status}", is_retryable=True, is_provider_fault=True)
        reference: str | None = json.loads(content)["reference"]
        return reference


def register(provider: Any) -> None:
    """Send e-mail by this provider, in this process."""
    from outcomes.care.models import Channel
    from outcomes.delivery import channels

    channels.providers()[Channel.EMAIL] = provider
