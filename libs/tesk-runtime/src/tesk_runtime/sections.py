"""Sections of settings that several services read."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class GrpcSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Addresses, tokens and certificates of internal calls."""

    scheduler: Annotated[
        str,
        Meta(
            description="Address at which the other services reach the scheduler: "
            "`host:port`, `dns:///name:port` or `unix:/path`."
        ),
    ] = "127.0.0.1:7070"
    storage: Annotated[
        str,
        Meta(
            description="Address at which the api reaches what looks at the urls of "
            "tasks that are checked (`tesk-filer serve`), in the same form. Empty: "
            "nobody looks, and checks say so."
        ),
    ] = ""
    token_file: Annotated[
        str,
        Meta(
            description="File with the token that internal calls carry; "
            "the same for api, scheduler and taskmasters."
        ),
    ] = ""
    reflection: Annotated[bool, Meta(description="Offer gRPC server reflection.")] = (
        False
    )
    tls_certificate: Annotated[
        str,
        Meta(
            description="File with the scheduler's certificate and those between it "
            "and its authority (PEM); the scheduler then speaks TLS only. It is read "
            "again when it changes."
        ),
    ] = ""
    tls_key: Annotated[
        str, Meta(description="File with the key of `tls_certificate` (PEM).")
    ] = ""
    tls_ca: Annotated[
        str,
        Meta(
            description="File with the certificates of the authority that signed the "
            "scheduler's (PEM); api, taskmasters and filers then speak TLS only. It "
            "is read once, at the start."
        ),
    ] = ""


class LocalSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """TESK on one machine, without a cluster."""

    home: Annotated[
        str,
        Meta(
            description="Folder for the database, the tasks' volumes and the internal "
            "token. Empty: `tesk` below `$XDG_STATE_HOME` or `~/.local/state`.",
            extra={"variable": "TESK_HOME"},
        ),
    ] = ""
    engine: Annotated[
        Literal["auto", "container", "sandbox"],
        Meta(
            description="What runs executors: a Docker-compatible engine, or "
            "bubblewrap with this machine's programs. `auto`: the engine if one "
            "answers.",
            extra={"variable": "TESK_ENGINE"},
        ),
    ] = "auto"
    network: Annotated[
        Literal["none", "loopback-free", "host"],
        Meta(
            description="What executors reach. `none`: nothing. `loopback-free`: "
            "other machines, but no service of this one's loopback and no other "
            "task; the sandbox needs slirp4netns or pasta (passt) for that and gives "
            "no network without. `host`: what every program of this machine reaches. "
            "docs/security.md says what each keeps out.",
            extra={"variable": "TESK_NETWORK"},
        ),
    ] = "loopback-free"
    network_addresses: Annotated[
        str,
        Meta(
            description="Range of IPv4 addresses from which containers get a network "
            "of eight for each attempt; the default is routed nowhere.",
            pattern=r"^\d+(\.\d+){3}/\d+$",
        ),
    ] = "198.18.0.0/15"
    file_roots: Annotated[
        tuple[str, ...],
        Meta(
            description="Folders that file:// urls and plain paths may read and "
            "write, separated by `:`. Places that docs/security.md lists are never "
            "touched, whatever is named here. Empty: none; `tesk serve` takes "
            "`~/tesk-files`.",
            extra={"variable": "TESK_FILE_ROOTS", "separator": ":"},
        ),
    ] = ()
    read_roots: Annotated[
        tuple[str, ...],
        Meta(
            description="Folders that file:// urls and plain paths may read, besides "
            "`file_roots`, separated by `:`. `tesk serve` adds its examples.",
            extra={"variable": "TESK_FILE_READ_ROOTS", "separator": ":"},
        ),
    ] = ()
    protected: Annotated[
        tuple[str, ...],
        Meta(
            description="More folders and files that no task reads or writes, "
            "separated by `:`.",
            extra={"variable": "TESK_PROTECTED", "separator": ":"},
        ),
    ] = ()
    references: Annotated[
        dict[str, str],
        Meta(
            description="Folders with reference data by name, which executors see "
            "read-only as inputs (`ref://NAME/PATH`), without a copy: `{grch38: "
            "/data/grch38}`.",
            extra={"variable": "TESK_REFERENCES"},
        ),
    ] = {}


class UrlSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Which urls tasks may use; the api refuses others, and so do filers.

    ``tesk_model.url_lists`` says how a pattern is read.
    """

    allow: Annotated[
        tuple[str, ...],
        Meta(
            description="Beginnings of the urls that tasks may use, separated by `,`: "
            "`https://data.example.org/public`, `s3://bucket`, `ftp://*.example.org`, "
            "`http://` for all of a scheme, `/data` for files. Empty: all urls. The "
            "longest that fits decides, of `allow` and `deny` together."
        ),
    ] = ()
    deny: Annotated[
        tuple[str, ...],
        Meta(
            description="Beginnings of urls that tasks may not use, in the same form. "
            "They hold for redirects, too."
        ),
    ] = ()
    index_pages: Annotated[
        tuple[str, ...],
        Meta(
            description="Beginnings of http and https urls, in the same form, whose "
            "directories can be inputs: the links of their index pages are what is in "
            "them."
        ),
    ] = ()


class StorageLogins(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Settings of the filer whose variables bear names that other tools use.

    They are here because the taskmaster passes them on to the filers that it starts.
    """

    netrc: Annotated[
        str,
        Meta(
            description="File with users and passwords for http and ftp by host, in "
            "the form of `.netrc`; its `default` entry is not used. A url with a user "
            "of its own comes first.",
            extra={"variable": "NETRC"},
        ),
    ] = ""
    credentials: Annotated[
        tuple[str, ...],
        Meta(
            description="Files with credentials by prefix of urls (docs/storage.md), "
            "and folders of which every `.yaml` file is read; absolute, separated by "
            "`:`. Where none fits, `netrc`, `s3_…` and the environment count.",
            extra={"separator": ":"},
        ),
    ] = ()


def state_home(settings: LocalSettings, environ: Mapping[str, str]) -> Path:
    """Return the absolute folder of the local state; it may not exist yet."""
    if settings.home:
        return Path(settings.home).absolute()
    base = environ.get("XDG_STATE_HOME") or str(
        Path(environ.get("HOME", "/")) / ".local" / "state"
    )
    return Path(base).absolute() / "tesk"


def read_token(
    path: str, setting: str = "grpc.token_file (TESK_GRPC_TOKEN_FILE)"
) -> str:
    """Read a token file.

    Raises:
        ValueError: The file cannot be read or is empty; names ``setting``.
    """
    try:
        token = Path(path).read_text(encoding="ascii").strip() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{setting}: cannot read {path}: {error}"
        raise ValueError(msg) from error
    if not token:
        msg = f"{setting}: must name a file with a token"
        raise ValueError(msg)
    return token


def read_tls_ca(settings: GrpcSettings) -> bytes:
    """Return the certificates that ``tls_ca`` names; empty if it names none.

    Raises:
        ValueError: The file cannot be read or holds no certificate.
    """
    if not settings.tls_ca:
        return b""
    setting = f"grpc.tls_ca (TESK_GRPC_TLS_CA): {settings.tls_ca}"
    try:
        ssl.create_default_context(cafile=settings.tls_ca)
        return Path(settings.tls_ca).read_bytes()
    except ssl.SSLError as error:
        msg = f"{setting} does not hold a certificate in PEM form"
        raise ValueError(msg) from error
    except OSError as error:
        msg = f"{setting} cannot be read: {error.strerror}"
        raise ValueError(msg) from error
