"""Defines service-info (GA4GH service-info 1.0.0 with TES fields)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceInfo:
    """tesServiceInfo; empty strings and None are left out of answers.

    Attributes:
        storage: Prefixes of urls that tasks can read and write.
        backend_parameters: Keys of ``resources.backend_parameters`` that are
            supported, with their allowed values (``domain.backend_parameters``).
    """

    id: str
    name: str
    version: str
    organization_name: str
    organization_url: str
    description: str = ""
    contact_url: str = ""
    documentation_url: str = ""
    environment: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    storage: tuple[str, ...] = ()
    backend_parameters: Mapping[str, Sequence[str]] = field(default_factory=dict)
