"""Where each front door begins."""

from django.urls import include, path

from config.views import health

urlpatterns = [
    path("", include("outcomes.patient_site.urls")),
    path("", include("outcomes.clinic_site.urls")),
    path("api/", include("outcomes.api.urls")),
    path("account/", include("config.account_urls")),
    path("healthz", health, name="health"),
]
