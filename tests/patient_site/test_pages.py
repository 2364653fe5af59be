"""What holds for every page of the patient's side."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from outcomes.clinics.access import Audience
from outcomes.patient_site import guards, language, urls
from outcomes.templatetags.answering import call_links
from tests.chance import without_chance

PAGES = ["/answer/1/", "/answer/9/", "/answer/18/", "/answer/all/", "/answer/review/"]
MOST_BYTES = 50 * 1024


@pytest.fixture
def seen(inside, link) -> dict[str, str]:
    """Every page of one way through, by address."""
    client = inside.client
    pages = {path: client.get(path) for path in (inside.path, *PAGES)}
    pages["not for me"] = client.get(f"{inside.path}not-for-me/")
    inside.answer_all(1)
    pages["help"] = inside.follow(inside.send(9, 1))
    pages["filled review"] = client.get("/answer/review/")
    inside.submit()
    pages["thanks"] = client.get("/answer/thanks/")
    pages["answered"] = client.get(inside.path)
    pages["closed"] = Client().get("/answer/")
    pages["no such link"] = client.get("/a/x/")
    return {name: reply.content.decode() for name, reply in pages.items()}


def test_no_page_has_inline_script_or_style(seen):
    for name, page in seen.items():
        assert "<style" not in page, name
        assert not re.search(r"<script(?![^>]*\ssrc=)", page), name
        assert not re.search(r"\s(?:style|on\w+)=", page), name


def test_every_page_is_whole_and_kept_out_of_search_engines(seen):
    for name, page in seen.items():
        assert '<html lang="en" dir="ltr">' in page, name
        assert '<meta name="robots" content="noindex">' in page, name
        assert page.count("<h1") == 1, name
        assert page.count('<main id="main"') == 1, name
        assert not re.search(r"<title>\s*</title>", page), name
        assert "http" not in re.sub(r"http://www.w3.org\S+", "", page), name


def test_no_page_names_the_patient_and_no_title_a_questionnaire(seen, patient):
    for name, page in seen.items():
        for word in (patient.given_name, patient.family_name, "1980", "robin@"):
            assert word not in without_chance(page), name
        title = page[page.index("<title>") : page.index("</title>")]
        assert not re.search("PHQ|GAD|depress|anx", title), name


def test_every_id_on_a_page_is_there_once_and_every_label_leads_somewhere(seen):
    for name, page in seen.items():
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), name
        for attribute in ("for", "aria-labelledby", "aria-describedby"):
            for value in re.findall(rf'\s{attribute}="([^"]+)"', page):
                assert set(value.split()) <= set(ids), (name, value)


def test_no_address_can_hold_a_name_or_an_answer():
    for pattern in urls.urlpatterns:
        held = set(re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern)))
        assert held <= {"token", "number", "rest", "message_id"}, pattern


def test_every_address_but_the_tablet_s_declares_that_it_is_for_whoever_holds_a_link():
    public = {
        pattern.name
        for pattern in urls.urlpatterns
        if pattern.callback.access_policy.audience != Audience.PATIENT_LINK
    }
    assert public == {"tablet"}  # where a code is typed


def test_an_answer_never_appears_in_an_address(inside):
    replies = [inside.send(number, 3) for number in range(1, 19)]
    for reply in replies:
        assert re.fullmatch(
            r"/answer/(\d+|9/after|review)/", reply.headers.get("Location", "/answer/1/")
        )


def test_headers_keep_pages_out_of_caches_and_addresses_out_of_referrers(inside):
    for path in (inside.path, *PAGES, "/a/x/"):
        headers = inside.client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "strict-origin"
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY"


def test_a_form_without_its_token_is_refused(link, inside):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(inside.path, {}).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_a_page_costs_few_queries(inside, path, django_assert_max_num_queries):
    inside.answer_all(1)
    with django_assert_max_num_queries(4):
        inside.client.get(path)


def test_the_link_costs_few_queries(phone, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        phone.client.get(phone.path)


def test_a_page_weighs_little_in_all_over_the_line(seen):
    """Style sheet, script and icon go out compressed, pages as they are."""
    names = ("css/outcomes.css", "js/answering.js", "img/plain.svg")
    files = [Path(finders.find(f"outcomes/{name}")).read_bytes() for name in names]
    shared = sum(len(gzip.compress(file)) for file in files)
    for name, page in seen.items():
        assert len(page.encode()) + shared <= MOST_BYTES, name
    one, every = (len(seen[path].encode()) + shared for path in ("/answer/9/", "/answer/all/"))
    print(f"\nOne question {one:,} bytes in all, eighteen on one page {every:,}")


def test_a_fault_of_ours_is_answered_kindly_and_logged_without_data(
    inside, patient, monkeypatch, caplog
):
    def fail(*args: object) -> None:
        raise RuntimeError(patient.given_name)

    for path, broken in (
        (inside.path, "find_link"),
        ("/answer/1/", "is_live"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(guards.delivery, broken, fail)
            reply = inside.client.get(path)
        assert reply.status_code == 500
        assert b"Something went wrong, and it is not your fault" in reply.content
    assert "RuntimeError in " in caplog.text
    assert patient.given_name not in caplog.text


def test_an_address_torn_by_a_mail_program_gets_the_page_of_an_unknown_link(inside):
    reference = Client().get("/a/x/").content
    for path in (f"{inside.path}x/", f"{inside.path}not-for-me/x/", "/a/x/y/"):
        assert Client().get(path).content == reference
    assert inside.client.get(inside.path[:-1]).headers["Location"] == inside.path
    assert inside.client.get("/answer/nowhere/").headers["Location"] == "/answer/"


def test_a_kind_page_stands_for_everything_that_may_go_wrong():
    assert {page.status for page in guards.KIND_PAGES.values()} == {400, 409}


def test_a_language_without_a_translation_is_not_mixed_with_ours(tmp_path, settings):
    catalogue = tmp_path / "es" / "LC_MESSAGES" / "django.mo"
    catalogue.parent.mkdir(parents=True)
    catalogue.touch()
    settings.LOCALE_PATHS = [tmp_path]
    language.interface_language.cache_clear()
    assert language.interface_language("es") == "es"
    assert language.interface_language("de") == "en"
    language.interface_language.cache_clear()


@pytest.mark.parametrize(
    ("spoken", "shown"),
    [
        ("es", 'Llame al <a class="call" href="tel:112">112</a>.'),
        # Without a text of its own: the clinic's language, and marked as such.
        ("fr", "If you are in danger, call "),
        ("en", "If you are in danger, call "),
    ],
)
def test_the_crisis_text_is_in_the_language_of_the_page(
    phone, inside, clinic, patient, monkeypatch, spoken, shown
):
    # As if the pages were translated into everything.
    monkeypatch.setattr(language, "interface_language", lambda wanted: wanted)
    type(clinic).objects.update(crisis_texts={"es": "Llame al 112."})
    type(patient).objects.update(language=spoken)
    for path in (phone.path, "/answer/1/", "/answer/9/"):
        page = inside.client.get(path).content.decode()
        words = "es" if spoken == "es" else "en"
        assert any(f'lang="{words}">{begin}{shown}' in page for begin in ("", "<p>"))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Call 988 or 911 now.", ["988", "911"]),
        ("Call 116 123, day and night.", ["116123"]),
        ("+1 (202) 555-0123", ["+12025550123"]),
        ("We are here 24/7, within 10 minutes.", []),
        ("", []),
    ],
)
def test_telephone_numbers_in_the_clinics_text_can_be_tapped(text, numbers):
    assert re.findall(r'href="tel:([^"]+)"', call_links(text)) == numbers


def test_the_clinics_text_cannot_add_markup():
    assert call_links('<b onclick="x">call 112</b>') == (
        '&lt;b onclick=&quot;x&quot;&gt;call <a class="call" href="tel:112">112</a>&lt;/b&gt;'
    )
