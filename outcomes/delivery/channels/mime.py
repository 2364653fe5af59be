"""Write an e-mail as bytes: what every message needs, and nothing a message never has (pure).

Django's message classes do the same for any mail, in ten times the time.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from email.header import Header
from email.utils import formataddr, formatdate, parseaddr
from functools import lru_cache

# RFC 5322 allows 998 characters in a line; what is longer is encoded.
LONGEST_LINE = 900


def compose(
    *,
    sender: str,
    to: str,
    subject: str,
    text: str,
    html: str,
    key: str,
    headers: Mapping[str, str],
) -> bytes:
    """Return a mail with a plain and an HTML part, its lines ending in CRLF.

    `key` makes the boundary, so that it must not occur in the text. Raises ValueError when a
    header would hold a line break.
    """
    boundary = f"=_{key}"
    fields = {
        "From": _address(sender),
        "To": _address(to),
        "Subject": _encoded(subject),
        "Date": formatdate(),  # the moment of handing over, as every mail program writes it
        "MIME-Version": "1.0",
        **headers,
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    for name, value in fields.items():
        if "\n" in value.replace("\r\n ", "") or "\r" in value.replace("\r\n ", ""):
            raise ValueError(f"{name} must be one line.")
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("ascii")
    delimiter = f"\r\n--{boundary}".encode()
    parts = (_part("plain", text), _part("html", html))
    return head + b"".join(delimiter + b"\r\n" + part for part in parts) + delimiter + b"--\r\n"


def ascii_address(address: str) -> str:
    """Return an address with its domain as mail servers want it; raises ValueError."""
    if address.isascii():
        return address
    name, _at, domain = address.rpartition("@")
    # An address with other letters before the @ would need SMTPUTF8, which few servers offer.
    return f"{name}@{domain.encode('idna').decode()}".encode("ascii").decode()


@lru_cache(maxsize=64)
def _address(value: str) -> str:
    name, address = parseaddr(value)
    if not address or "\n" in value or "\r" in value:
        raise ValueError("An address must be one line.")
    return formataddr((name, ascii_address(address)))


def _encoded(value: str) -> str:
    if value.isascii():
        return value
    return Header(value, "utf-8").encode(linesep="\r\n")


def _part(kind: str, body: str) -> bytes:
    lines = body.replace("\r\n", "\n").replace("\r", "\n")
    is_plain = lines.isascii() and max(map(len, lines.split("\n"))) <= LONGEST_LINE
    if is_plain:
        encoding, content = "7bit", lines.encode()
    else:
        encoding, content = "quoted-printable", binascii.b2a_qp(lines.encode(), istext=True)
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}'
    return head.encode() + b"\r\n\r\n" + content.replace(b"\n", b"\r\n")
