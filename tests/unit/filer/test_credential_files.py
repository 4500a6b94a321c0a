"""What files of credentials may say, and what is told of those that are wrong."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.adapters.storage.credential_files import read_credential_files
from tesk_filer.adapters.storage.watched_files import MAX_BYTES, Reading
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.domain.credentials import (
    AzureAccount,
    BearerToken,
    Credential,
    GcsAccount,
    Login,
    S3Account,
    S3Keys,
)
from tesk_model.locations import parse_location

SECRET = "hunter2"
ADA = TaskOwner(name="ada")


def folder_of(folder: Path, files: Mapping[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return str(folder)


def find(*paths: str, url: str, owner: TaskOwner = ADA) -> Credential | None:
    return read_credential_files(paths, Reading()).find(parse_location(url), owner)


def one(entry: str) -> str:
    return "credentials:\n- " + entry.replace("\n", "\n  ")


ENTRIES: dict[str, tuple[str, str, Credential]] = {
    "a login": (
        "prefix: ftp://h\nlogin: {user: ada, password: 'p: #é'}",
        "ftp://h/x",
        Login(user="ada", password="p: #é"),
    ),
    "a login without password": (
        "prefix: https://h/a\nlogin: {user: ada, password: ''}",
        "https://h/a/x",
        Login(user="ada", password=""),
    ),
    "a token": (
        "prefix: https://h\nbearer: {token: abc.def-1~+/=}",
        "https://h/x",
        BearerToken(token="abc.def-1~+/="),
    ),
    "a value in a file": (
        "prefix: https://h\nbearer: {tokenFile: secrets/token}",
        "https://h/x",
        BearerToken(token="from-a-file"),
    ),
    "keys of a bucket": (
        """prefix: s3://b
s3:
  accessKey: AK
  secretKeyFile: secrets/token
  sessionToken: ST
  region: eu-1
  endpoint: https://s3.h
  virtualHosts: true
""",
        "s3://b/x",
        S3Account(
            endpoint="https://s3.h",
            region="eu-1",
            virtual_hosts=True,
            keys=S3Keys(access_key="AK", secret_key="from-a-file", session_token="ST"),
        ),
    ),
    "a bucket without keys": (
        "prefix: s3://b\ns3: {anonymous: true}",
        "s3://b/x",
        S3Account(anonymous=True),
    ),
    "a whole scheme": (
        "prefix: az://\nazure: {key: a2V5, endpoint: 'https://a.blob.core.windows.net'}",
        "az://container/x",
        AzureAccount(key="a2V5", endpoint="https://a.blob.core.windows.net"),
    ),
    "a container of an account": (
        "prefix: abfss://c@acc.dfs.core.windows.net/a\nazure: {sas: '?sig=x'}",
        "abfss://c@ACC.dfs.core.windows.net/a/b",
        AzureAccount(sas="sig=x"),
    ),
    "all containers of an account": (
        "prefix: abfss://acc.dfs.core.windows.net/\nazure: {anonymous: true}",
        "abfss://c@acc.dfs.core.windows.net/a/b",
        AzureAccount(anonymous=True),
    ),
    "a service account": (
        "prefix: gs://b\ngcs: {keyFile: secrets/account.json}",
        "gs://b/x",
        GcsAccount(key='{"type": "service_account"}'),
    ),
    "for an owner": (
        "prefix: https://h\nowners: [bob, ada]\nlogin: {user: u, password: p}",
        "https://h/x",
        Login(user="u", password="p"),
    ),
}


@pytest.mark.parametrize(("entry", "url", "want"), ENTRIES.values(), ids=ENTRIES)
def test_an_entry_gives_a_credential(
    tmp_path: Path, entry: str, url: str, want: Credential
) -> None:
    files = {
        "a.yaml": one(entry),
        "secrets/token": "from-a-file\n",
        "secrets/account.json": '{"type": "service_account"}\n',
    }
    folder = folder_of(tmp_path, files)

    assert find(folder, url=url) == want


def test_every_yaml_file_of_every_folder_is_read_and_nothing_else(
    tmp_path: Path,
) -> None:
    login = "login: {user: ada, password: p}"
    first = folder_of(
        tmp_path / "1",
        {
            "a.yaml": one(f"prefix: ftp://a\n{login}"),
            "b.yml": one(f"prefix: ftp://b\n{login}"),
            ".hidden.yaml": "[",
            "token": "[",
        },
    )
    second = folder_of(tmp_path / "2", {"c": one(f"prefix: ftp://c\n{login}")})

    table = read_credential_files((first, f"{second}/c"), Reading())

    for host in ("a", "b", "c"):
        assert table.find(parse_location(f"ftp://{host}/x"), ADA)


def test_no_files_hold_no_credentials() -> None:
    assert find(url="ftp://h/x") is None


LOGIN = f"login: {{user: ada, password: {SECRET}}}"
WRONG: dict[str, tuple[str, str]] = {
    "no YAML": (f"credentials: [{{{SECRET}", r"a\.yaml is not YAML; see its line 2"),
    "no date": ("credentials: 2001-99-99", "is not YAML"),
    "too deep": ("[" * 30_000, "is nested deeper than 100 levels; see its line 1"),
    "a name twice": (
        f"{SECRET}: 1\n{SECRET}: 2",
        r"a\.yaml has a name twice in one mapping; see its line 2",
    ),
    "nothing": ("", 'must hold a list "credentials"'),
    "a list": (f"- {SECRET}", 'must hold a list "credentials"'),
    "more": (f"credentials: []\n{SECRET}: 1", "and nothing else"),
    "too long": ("#" * (MAX_BYTES + 1), "is larger than"),
    "too many": ("credentials: [" + "1, " * 10_001 + "]", "more than 10000"),
    "an entry that is none": (
        f"credentials: [{SECRET}]",
        r"credentials\[0\]: must be a mapping, not text",
    ),
    "no prefix": (one(LOGIN), r"credentials\[0\]: needs prefix"),
    "no url": (one(f"prefix: h\n{LOGIN}"), r"\.prefix: is neither a url"),
    "an unknown scheme": (
        one(f"prefix: {SECRET}://h\n{LOGIN}"),
        r"\.prefix: must begin with one of s3, ",
    ),
    "a path": (one(f"prefix: /a\n{LOGIN}"), "urls of file take no credentials"),
    "any account": (
        one("prefix: abfss://\nazure: {anonymous: true}"),
        "names no host",
    ),
    "a path without its container": (
        one("prefix: abfss://a.dfs.core.windows.net/x\nazure: {anonymous: true}"),
        "names no valid container",
    ),
    "two keys of Azure": (
        one(f"prefix: az://c\nazure: {{key: {SECRET}, sas: x}}"),
        r"\.azure: key, sas and anonymous exclude each other",
    ),
    "a key of Google that is none": (
        one(f"prefix: gs://b\ngcs: {{key: {SECRET}}}"),
        r"\.gcs: key must be the JSON of a service account",
    ),
    "a key of Google for nobody": (
        one(f"prefix: gs://b\ngcs: {{key: '{{}}{SECRET}', anonymous: true}}"),
        r"\.gcs: key and anonymous exclude each other",
    ),
    "any host": (one(f"prefix: ftp://\n{LOGIN}"), "names no host"),
    "a user": (
        one(f"prefix: 'ftp://u:{SECRET}@h'\n{LOGIN}"),
        r"\.prefix: must not hold user, password or query",
    ),
    "a query": (
        one(f"prefix: 'https://h?{SECRET}'\n{LOGIN}"),
        r"\.prefix: must not hold user, password or query",
    ),
    "keys of S3 for a host": (
        one(f"prefix: ftp://h\ns3: {{accessKey: a, secretKey: {SECRET}}}"),
        r"\.prefix: urls of ftp take login, not s3",
    ),
    "no credential": (one("prefix: ftp://h"), "must have one of login, bearer"),
    "two": (
        one(f"prefix: https://h\nbearer: {{token: {SECRET}}}\n{LOGIN}"),
        "must have one of login, bearer",
    ),
    "an unknown field": (
        one(f"prefix: ftp://h\n{LOGIN[:-1]}, {SECRET}: {SECRET}}}"),
        r"credentials\[0\]\.login: has an unknown field; there are user, password$",
    ),
    "a slip in the name of a field": (
        one(f"prefix: ftp://h\nlogin: {{user: ada, pasword: {SECRET}}}"),
        r'\.login: has the unknown field "pasword", perhaps for "password"; there are',
    ),
    "an unknown field of the entry": (
        one(f"prefix: ftp://h\n{SECRET}: {SECRET}\n{LOGIN}"),
        r"credentials\[0\]: has an unknown field; there are prefix, owners, groups, ",
    ),
    "a number": (
        one("prefix: ftp://h\nlogin: {user: ada, password: 123}"),
        r"\.login\.password: must be text, not a whole number; write it in quotes",
    ),
    "an empty user": (
        one(f"prefix: ftp://h\nlogin: {{user: '', password: {SECRET}}}"),
        r"\.login\.user: must not be empty",
    ),
    "lines": (
        one("prefix: ftp://h\nlogin: {user: ada, passwordFile: lines}"),
        r"\.login\.password: must hold no line ends",
    ),
    "a line end": (
        one(f'prefix: ftp://h\nlogin: {{user: ada, password: "{SECRET}\\r\\nDELE x"}}'),
        r"\.login\.password: must hold no line ends",
    ),
    "a token that is no header": (
        one(f'prefix: https://h\nbearer: {{token: "{SECRET} x"}}'),
        r"\.bearer\.token: must consist of visible ASCII",
    ),
    "an endpoint with a password": (
        one(f"prefix: s3://b\ns3: {{endpoint: 'https://u:{SECRET}@h'}}"),
        r"\.s3\.endpoint: must be a url of http or https",
    ),
    "half of two keys": (
        one(f"prefix: s3://b\ns3: {{secretKey: {SECRET}}}"),
        r"\.s3: accessKey and secretKey belong together",
    ),
    "a token alone": (
        one(f"prefix: s3://b\ns3: {{sessionToken: {SECRET}}}"),
        r"\.s3: sessionToken needs accessKey",
    ),
    "keys of nobody": (
        one(
            f"prefix: s3://b\ns3: {{anonymous: true, accessKey: {SECRET}, secretKey: x}}"
        ),
        r"\.s3: anonymous and accessKey exclude each other",
    ),
    "a value twice": (
        one(f"prefix: ftp://h\n{LOGIN[:-1]}, passwordFile: {SECRET}}}"),
        r"\.login: has both password and passwordFile",
    ),
    "a file that is not there": (
        one(f"prefix: ftp://h\nlogin: {{user: ada, passwordFile: {SECRET}}}"),
        r"\.login\.passwordFile: the file cannot be read: No such file",
    ),
    "an empty file": (
        one("prefix: ftp://h\nlogin: {user: ada, passwordFile: empty}"),
        r"\.login\.passwordFile: the file is empty",
    ),
    "a file elsewhere": (
        one(f"prefix: ftp://h\nlogin: {{user: ada, passwordFile: x/../../{SECRET}}}"),
        r"\.login\.passwordFile: must name a file in the folder",
    ),
    "a file anywhere": (
        one(f"prefix: ftp://h\nlogin: {{user: ada, passwordFile: /{SECRET}}}"),
        r"\.login\.passwordFile: must name a file in the folder",
    ),
    "no name of a file": (
        one("prefix: ftp://h\nlogin: {user: ada, passwordFile: [1]}"),
        r"\.login\.passwordFile: must name a file in the folder",
    ),
    "a field that is no text": (
        one("prefix: ftp://h\nlogin: {1: 2}"),
        r"credentials\[0\]\.login",
    ),
    "the same prefix twice": (
        one(f"prefix: ftp://h\n{LOGIN}") + f"\n- prefix: ftp://h:21/\n  {LOGIN}",
        r"credentials\[1\]\.prefix: is that of .*a\.yaml: credentials\[0\], too",
    ),
}


@pytest.mark.parametrize(("text", "want"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_and_not_shown(
    tmp_path: Path, text: str, want: str
) -> None:
    folder = folder_of(tmp_path, {"a.yaml": text, "empty": "\n", "lines": "a\nb\n"})

    with pytest.raises(ValueError, match=want) as caught:
        read_credential_files((folder,), Reading())

    assert "a.yaml" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_setting_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    for path, want in (
        ("a.yaml", "must be an absolute path"),
        (str(tmp_path / "none"), "none cannot be read: No such file"),
        (str(tmp_path), r"holds no file \*\.yaml"),
    ):
        with pytest.raises(ValueError, match=r"TESK_FILER_CREDENTIALS") as caught:
            read_credential_files((path,), Reading())
        assert caught.match(want)


FIELDS = st.sampled_from(
    [
        *("prefix", "owners", "groups", "login", "bearer", "privateKey", "s3", "azure"),
        *("gcs", "user", "password", "passwordFile", "token", "key", "File"),
    ]
)
SECRETS = st.sampled_from(
    [
        f"{begin}{SECRET}{end}"
        for begin in ("", "s3://", "https://u:", "x: ")
        for end in ("", "\n", "@h", "://x")
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | SECRETS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner),
    max_leaves=3,
)


@given(st.lists(st.dictionaries(FIELDS, VALUES), max_size=2))
def test_any_file_is_read_or_refused_with_a_reason_that_quotes_no_value(
    tmp_path_factory: pytest.TempPathFactory, entries: list[object]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(json.dumps({"credentials": entries}))

    try:
        read_credential_files((str(file),), Reading())
    except ValueError as error:
        assert str(file) in str(error)  # noqa: PT017 - it may be none, too
        assert SECRET not in str(error)  # noqa: PT017


DOCUMENTS = Path(__file__).parents[3] / "docs"
EXAMPLES = [
    example
    for page in sorted(DOCUMENTS.rglob("*.md"))
    for example in re.findall(
        r"```yaml\n(credentials:\n.*?)```", page.read_text(), re.DOTALL
    )
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_documents_are_accepted(
    tmp_path: Path, example: str
) -> None:
    contents = {
        "keyFile: id": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        "service-account": '{"type": "service_account"}\n',
    }
    for field, name in re.findall(r"(\w+File: )([\w.-]+)", example):
        found = (text for begin, text in contents.items() if begin in f"{field}{name}")
        (tmp_path / name).write_text(next(found, "c2VjcmV0\n"))
    (tmp_path / "credentials.yaml").write_text(example)

    read_credential_files((str(tmp_path),), Reading())


def test_the_documents_have_examples() -> None:
    assert len(EXAMPLES) >= 3
