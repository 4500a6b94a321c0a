"""Credentials of storages, as plain data, and which one a url is used with."""

from dataclasses import dataclass, field, replace

from tesk_model.locations import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and a password: ftp, sftp, http (basic authentication)."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken:
    """A token of http (RFC 6750), htsget and drs."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """A user and the private key of sftp.

    Attributes:
        key: In the format of OpenSSH or PEM.
        passphrase: Of the key; "" if it has none.
    """

    user: str
    key: str = field(repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Keys:
    """Keys of S3.

    Attributes:
        session_token: Of temporary keys; "" for others.
    """

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Account:
    """A service of S3, and how to be known there.

    Attributes:
        endpoint: Url of the service; "" for AWS.
        region: "" as the AWS tools find it.
        virtual_hosts: Whether buckets are host names; None: at AWS alone.
        keys: None: as the AWS tools find them.
        anonymous: Requests are not signed.
        uses_sdk: The AWS SDK makes the requests, and smart_open the streams.
    """

    endpoint: str = ""
    region: str = ""
    virtual_hosts: bool | None = None
    keys: S3Keys | None = None
    anonymous: bool = False
    uses_sdk: bool = False

    @property
    def is_ambient(self) -> bool:
        """Whether the environment tells the keys."""
        return self.keys is None and not self.anonymous


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureAccount:
    """A storage account of Azure.

    Attributes:
        endpoint: Url of its blob service; "" as its name implies.
        key: Its shared key; "" if there is none.
        sas: A shared access signature; "" if there is none.
        anonymous: Requests are not signed.
    """

    endpoint: str = ""
    key: str = field(default="", repr=False)
    sas: str = field(default="", repr=False)
    anonymous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GcsAccount:
    """An account of Google Cloud Storage.

    Attributes:
        endpoint: Url of the service; "" for Google's.
        key: JSON of a service account; "" as Google's libraries find it.
        anonymous: Requests are not signed.
    """

    endpoint: str = ""
    key: str = field(default="", repr=False)
    anonymous: bool = False


Credential = Login | BearerToken | PrivateKey | S3Account | AzureAccount | GcsAccount


def with_login_of(location: Location, found: Credential | None) -> Credential | None:
    """Return the credential to use for a url: its own user and password come first.

    ``found``, what the operator gives for the url, adds a password or key to a user of
    the url only if it is that user's.
    """
    if not location.user and not location.password:
        return found
    if (
        location.password is None
        and isinstance(found, Login | PrivateKey)
        and found.user == location.user
    ):
        return found
    return Login(user=location.user or "", password=location.password or "")


def at_service_of(fallback: Credential | None, found: Credential) -> Credential:
    """Return ``found``; if it names no service of S3, that of ``fallback``."""
    if (
        not isinstance(found, S3Account)
        or not isinstance(fallback, S3Account)
        or found.endpoint
        or not (fallback.endpoint or fallback.region)
    ):
        return found
    return replace(
        found,
        endpoint=fallback.endpoint,
        region=found.region or fallback.region,
        uses_sdk=found.uses_sdk or fallback.uses_sdk,
    )
