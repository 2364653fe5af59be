"""Addresses of files in and out, inside one clinic."""

from django.urls import path

from outcomes.clinic_site import files

urlpatterns = [
    path("export/", files.export, name="export"),
    path("export/file/", files.export_file, name="export_file"),
    path("export/codebook/", files.codebook, name="codebook"),
    path("import/", files.import_scores, name="import"),
]
