"""Settings. Every one that the environment may set is described in docs/configuration.md."""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config import broker, providers
from config.keys import load_or_make

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

PRODUCTION = env.bool("PRODUCTION", default=False)
DEBUG = env.bool("DEBUG", default=False)

VAR_DIR = Path(env("VAR_DIR", default=str(BASE_DIR / "var")))
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

# -- Secrets -------------------------------------------------------------------------------------
_made = {} if PRODUCTION else load_or_make(VAR_DIR / "secrets.json")


def _secret(name: str, value: str) -> str:
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production.")
    return value


SECRET_KEY = _secret("SECRET_KEY", env("SECRET_KEY", default=_made.get("SECRET_KEY", "")))
# Seal contact data: the first key seals, all open (outcomes/care/encryption.py).
FIELD_KEYS = _secret("FIELD_KEYS", env("FIELD_KEYS", default=_made.get("FIELD_KEYS", ""))).split(
    ","
)
INDEX_KEY = _secret("INDEX_KEY", env("INDEX_KEY", default=_made.get("INDEX_KEY", "")))
# Make patient links: a database without this key opens nothing (outcomes/delivery/links.py).
LINK_KEY = _secret("LINK_KEY", env("LINK_KEY", default=_made.get("LINK_KEY", "")))

# -- Web -----------------------------------------------------------------------------------------
BASE_URL = env("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

# Asked once a minute while alerts go out in time; an outside monitor raises its alarm at silence.
DEAD_MAN_URL = env("DEAD_MAN_URL", default="")
# Who watches the installation reads /metrics with it; without it there is no such page.
METRICS_TOKEN = env("METRICS_TOKEN", default="")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "outcomes",
]

MIDDLEWARE = [
    "config.security.HeadersMiddleware",
    "config.compression.PagesGzipMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.security.PolicyMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "outcomes.clinic_site.context.staff",
            ],
        },
    }
]

# -- Database ------------------------------------------------------------------------------------
DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'outcomes.sqlite3'}")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        # Writers take no turns: under a heavy load one may wait for long.
        "timeout": 60,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
        DATABASES["default"]["ENGINE"] = "config.postgresql"
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A host that stands still within a transaction must not keep its locks: patients wait for them,
    # and what it had claimed must be free before its lease (45 s) is out.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
        "options", "-c idle_in_transaction_session_timeout=20s"
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    # Throttles must hold across processes, so the cache is shared even where there is no Redis.
    "default": (
        env.cache_url("CACHE_URL")
        if env("CACHE_URL", default="")
        else {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "django_cache",
        }
    )
}

# -- Signing in ----------------------------------------------------------------------------------
AUTH_USER_MODEL = "outcomes.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "clinic_site:home"
ACCOUNT_ADAPTER = "outcomes.clinic_site.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = "strict"
# A reset for an unknown address says nothing, and mails nobody: nobody signs up.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False  # clinics share computers
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "reset_password": "20/m/ip,5/m/key",
}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
MFA_ADAPTER = "outcomes.clinic_site.adapters.MfaAdapter"
# An admin has typed the address, and a reset mail has proved it.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# -- Security ------------------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
# Never a path, which may hold a link's token. With "no-referrer" browsers would also send
# "Origin: null" with every form, and the CSRF check would refuse it.
SECURE_REFERRER_POLICY = "strict-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "config.views.form_refused"
# The policy the browser holds every page to (config/security.py writes the header).
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "manifest-src": ["'self'"],
}
if PRODUCTION:
    if DEBUG:
        raise ImproperlyConfigured("DEBUG shows patients' data: it cannot be set in production.")
    if not BASE_URL.startswith("https://"):
        raise ImproperlyConfigured("BASE_URL must be the https:// address that patients use.")
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    # Probes ask the process itself, behind the proxy that speaks HTTPS.
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if TRUSTED_PROXIES:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# -- E-mail --------------------------------------------------------------------------------------
EMAIL_URL = env("EMAIL_URL", default="")
EMAIL_PROVIDER = env("EMAIL_PROVIDER", default="")
EMAIL_PER_SECOND = env.float("EMAIL_PER_SECOND", default=0.0)
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="Outcomes <no-reply@localhost>")
# With neither, mail is written here and shown on the “Sent messages” page.
MAIL_FOLDER = None if EMAIL_URL or EMAIL_PROVIDER else VAR_DIR / "mail"
if EMAIL_URL and EMAIL_PROVIDER:
    raise ImproperlyConfigured("Set EMAIL_URL or EMAIL_PROVIDER, not both.")
if EMAIL_PROVIDER:
    EMAIL_BACKEND = f"anymail.backends.{EMAIL_PROVIDER}.EmailBackend"
    ANYMAIL = providers.hosted_mail(
        EMAIL_PROVIDER,
        key=env("EMAIL_KEY", default=""),
        domain=env("EMAIL_DOMAIN", default=""),
        url=env("EMAIL_API_URL", default=""),
        webhook_secret=env("EMAIL_WEBHOOK_SECRET", default=""),
        signing_key=env("EMAIL_SIGNING_KEY", default=""),
    )
elif EMAIL_URL:
    vars().update(env.email_url("EMAIL_URL"))
    EMAIL_TIMEOUT = 10  # seconds per step; a message's lease is 45
elif PRODUCTION:
    raise ImproperlyConfigured("EMAIL_URL or EMAIL_PROVIDER must be set in production.")
else:
    EMAIL_BACKEND = "outcomes.delivery.channels.folder.FolderBackend"

# -- Text messages -------------------------------------------------------------------------------
SMS_PROVIDER = env("SMS_PROVIDER", default="")
SMS_FROM = env("SMS_FROM", default="")
SMS_ACCOUNT = env("SMS_ACCOUNT", default="")
SMS_KEY = env("SMS_KEY", default="")
SMS_WEBHOOK_KEY = env("SMS_WEBHOOK_KEY", default="")
SMS_API_URL = env("SMS_API_URL", default="")
SMS_PER_SECOND = env.float("SMS_PER_SECOND", default=10.0)
if SMS_PROVIDER:
    for _name in providers.needed(SMS_PROVIDER):
        if not vars()[_name]:
            raise ImproperlyConfigured(f"SMS_PROVIDER is {SMS_PROVIDER}: {_name} must be set.")

# -- Tasks ---------------------------------------------------------------------------------------
# Celery: the database says what must happen, a broker only says "look now".
BROKER_FOLDER = VAR_DIR / "broker"
CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="filesystem://localhost//")
CELERY_BROKER_TRANSPORT_OPTIONS = broker.transport_options(CELERY_BROKER_URL, BROKER_FOLDER)
CELERY_BROKER_CONNECTION_TIMEOUT = broker.CONNECT_TIMEOUT
CELERY_BROKER_HEARTBEAT = 10  # a silent RabbitMQ is left after two of them
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_QUEUES = broker.queues(CELERY_BROKER_URL)
CELERY_TASK_DEFAULT_QUEUE = broker.BULK_QUEUE
CELERY_TASK_DEFAULT_EXCHANGE = broker.EXCHANGE
CELERY_TASK_DEFAULT_ROUTING_KEY = broker.BULK_QUEUE
CELERY_TASK_ROUTES = {
    f"outcomes.tasks.{name}": {"queue": broker.ALERT_QUEUE}
    for name in ("send_alerts", "escalate_alerts", "test_recipients", "report_alive")
}
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True  # no health data in a result store
# Once, at once: without a retry a connection that broke is never made anew. Only beat publishes.
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_EVENT_SERIALIZER = "json"
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
# Nobody uses it, and on RabbitMQ its queue keeps a worker out that lost its connection.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# -- API -----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["outcomes.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["outcomes.api.permissions.DeclaredPolicy"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "outcomes.api.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["outcomes.api.throttling.TokenThrottle"],
    "DEFAULT_THROTTLE_RATES": {"token": "600/min", "anonymous": "60/min"},
    "EXCEPTION_HANDLER": "outcomes.api.errors.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Outcomes",
    "DESCRIPTION": "Records and shows patient-reported outcomes. It never advises.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_NAME_OVERRIDES": {
        "AlertState": "outcomes.alerts.models.AlertState",
        "AssignmentState": "outcomes.scheduling.models.AssignmentState",
        "Channel": "outcomes.care.models.Channel",
        "CourseKind": "outcomes.care.models.CourseKind",
        "NotHeld": [("no_show", ""), ("cancelled", "")],
        "ResponseStatus": "outcomes.responses.models.ResponseStatus",
        "SessionStatus": "outcomes.care.models.SessionStatus",
    },
}

# Quiet hours have fixed clock times by default; Django takes one that is now for a forgotten call.
SILENCED_SYSTEM_CHECKS = ["fields.W161"]

# -- Language and time ---------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", _("English")),
    ("es", _("Spanish")),
    ("de", _("German")),
    ("fr", _("French")),
    ("pt", _("Portuguese")),
]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
LOCALE_PATHS = [BASE_DIR / "locale"]

# -- Static files --------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
if PRODUCTION:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
else:
    # A fresh checkout has not collected anything.
    STATIC_ROOT.mkdir(exist_ok=True)
    WHITENOISE_USE_FINDERS = True
    WHITENOISE_AUTOREFRESH = DEBUG

# -- Logs ----------------------------------------------------------------------------------------
LOG_LEVEL = env("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "config.logs.RedactLinks"}},
    "formatters": {
        "line": {
            "()": "config.logs.BareTracebacks",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["redact"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # It logs addresses, which may be keys.
        "httpx": {"level": "WARNING"},
        # It logs what it cannot open or draw, which may be a chart; reports.press says that it was.
        "weasyprint": {"level": "CRITICAL"},
    },
}
