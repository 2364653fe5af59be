"""Logs without secrets."""

import logging
import re
import traceback
from types import TracebackType


class RedactLinks(logging.Filter):
    """Take the tokens of patient links and password resets out of every log line."""

    pattern = re.compile(r"(/(?:a|own|tablet|stop/[^/]+|password/reset/key)/)[^/\s\"']+")

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drop it."""
        record.msg = self.pattern.sub(r"\1[redacted]", record.getMessage())
        record.args = ()
        return True


class BareTracebacks(logging.Formatter):
    """Print where an error happened and of what kind it was, never its text.

    A database names the values it refuses, and those may be a patient's.
    """

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """Return the frames and the kinds of the error and of what caused it."""
        lines: list[str] = []
        error = ei[1]
        while error is not None:
            lines += traceback.format_tb(error.__traceback__)
            lines.append(f"{type(error).__name__}\n")
            error = error.__cause__ or error.__context__
        return "".join(lines).rstrip()
