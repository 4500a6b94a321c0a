"""What the service says of itself; open to everybody, as clients expect."""

from typing import Any

from flask import Blueprint, Response

from tesk_api.domain.service_info import ServiceInfo
from tesk_api.http.answers import json_response

# Of the specification that is implemented.
_TYPE = {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}


def service_info_blueprint(name: str, info: ServiceInfo) -> Blueprint:
    """Return ``/service-info`` and its form of TES 1.0."""
    blueprint = Blueprint(name, __name__)
    document = service_info_json(info)
    # py-tes 0.4 (Toil, older proTES) fails on any other key.
    legacy = {
        "name": info.name,
        "doc": info.description,
        "storage": list(info.storage),
    }

    @blueprint.get("/service-info")
    def get_service_info() -> Response:
        return json_response(document)

    @blueprint.get("/tasks/service-info")
    def get_legacy_service_info() -> Response:
        return json_response(legacy)

    return blueprint


def service_info_json(info: ServiceInfo) -> dict[str, Any]:
    """Render tesServiceInfo; what is not set is left out."""
    document = {
        "id": info.id,
        "name": info.name,
        "type": _TYPE,
        "description": info.description,
        "organization": {
            "name": info.organization_name,
            "url": info.organization_url,
        },
        "contactUrl": info.contact_url,
        "documentationUrl": info.documentation_url,
        "createdAt": info.created_at,
        "updatedAt": info.updated_at,
        "environment": info.environment,
        "version": info.version,
        "storage": list(info.storage),
        "tesResources_backend_parameters": list(info.backend_parameters),
    }
    return {key: value for key, value in document.items() if value not in ("", None)}
