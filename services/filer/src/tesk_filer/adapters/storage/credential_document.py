"""The form of the entries of files of credentials.

Messages name entry and field and quote nothing: what is wrong there may be a secret.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, inspect

from tesk_filer.domain.credential_table import (
    CredentialEntry,
    account_prefix_of,
    may_be_scheme_alone,
    prefix_of,
)
from tesk_filer.domain.credentials import (
    AzureAccount,
    BearerToken,
    Credential,
    GcsAccount,
    Login,
    PrivateKey,
    S3Account,
    S3Keys,
)
from tesk_model.locations import (
    InvalidLocationError,
    UnknownSchemeError,
    parse_location,
)
from tesk_model.schemes import SCHEMES
from tesk_runtime.document_problems import explain_problem

# Control characters would begin another line of a protocol.
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*\Z"
_VISIBLE = r"^[\x21-\x7e]*\Z"
_URL = r"^(https?://[^\s@?#]+)?\Z"
_PEM = r"^-----BEGIN "
_MEANINGS = {
    _NO_CONTROLS: "must hold no line ends and control characters",
    _VISIBLE: "must consist of visible ASCII characters",
    _URL: "must be a url of http or https without user, password and query",
    _PEM: "must be a private key in the form of OpenSSH or PEM (-----BEGIN …)",
}

_Name = Annotated[str, Meta(min_length=1)]
_Text = Annotated[str, Meta(pattern=_NO_CONTROLS)]
_User = Annotated[str, Meta(min_length=1, pattern=_NO_CONTROLS)]
_Token = Annotated[str, Meta(min_length=1, pattern=_VISIBLE)]
_Key = Annotated[str, Meta(pattern=_VISIBLE)]
_Url = Annotated[str, Meta(pattern=_URL)]


class _Strict(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
):
    """Names are in camel case, as in all files for Kubernetes; none is unknown."""


class _Part(_Strict, frozen=True, kw_only=True):
    """The part of an entry that holds the credential."""

    def to_credential(self) -> Credential:
        """Return it.

        Raises:
            ValueError: Fields contradict each other; names them.
        """
        raise NotImplementedError


class _Login(_Part, frozen=True, kw_only=True):
    user: _User
    password: _Text

    def to_credential(self) -> Credential:
        return Login(user=self.user, password=self.password)


class _Bearer(_Part, frozen=True, kw_only=True):
    token: _Token

    def to_credential(self) -> Credential:
        return BearerToken(token=self.token)


class _PrivateKey(_Part, frozen=True, kw_only=True):
    user: _User
    key: Annotated[str, Meta(pattern=_PEM)]
    passphrase: str = ""

    def to_credential(self) -> Credential:
        return PrivateKey(user=self.user, key=self.key, passphrase=self.passphrase)


class _S3(_Part, frozen=True, kw_only=True):
    endpoint: _Url = ""
    region: _Key = ""
    virtual_hosts: bool | None = None
    access_key: _Key = ""
    secret_key: _Key = ""
    session_token: _Key = ""
    anonymous: bool = False
    sdk: bool = False

    def to_credential(self) -> Credential:
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("accessKey and secretKey belong together")
        if self.session_token and not self.access_key:
            raise ValueError("sessionToken needs accessKey and secretKey")
        if self.anonymous and self.access_key:
            raise ValueError("anonymous and accessKey exclude each other; keep one")
        keys = S3Keys(
            access_key=self.access_key,
            secret_key=self.secret_key,
            session_token=self.session_token,
        )
        return S3Account(
            endpoint=self.endpoint,
            region=self.region,
            virtual_hosts=self.virtual_hosts,
            keys=keys if self.access_key else None,
            anonymous=self.anonymous,
            uses_sdk=self.sdk,
        )


class _Azure(_Part, frozen=True, kw_only=True):
    endpoint: _Url = ""
    key: _Key = ""
    sas: _Key = ""
    anonymous: bool = False

    def to_credential(self) -> Credential:
        if bool(self.key) + bool(self.sas) + self.anonymous > 1:
            raise ValueError("key, sas and anonymous exclude each other; keep one")
        return AzureAccount(
            endpoint=self.endpoint,
            key=self.key,
            sas=self.sas.removeprefix("?"),
            anonymous=self.anonymous,
        )


class _Gcs(_Part, frozen=True, kw_only=True):
    endpoint: _Url = ""
    key: str = ""
    anonymous: bool = False

    def to_credential(self) -> Credential:
        if self.key and self.anonymous:
            raise ValueError("key and anonymous exclude each other; keep one")
        if self.key and not _is_json_object(self.key):
            raise ValueError("key must be the JSON of a service account")
        return GcsAccount(
            endpoint=self.endpoint, key=self.key, anonymous=self.anonymous
        )


class _Entry(_Strict, frozen=True, kw_only=True):
    """What a credential is for, and the credential in one of the other fields."""

    prefix: _Name
    owners: tuple[_Name, ...] = ()
    groups: tuple[_Name, ...] = ()
    login: _Login | None = None
    bearer: _Bearer | None = None
    private_key: _PrivateKey | None = None
    s3: _S3 | None = None
    azure: _Azure | None = None
    gcs: _Gcs | None = None


_ATTRIBUTES = {
    field.encode_name: field.name
    for field in msgspec.structs.fields(_Entry)
    if field.default is None
}

KINDS = tuple(_ATTRIBUTES)
"""The fields of an entry that hold a credential, by their names in the file."""


def entry_of(written: object, source: str) -> CredentialEntry:
    """Return what an entry says, whose values are all in it.

    Args:
        written: As decoded from YAML.
        source: File and number, for people.

    Raises:
        ValueError: It is wrong.
    """
    entry = _convert(written, source)
    kinds = [name for name in KINDS if getattr(entry, _ATTRIBUTES[name]) is not None]
    if len(kinds) != 1:
        raise ValueError(f"{source}: must have one of {', '.join(KINDS)}")
    [kind] = kinds
    part: _Part = getattr(entry, _ATTRIBUTES[kind])
    try:
        credential = part.to_credential()
    except ValueError as error:
        raise ValueError(f"{source}.{kind}: {error}") from None
    try:
        prefix = _prefix(entry.prefix, kind)
    except ValueError as error:
        raise ValueError(f"{source}.prefix: {error}") from None
    return CredentialEntry(
        prefix=prefix,
        credential=credential,
        owners=frozenset(entry.owners),
        groups=frozenset(entry.groups),
        source=source,
    )


def _convert(written: object, source: str) -> _Entry:
    try:
        return msgspec.convert(written, _Entry)
    except msgspec.ValidationError as error:
        # A slip in YAML makes names of values.
        problem = explain_problem(error, inspect.type_info(_Entry), shows_names=False)
        place = f"{source}.{problem.path}" if problem.path else source
        raise ValueError(f"{place}: {_meaning(problem.text)}") from None


def _meaning(problem: str) -> str:
    """Return the meaning of a pattern, and the cure for a password of digits."""
    if problem.startswith("must be text, not a"):
        return f"{problem}; write it in quotes"
    meanings = (meaning for text, meaning in _MEANINGS.items() if repr(text) in problem)
    return next(meanings, problem)


def _prefix(text: str, kind: str) -> str:
    """Return a prefix in the way that prefixes are compared."""
    scheme, mark, rest = text.partition("://")
    known = SCHEMES.get(scheme)
    try:
        if mark and not rest and known and may_be_scheme_alone(scheme):
            prefix = text
        elif known and known.has_container and not {"@", "/"} & set(rest.rstrip("/")):
            # Any container has the same account.
            prefix = account_prefix_of(parse_location(f"{scheme}://any@{rest}"))
        else:
            location = parse_location(text)
            scheme, prefix = location.scheme, prefix_of(location)
            if location.user is not None or location.query:
                raise ValueError("must not hold user, password or query")
    except UnknownSchemeError:
        schemes = ", ".join(each.name for each in SCHEMES.values() if each.credentials)
        raise ValueError(f"must begin with one of {schemes}") from None
    except InvalidLocationError as error:
        raise ValueError(error) from None
    taken = SCHEMES[scheme].credentials
    if kind not in taken:
        kinds = ", ".join(taken) or "no credentials"
        raise ValueError(f"urls of {scheme} take {kinds}, not {kind}")
    return prefix


def _is_json_object(text: str) -> bool:
    try:
        found: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return isinstance(found, dict)
