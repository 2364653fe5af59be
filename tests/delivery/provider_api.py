"""Stand-ins on a port of their own that answer as the providers' published interfaces do."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, Any]


class Api:
    """What it was sent, what it has accepted, and what to do instead of answering.

    `fails` is a status and a body to answer with. `drops`: take the request, do what it asks, and
    hang up without a word. `waits`: seconds before the answer.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.accepted: list[dict[str, Any]] = []
        self.connections = 0
        self.fails: Reply | None = None
        self.drops = False
        self.waits = 0.0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply:
        """Do what is asked, and return status and body."""
        raise NotImplementedError


def _handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            api.connections += 1

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.handle_one("GET")

        def do_POST(self) -> None:
            self.handle_one("POST")

        def handle_one(self, method: str) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            is_json = "json" in self.headers.get("Content-Type", "")
            body: Any = (
                json.loads(raw)
                if is_json
                else {name: values[0] for name, values in parse_qs(raw.decode()).items()}
            )
            headers = {name.lower(): value for name, value in self.headers.items()}
            api.requests.append((method, self.path, headers, body))
            status, said = api.fails or api.answer(method, self.path, headers, body)
            if api.waits:
                time.sleep(api.waits)
            if api.drops:
                self.close_connection = True
                return
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Handler


class TwilioApi(Api):
    """Messages of one account: 201 with a sid; errors with code, message and status."""

    account, token = "AC00000000000000000000000000000001", "token of tests"
    refusals = {"+15005550001": 21211, "+15005550009": 21614, "+15005550004": 21610}

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply:
        wanted = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        if headers.get("authorization") != f"Basic {wanted}":
            return 401, {"code": 20003, "message": "Authenticate", "status": 401}
        parts = urlsplit(path)
        if parts.path != f"/2010-04-01/Accounts/{self.account}/Messages.json":
            return 404, {"code": 20404, "message": "Not found", "status": 404}
        if method == "GET":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            found = [
                message
                for message in reversed(self.accepted)
                if query.get("To") in (None, message["to"])
                and query.get("From") in (None, message["from"])
            ]
            return 200, {"messages": found[: int(query.get("PageSize", 50))], "page": 0}
        if not body.get("From") and not body.get("MessagingServiceSid"):
            return 400, {"code": 21603, "message": "A From number is required", "status": 400}
        if code := self.refusals.get(body["To"]):
            return 400, {"code": code, "message": f"about {body['To']}", "status": 400}
        message = {
            "sid": f"SM{len(self.accepted):032d}",
            "to": body["To"],
            "from": body.get("From"),
            "body": body["Body"],
            "status": "queued",
            "error_code": None,
        }
        self.accepted.append(message)
        return 201, message


class TelnyxApi(Api):
    """Messages by a bearer key: 200 with data; errors as a list."""

    key = "KEY of tests"
    refusals = {"+15005550001": "40310", "+15005550004": "40300", "+15005550006": "40305"}

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply:
        if headers.get("authorization") != f"Bearer {self.key}":
            return 401, {"errors": [{"code": "10009", "title": "Authentication failed"}]}
        if (method, path) != ("POST", "/v2/messages"):
            return 404, {"errors": [{"code": "10005", "title": "Resource not found"}]}
        if code := self.refusals.get(body["to"]):
            return 422, {"errors": [{"code": code, "title": "refused", "detail": body["to"]}]}
        self.accepted.append(body)
        return 200, {"data": {"id": f"t-{len(self.accepted)}", "record_type": "message"}}


class ResendApi(Api):
    """Mails by a bearer key; the same Idempotency-Key has one effect and one answer."""

    def __init__(self) -> None:
        self.by_key: dict[str, tuple[Any, str]] = {}
        super().__init__()

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply:
        if headers.get("authorization") != "Bearer re_tests":
            return 401, {"name": "restricted_api_key", "message": "no", "statusCode": 401}
        key = headers.get("idempotency-key", "")
        if key in self.by_key:
            first, reference = self.by_key[key]
            if first != body:
                return 409, {"name": "invalid_idempotent_request", "statusCode": 409}
            return 200, {"id": reference}
        self.accepted.append(body)
        reference = f"re-{len(self.accepted)}"
        self.by_key[key] = (body, reference)
        return 200, {"id": reference}


class PostmarkApi(Api):
    """Mails by a server token; what it does not take is a 422 with a code."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply:
        if headers.get("x-postmark-server-token") != "pm tests":
            return 401, {"ErrorCode": 10, "Message": "Bad or missing Server API token."}
        if "inactive" in body["To"]:
            told = (
                "You tried to send to recipient(s) that have been marked as inactive. "
                f"Found inactive addresses: {body['To']}. Inactive recipients are ones that have "
                "generated a hard bounce, a spam complaint, or a manual suppression."
            )
            return 422, {"ErrorCode": 406, "Message": told}
        self.accepted.append(body)
        return 200, {
            "To": body["To"],
            "SubmittedAt": "2026-02-02T09:00:00Z",
            "MessageID": f"pm-{len(self.accepted)}",
            "ErrorCode": 0,
            "Message": "OK",
        }
