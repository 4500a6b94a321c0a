"""The anchor: the Secret that owns all other objects of an attempt."""

from base64 import b64encode

from tesk_kubernetes.api import CONFIG_MAPS, SECRETS, JsonObject
from tesk_kubernetes.templates import owner_reference
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    Site,
    object_labels,
)

TOKEN_KEY = "token"  # noqa: S105 - the name of a key


def anchor_secret(attempt: Attempt, transfer_token: str, site: Site) -> JsonObject:
    """Return the anchor, which holds the transfer token for the filers.

    It is owned by what owns this TESK (``kubernetes.owner``), if that is known
    in the namespace.
    """
    settings = site.settings
    uid = settings.owner_uids.get(site.namespace, "")
    owners = (
        [owner_reference(CONFIG_MAPS, name=settings.owner, uid=uid)]
        if settings.owner and uid
        else []
    )
    return {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": {
            "name": attempt.name,
            "namespace": site.namespace,
            "labels": object_labels(attempt, site, component="task"),
            "ownerReferences": owners,
        },
        "type": "Opaque",
        "immutable": True,
        "data": {TOKEN_KEY: b64encode(transfer_token.encode()).decode("ascii")},
    }
