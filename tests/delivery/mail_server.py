"""A mail server of the tests' own, which answers as it is told."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Answers:
    """What it says at each step, and what it took. Change the attributes as a test needs."""

    def __init__(self) -> None:
        self.mail = "250 OK"
        self.rcpt = "250 OK"
        self.data = "250 OK"
        self.wait = 0.0
        self.drops_at = ""  # "MAIL", "DATA" (before the text is asked for) or "." (after it)
        self.taken: list[bytes] = []
        self.connections = 0
        self.sessions: list[SMTP] = []

    async def handle_EHLO(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        self.connections += 1
        self.sessions.append(server)
        session.host_name = hostname
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.drops_at == "MAIL":
            self.drops_at = ""
            server.transport.close()
            return "250 never seen"
        if self.mail.startswith("250"):
            envelope.mail_from = address
        return self.mail

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.wait:
            await asyncio.sleep(self.wait)
        if self.drops_at == ".":
            self.taken.append(envelope.content or b"")
            server.transport.close()
            return "250 never seen"
        if self.data.startswith("250"):
            self.taken.append(envelope.content or b"")
        return self.data


class MailServer:
    """A server on a port of its own."""

    def __init__(self) -> None:
        self.answers = Answers()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.controller = Controller(self.answers, hostname="127.0.0.1", port=self.port)

    def start(self) -> int:
        """Listen, and return on which port."""
        self.controller.start()
        # The controller has tried the port itself.
        self.answers.connections = 0
        return self.port

    def hang_up(self) -> None:
        """End every connection that is open."""
        for session in self.answers.sessions:
            if session.transport is not None:
                self.controller.loop.call_soon_threadsafe(session.transport.close)
        time.sleep(0.05)

    def stop(self) -> None:
        """Stop listening."""
        self.controller.stop()
