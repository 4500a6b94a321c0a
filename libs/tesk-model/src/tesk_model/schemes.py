"""Lists the schemes of storage urls and what each supports.

The api refuses what an installation does not offer, service-info and the documents
list it, and the filer opens the storage that a row names. A new scheme is a row
here and a module of ``tesk_filer.adapters.storage``.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Use(Enum):
    """What a task does with a url."""

    INPUT = "inputs"
    OUTPUT = "outputs"
    DIRECTORY = "inputs of type DIRECTORY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One scheme.

    Attributes:
        name: In lower case.
        form: How its urls are written, for people.
        storage: Module of ``tesk_filer.adapters.storage`` that serves it.
        reads: Files can be inputs.
        writes: Files can be outputs.
        lists: Directories can be listed, so that they can be inputs.
        is_tree: A name is a file or a directory, never both.
        is_keyed: A path is the key of an object: the slash after the host is not part
            of it, and all others are.
        is_encoded: Paths are percent-encoded; otherwise every character of them is
            itself.
        has_container: What stands before ``@`` is the container of an account, not a
            user.
        has_query: ``?`` and ``#`` end a path.
        is_ftp: Paths are those of RFC 1738, 3.2: relative to the directory of the login
            after the first slash, without line ends, with an optional ``;type=``.
        widening: How many times as many small files as usual may move at once to or from
            a host that is far away.
        port: The usual one; None if a host has no ports.
        login: How credentials are given, if not by user and password in the url.
        credentials: What files of credentials may hold for its urls.
    """

    name: str
    form: str
    storage: str
    reads: bool = True
    writes: bool = True
    lists: bool = True
    is_tree: bool = False
    is_keyed: bool = False
    is_encoded: bool = True
    has_container: bool = False
    has_query: bool = False
    is_ftp: bool = False
    widening: int = 1
    port: int | None = None
    login: str = ""
    credentials: tuple[str, ...] = ()

    def allows(self, use: Use) -> bool:
        """Tell whether the scheme supports ``use``."""
        if use is Use.OUTPUT:
            return self.writes
        return self.reads and (self.lists or use is Use.INPUT)


_STORE, _WEB = 4, 2  # object stores take thousands of connections, web servers some
_S3_LOGIN = "set them for the filer (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
_OPERATOR = "the operator gives them to the filer"

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            Scheme(
                name="file",
                form="file:///path or /path",
                storage="files",
                is_tree=True,
            ),
            Scheme(
                name="s3",
                form="s3://bucket/key",
                storage="s3_buckets",
                widening=_STORE,
                is_keyed=True,
                is_encoded=False,
                login=_S3_LOGIN,
                credentials=("s3",),
            ),
            Scheme(
                name="gs",
                form="gs://bucket/name",
                storage="gs",
                widening=_STORE,
                is_keyed=True,
                is_encoded=False,
                login=_OPERATOR,
                credentials=("gcs",),
            ),
            Scheme(
                name="az",
                form="az://container/blob",
                storage="azure",
                widening=_STORE,
                is_keyed=True,
                is_encoded=False,
                login=_OPERATOR,
                credentials=("azure",),
            ),
            *(
                Scheme(
                    name=name,
                    form=f"{name}://container@account.dfs.core.windows.net/path",
                    storage="azure",
                    widening=_STORE,
                    is_keyed=True,
                    is_encoded=False,
                    has_container=True,
                    credentials=("azure",),
                )
                for name in ("abfs", "abfss")
            ),
            Scheme(
                name="http",
                form="http://host/path",
                storage="http",
                widening=_WEB,
                lists=False,
                has_query=True,
                port=80,
                credentials=("login", "bearer", "azure"),
            ),
            Scheme(
                name="https",
                form="https://host/path",
                storage="http",
                widening=_WEB,
                lists=False,
                has_query=True,
                port=443,
                credentials=("login", "bearer", "azure"),
            ),
            Scheme(
                name="htsget",
                form="htsget://host/reads/ID",
                storage="htsget",
                writes=False,
                lists=False,
                has_query=True,
                port=443,
                credentials=("login", "bearer"),
            ),
            Scheme(
                name="drs",
                form="drs://host/ID",
                storage="drs",
                writes=False,
                port=443,
                credentials=("login", "bearer"),
            ),
            Scheme(
                name="ftp",
                form="ftp://host/path",
                storage="ftp",
                is_tree=True,
                is_ftp=True,
                port=21,
                credentials=("login",),
            ),
            Scheme(
                name="ftps",
                form="ftps://host/path",
                storage="ftp",
                is_tree=True,
                is_ftp=True,
                port=21,
                credentials=("login",),
            ),
            Scheme(
                name="sftp",
                form="sftp://user@host/path",
                storage="sftp",
                is_tree=True,
                port=22,
                credentials=("login", "privateKey"),
            ),
            *(
                Scheme(
                    name=name,
                    form=f"{name}://host/path",
                    storage="webhdfs",
                    is_tree=True,
                    is_encoded=False,
                    port=port,
                    credentials=("login", "bearer"),
                )
                for name, port in (
                    ("hdfs", 8020),
                    ("webhdfs", 9870),
                    ("swebhdfs", 9871),
                )
            ),
        )
    }
)


MOST_WIDENING = max(scheme.widening for scheme in SCHEMES.values())
"""See ``Scheme.widening``."""

REMOTE_URLS = tuple(f"{name}://" for name in SCHEMES if name != "file")
"""Prefixes of urls that lead to other machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedSchemes:
    """Which schemes an installation offers.

    Attributes:
        inputs: Names of those from which inputs may come.
        outputs: Names of those to which outputs may go.
    """

    inputs: AbstractSet[str] = frozenset(SCHEMES)
    outputs: AbstractSet[str] = frozenset(SCHEMES)

    def problem(self, name: str, use: Use) -> str | None:
        """Return why urls of the scheme ``name`` cannot be used so; None if they can."""
        names = self.outputs if use is Use.OUTPUT else self.inputs
        scheme = SCHEMES.get(name)
        if scheme is not None and name in names and scheme.allows(use):
            return None
        forms = _forms(
            each for each in SCHEMES.values() if each.name in names and each.allows(use)
        )
        return (
            f'scheme "{name[:40]}" is not offered for {use.value}; offered are {forms}'
        )


def _forms(schemes: Iterable[Scheme]) -> str:
    return ", ".join(scheme.form for scheme in schemes) or "none"
