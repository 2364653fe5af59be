"""Pages leave packed, files as they are."""

from __future__ import annotations

import gzip

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory

from config.compression import PagesGzipMiddleware


def sent(response: HttpResponseBase) -> HttpResponseBase:
    request = RequestFactory().get("/", headers={"Accept-Encoding": "gzip"})
    return PagesGzipMiddleware(lambda _: response)(request)  # type: ignore[arg-type,return-value]


def test_a_page_is_packed_to_a_length_that_tells_little() -> None:
    page = "A score of 12. " * 400
    replies = [sent(HttpResponse(page)) for _ in range(12)]
    assert {gzip.decompress(reply.content).decode() for reply in replies} == {page}  # type: ignore[attr-defined]
    assert len({len(reply.content) for reply in replies}) > 1  # type: ignore[attr-defined]


def test_files_are_not_packed() -> None:
    stream = sent(StreamingHttpResponse(iter([b"a,b\n" * 400]), content_type="text/csv"))
    data = sent(HttpResponse("{}" * 400, content_type="application/json"))
    assert not stream.has_header("Content-Encoding")
    assert not data.has_header("Content-Encoding")
