"""Secrets: from the environment, or made once on this machine for a first run.

In production every secret must come from the environment. Elsewhere a missing one is made and kept
in `var/secrets.json`, readable by its owner only, so that a newcomer needs no set-up.
"""

import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet


def load_or_make(path: Path) -> dict[str, str]:
    """Return the machine's own secrets, making the file when there is none."""
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        made = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "FIELD_KEYS": Fernet.generate_key().decode(),
            "INDEX_KEY": secrets.token_urlsafe(32),
            "LINK_KEY": secrets.token_urlsafe(32),
        }
        _write_once(path, made)
        return load_or_make(path)
    return kept


def _write_once(path: Path, content: dict[str, str]) -> None:
    # Two processes may start at once: the file appears whole or not at all, and the first wins.
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
