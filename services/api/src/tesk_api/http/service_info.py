"""Serves service-info, without authentication, as clients expect."""

from flask import Blueprint, Response
from msgspec import UNSET

from tesk_api.domain.service_info import ServiceInfo
from tesk_api.http import responses
from tesk_api.http.responses import json_response

# The implemented specification.
_TYPE = responses.ServiceType(group="org.ga4gh", artifact="tes", version="1.1.0")


def service_info_blueprint(name: str, info: ServiceInfo) -> Blueprint:
    """Return ``/service-info`` in the forms of TES 1.1 and 1.0."""
    blueprint = Blueprint(name, __name__)
    document = service_info_response(info)
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


def service_info_response(info: ServiceInfo) -> responses.ServiceInfo:
    """Render tesServiceInfo; unset fields are left out."""
    return responses.ServiceInfo(
        id=info.id,
        name=info.name,
        type=_TYPE,
        description=info.description or UNSET,
        organization=responses.Organization(
            name=info.organization_name, url=info.organization_url
        ),
        contact_url=info.contact_url or UNSET,
        documentation_url=info.documentation_url or UNSET,
        created_at=info.created_at or UNSET,
        updated_at=info.updated_at or UNSET,
        environment=info.environment or UNSET,
        version=info.version,
        storage=info.storage,
        backend_parameters=tuple(info.backend_parameters),
    )
