"""Renders the anchor: the Secret that owns all other objects of an attempt."""

from base64 import b64encode

from tesk_kubernetes.api import CONFIG_MAPS, SECRETS, JsonObject
from tesk_kubernetes.templates import owner_reference
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    RenderContext,
    object_labels,
)

TOKEN_KEY = "token"  # noqa: S105 - the name of a key


def anchor_secret(
    attempt: Attempt, transfer_token: str, context: RenderContext
) -> JsonObject:
    """Return the anchor, which holds the transfer token for the filers.

    It is owned by the owner of this TESK (``kubernetes.owner``), if that is in the
    namespace.
    """
    settings = context.settings
    uid = settings.owner_uids.get(context.namespace, "")
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
            "namespace": context.namespace,
            "labels": object_labels(attempt, context, component="task"),
            "ownerReferences": owners,
        },
        "type": "Opaque",
        "immutable": True,
        "data": {TOKEN_KEY: b64encode(transfer_token.encode()).decode("ascii")},
    }
