"""Bundles of DRS that have no end: a filer takes as many of them as it may, and says so."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from files.certificates import Authority
from servers.http import HttpFiles
from servers.secure_http import secure_http_server
from tesk_model.task import FileType, Input

OBJECTS = "/ga4gh/drs/v1/objects/"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[HttpFiles]:
    with secure_http_server(authority) as files:
        files.files["/bytes"] = b"x"
        way = {"type": "https", "access_url": {"url": files.url + "/bytes"}}
        publish(files, "file", size=1, access_methods=[way])
        yield files


def publish(server: HttpFiles, name: str, **fields: object) -> None:
    server.files[OBJECTS + name] = json.dumps({"id": name, **fields}).encode()


def bundle(server: HttpFiles, name: str, **members: str) -> None:
    contents = [{"name": key, "id": value} for key, value in members.items()]
    publish(server, name, contents=contents)


def bring(
    folder: Path, server: HttpFiles, authority: Authority, **limits: int
) -> tuple[int, str]:
    """Bring the bundle ``top``; return the exit code and the error."""
    url = server.url.replace("https:", "drs:") + "/top"
    with transfer_server(TransferRecord()) as record:
        record.inputs = (Input(path="/in", url=url, type=FileType.DIRECTORY),)
        trust = {"REQUESTS_CA_BUNDLE": str(authority.certificate)}
        limited = {f"TESK_FILER_MAX_{key.upper()}": str(limits[key]) for key in limits}
        code, log = FilerRun(folder, environ=trust | limited).run(record, "inputs")
        assert record.results, log
        return code, record.result.error


def test_a_bundle_that_holds_itself_ends(
    tmp_path: Path, server: HttpFiles, authority: Authority
) -> None:
    bundle(server, "top", x="file", again="top", other="inner")
    bundle(server, "inner", y="file", up="top", again="inner")

    assert bring(tmp_path, server, authority) == (0, "")

    found = [path for path in (tmp_path / "volume/in").rglob("*") if path.is_file()]
    names = sorted(str(path.relative_to(tmp_path / "volume/in")) for path in found)
    assert names == ["other/y", "x"]


def test_bundles_that_are_nested_too_deep_are_told(
    tmp_path: Path, server: HttpFiles, authority: Authority
) -> None:
    bundle(server, "top", d="b0")
    for depth in range(20):
        bundle(server, f"b{depth}", d=f"b{depth + 1}")

    code, error = bring(tmp_path, server, authority, depth=5)

    assert (code, error.partition(": ")[0]) == (65, "inputs[0] (/in)")
    assert "is nested deeper than 5 directories (filer.max_depth)" in error
    assert len(server.requests) < 20


def test_bundles_that_multiply_are_told(
    tmp_path: Path, server: HttpFiles, authority: Authority
) -> None:
    bundle(server, "top", a="b0", b="c0")
    for depth in range(60):  # two ways into each of two, at each depth
        for name in "bc":
            bundle(server, f"{name}{depth}", a=f"b{depth + 1}", b=f"c{depth + 1}")

    code, error = bring(tmp_path, server, authority, files=50)

    assert code == 65
    assert "is more than 50 files and directories" in error
    assert len(server.requests) < 500
