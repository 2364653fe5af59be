"""docs/running.md and docs/deploy say what is true: files, figures, and every command that can run.

The last test does what the page says, for real: it prepares a database, starts every process as the
systemd units start it, has one invitation and one safety alert sent, stops all, and restores.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psycopg
import pytest
import yaml
from aiosmtpd.controller import Controller
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import connection
from django.utils import timezone

from config import broker, metrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "running.md"
DEPLOY = ROOT / "docs" / "deploy"
UNITS = DEPLOY / "systemd"
INSTALLED = "/opt/outcomes/.venv/bin/"
STAMP = "20261127T030007Z"
# What changes the host, or needs another one. The others are run below.
NOT_HERE = (
    *("useradd ", "git ", "cd ", "python3 -m venv ", ".venv/bin/pip ", "install ", "su ", "exit"),
    *("cp -r docs/deploy/systemd/. ", "systemctl ", "curl ", "docker compose ", "createdb "),
    "/opt/outcomes/.venv/bin/pip ",
)


def commands() -> list[str]:
    """Return every command line of the page, in its order."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S)
    return [line for block in blocks for line in block.splitlines()]


def manage_commands() -> list[list[str]]:
    """Return the page's own commands of the product: what follows `python manage.py`."""
    prefix = "python manage.py "
    return [shlex.split(line.removeprefix(prefix)) for line in commands() if prefix in line[:17]]


def exec_start(unit: str, instance: str = "") -> list[str]:
    """Return the command that a unit starts, with systemd's specifiers filled in."""
    text = (UNITS / unit).read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.M)
    return shlex.split(line.replace("%i", instance).replace("%%", "%"))


# -- What needs no server --------------------------------------------------------------------------


def test_every_command_on_the_page_is_run_here_or_known_not_to_be():
    unknown = [line for line in commands() if not line.startswith(("python manage.py ", *NOT_HERE))]
    assert unknown == []
    assert len(manage_commands()) == 8


def test_every_file_that_the_page_names_is_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE.read_text())
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    assert len(links) > 5


def test_every_figure_is_described_and_no_rule_names_another(db):
    given = {
        line.split()[2]
        for line in metrics.render(timezone.now()).decode().splitlines()
        if line.startswith("# HELP")
    }
    described = set(re.findall(r"outcomes_[a-z_]+(?=[{`])", PAGE.read_text()))
    assert described == given
    rules = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text())["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"outcomes_[a-z_]+", rule["expr"])}
    assert used <= given
    assert {rule["labels"]["severity"] for rule in rules} == {"page", "ticket"}


def test_units_and_containers_start_the_same_processes():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    pairs = {
        "dispatch-alert": ("outcomes-dispatch@.service", "alert"),
        "dispatch-bulk": ("outcomes-dispatch@.service", "bulk"),
        "worker-alert": ("outcomes-worker@.service", "alert"),
        "worker-bulk": ("outcomes-worker@.service", "bulk"),
        "beat": ("outcomes-beat.service", ""),
    }
    for service, unit in pairs.items():
        started = exec_start(*unit)
        started[0] = started[0].removeprefix(INSTALLED)
        assert services[service]["command"] == started
    queues = {exec_start("outcomes-worker@.service", lane)[6] for lane in ("alert", "bulk")}
    assert queues == {broker.ALERT_QUEUE, broker.BULK_QUEUE}
    wanted = re.findall(r"outcomes-\S+", (UNITS / "outcomes.target").read_text())
    for name in wanted:
        assert (UNITS / re.sub(r"@.*\.", "@.", name)).exists()


def test_every_container_restarts_by_itself_and_holds_no_secret():
    text = (ROOT / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    assert {name for name, each in services.items() if each["restart"] != "unless-stopped"} == {
        "prepare"
    }
    assert {name for name, each in services.items() if "healthcheck" in each} == {
        "postgres",
        "rabbitmq",
        "web",
    }
    passwords = re.findall(r"PASS\w*: *(.*)|://\w+:([^@]*)@", text)
    assert all("${" in (one or two) and ":?" in (one or two) for one, two in passwords)
    assert len(passwords) == 4


def test_the_example_sets_only_what_is_documented_and_no_secret():
    documented = (ROOT / "docs" / "configuration.md").read_text()
    example = dict(example_environment())
    compose_only = {"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"}
    assert {name for name in example if f"`{name}`" not in documented} == compose_only
    secret = re.compile("KEY|PASSWORD|TOKEN|_URL")
    filled = {name for name, value in example.items() if value and secret.search(name)}
    assert filled == {"BASE_URL"}


def example_environment() -> Iterator[tuple[str, str]]:
    for line in (DEPLOY / "outcomes.env.example").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name, value


# -- For real --------------------------------------------------------------------------------------


class Sink:
    """A mail server that keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []

    async def handle_DATA(self, server, session, envelope) -> str:
        mail = message_from_bytes(envelope.content)
        text = mail.get_payload(0).get_payload(decode=True).decode()
        self.mails.append((envelope.rcpt_tos[0], text))
        return "250 OK"

    def sent_to(self, ending: str) -> list[str]:
        return [text for to, text in list(self.mails) if to.endswith(ending)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def sink() -> Iterator[tuple[Sink, int]]:
    sink = Sink()
    port = free_port()
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    yield sink, port
    controller.stop()


@pytest.fixture
def database() -> Iterator[Callable[[str], str]]:
    """Make empty databases of the tests' own server; return their addresses."""
    given = connection.settings_dict
    if connection.vendor != "postgresql":
        pytest.skip("no PostgreSQL: set DATABASE_URL")
    server = {
        "host": given["HOST"],
        "port": given["PORT"] or 5432,
        "user": given["USER"],
        "password": given["PASSWORD"] or None,
    }
    made: list[str] = []

    def admin(statement: str) -> None:
        with psycopg.connect(dbname="postgres", autocommit=True, **server) as session:
            session.execute(statement)

    def make(name: str) -> str:
        unique = f"outcomes_{name}_{secrets.token_hex(4)}"
        admin(f'CREATE DATABASE "{unique}"')
        made.append(unique)
        password = f":{server['password']}" if server["password"] else ""
        return f"postgres://{server['user']}{password}@{server['host']}:{server['port']}/{unique}"

    yield make
    for name in made:
        admin(f'DROP DATABASE "{name}" WITH (FORCE)')


def until(condition: Callable[[], object], what: str, output: Path, seconds: float = 120.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"{what}:\n{output.read_text()[-4000:]}"
        time.sleep(0.1)


def script(story: str) -> list[str]:
    """Return the command that runs a few lines with the product loaded."""
    begin = """
        import django
        django.setup()
        from django.utils import timezone
        from datetime import date, timedelta
        from outcomes import workflows
        from outcomes.alerts import services as alerts
        from outcomes.audit.models import SYSTEM
        from outcomes.clinics import services as clinics
        from outcomes.clinics.models import Clinic, User
        from outcomes.scheduling.models import Assignment, Schedule
        now = timezone.now()
        clinic = Clinic.objects.get(slug="north")
        """
    return [sys.executable, "-c", textwrap.dedent(begin) + textwrap.dedent(story)]


ENROL = """
    for name in ("Clara", "Yara"):
        member = clinics.add_member(
            clinic=clinic, email=f"{name.lower()}@staff.example", name=name, role="clinician",
            by=SYSTEM, now=now,
        )
        alerts.confirm(clinic=clinic, user=member.user, by=SYSTEM, now=now)
    details = {
        "given_name": "Robin", "family_name": "Example", "birth_date": date(1980, 5, 17),
        # Somewhere it is daytime: quiet hours hold nothing back.
        "time_zone": f"Etc/GMT{now.hour - 12:+d}",
    }
    workflows.enrol_patient(
        clinic=clinic, details=details, contacts={"email": "robin@patient.example"},
        consents=["email"], indication="trd", clinicians=[member.user], course_kind="induction",
        schedule_id=Schedule.objects.get(code="phq9-gad7-only", is_current=True).pk,
        sessions_planned_at=[now + timedelta(days=3)], by=SYSTEM, now=now,
    )
"""
ANSWER = """
    form = Assignment.objects.get(instrument__code="PHQ-9", state="open")
    workflows.submit_response(
        assignment_id=form.pk, answers={"9": 2}, submission_id="one", language="en", mode="link",
        by=SYSTEM, now=now,
    )
"""


@pytest.mark.postgres
@pytest.mark.broker
def test_the_page_works_on_a_host(database, sink, tmp_path):
    if broker.is_folder(settings.CELERY_BROKER_URL):
        pytest.skip("no real broker: set CELERY_BROKER_URL to RabbitMQ or Redis")
    if not (shutil.which("pg_dump") and shutil.which("pg_restore")):
        pytest.skip("PostgreSQL's client programs are not installed")
    mail, smtp_port = sink
    port = free_port()
    token = secrets.token_urlsafe(20)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
        **dict(example_environment()),
        **{name: secrets.token_urlsafe(50) for name in ("SECRET_KEY", "INDEX_KEY", "LINK_KEY")},
        "FIELD_KEYS": Fernet.generate_key().decode(),
        "METRICS_TOKEN": token,
        "DATABASE_URL": database("one"),
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        "EMAIL_URL": f"smtp://127.0.0.1:{smtp_port}",
        "VAR_DIR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    output = tmp_path / "output"
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())

    def run(command: list[str]) -> str:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def manage(arguments: list[str]) -> str:
        here = [
            each.replace("/var/lib/outcomes/backups", str(tmp_path)).replace(STAMP, stamp)
            for each in arguments
        ]
        return run([sys.executable, "manage.py", *here])

    def start(unit: str, instance: str = "") -> subprocess.Popen[bytes]:
        program, *arguments = exec_start(unit, instance)
        program = str(Path(sys.executable).parent / program.removeprefix(INSTALLED))
        command = [program, *(each.replace("8000", str(port)) for each in arguments)]
        with output.open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def get(path: str, **headers: str) -> tuple[int, str]:
        try:
            request = Request(f"http://127.0.0.1:{port}{path}", headers=headers)
            with urlopen(request, timeout=5) as reply:
                return reply.status, reply.read().decode()
        except HTTPError as error:
            return error.code, ""
        except (URLError, OSError):
            return 0, ""

    check, prepare, clinic, *later = manage_commands()
    backup, restore, dry_run, reconcile = [each for each in later if each != prepare]
    assert "no issues" in manage(check)
    assert "Ready to start." in manage(prepare)
    assert "https://outcomes.example.org/account/password/reset/key/" in manage(clinic)

    processes = [
        start("outcomes-web.service"),
        start("outcomes-dispatch@.service", "alert"),
        start("outcomes-dispatch@.service", "bulk"),
        start("outcomes-worker@.service", "alert"),
        start("outcomes-worker@.service", "bulk"),
        start("outcomes-beat.service"),
    ]
    try:
        until(lambda: get("/readyz") == (200, "ok"), "ready", output)
        assert get("/account/login/")[0] != 200  # plain HTTP is sent to HTTPS
        https = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
        assert get("/account/login/", Host="outcomes.example.org", **https)[0] == 200
        run(script(ENROL))
        until(lambda: mail.sent_to("robin@patient.example"), "the invitation", output)
        (invitation,) = mail.sent_to("robin@patient.example")
        path = re.search(r"https://outcomes\.example\.org(/a/\S+)", invitation)
        assert path is not None
        assert get(path[1], Host="outcomes.example.org", **https)[0] == 200
        manage(backup)
        run(script(ANSWER))
        until(lambda: mail.sent_to("@staff.example"), "the page of the alert", output)
        figures = get("/metrics", Authorization=f"Bearer {token}")[1]
        assert "outcomes_alerts_open 1.0" in figures
        assert get("/metrics")[0] == 401
    finally:
        for process in processes:
            process.terminate()  # what a stop under KillMode=mixed sends first
        ends = [process.wait(timeout=45) for process in processes]
    shown = output.read_text()
    assert ends == [0] * len(ends), shown
    assert "Traceback" not in shown
    assert "robin" not in shown.lower()
    assert path[1] not in shown

    environment["DATABASE_URL"] = database("restored")
    assert "Restored." in manage(restore)
    manage(prepare)
    assert "0 open alerts paged again." in manage(dry_run)
    assert "0 open alerts paged again." in manage(reconcile)
    assert "nothing was changed" in manage(reconcile)
