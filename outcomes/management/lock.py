"""Tell the commands that need the data to rest from those that are using it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management.base import CommandError

NAME = "up.lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold this folder's data for this process, or refuse with one line while another has it.

    The lock vanishes with the process.
    """
    with (folder / NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError("Outcomes is running here: stop it first (Ctrl-C).") from error
        yield
