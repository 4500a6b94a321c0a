"""Reaches the API server as a kubeconfig says, through the official client.

It knows every way to log in: tokens, certificates, programs of clouds. Imported only
where there is a kubeconfig, since that client takes half a second and 30 MiB.
"""

from typing import Any

import yaml
from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from tesk_kubernetes.connection import (
    POOL_SIZE,
    Connection,
    CredentialsError,
    socket_options,
)


def kubeconfig_connection(file: str) -> Connection:
    """Return the connection of a kubeconfig's current context; nothing is sent yet.

    Raises:
        CredentialsError, OSError: It cannot be read, or names no cluster.
    """
    configuration = Configuration()
    configuration.connection_pool_maxsize = POOL_SIZE
    configuration.socket_options = socket_options()
    configuration.retries = False

    def load() -> None:
        try:
            config.load_kube_config(
                config_file=file,
                client_configuration=configuration,
                persist_config=False,
            )
        except (config.ConfigException, yaml.YAMLError, RecursionError) as error:
            raise CredentialsError(str(error)) from error

    load()
    client = ApiClient(configuration)

    def authorization() -> str:
        headers: dict[str, str] = {}
        try:
            client.update_params_for_auth(headers, [], ["BearerToken"])
        except config.ConfigException as error:
            raise CredentialsError(str(error)) from error
        return headers.get("authorization", "")

    return Connection(
        host=str(configuration.host),
        pool=client.rest_client.pool_manager,
        authorization=authorization,
        renew=load,
    )


def context_namespace(file: str) -> str:
    """Return the namespace of a kubeconfig's current context; "" if it has none."""
    current: dict[str, Any]
    try:
        _, current = config.list_kube_config_contexts(file)
    except (config.ConfigException, OSError, yaml.YAMLError, RecursionError):
        return ""
    return str((current.get("context") or {}).get("namespace") or "")
