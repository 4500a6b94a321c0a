"""Whether a file could be written, asked of each storage without writing one."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract.storage.clouds import open_azure, open_gs, open_s3, open_webhdfs
from contract.storage.conftest import sftp_storage
from contract.storage.places import OPEN_EGRESS, TIMEOUTS, Place
from fakes.filer_credentials import FixedCredentials
from servers.azure import KEY
from servers.ftp import FtpKind, ftp_server
from servers.s3 import S3Service
from servers.scripted import Script, answer, scripted_server
from servers.sftp import sftp_server
from servers.webhdfs import webhdfs_server
from tesk_filer.adapters.storage.ftp import FtpStorage
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.domain.credentials import (
    AzureAccount,
    GcsAccount,
    S3Account,
    S3Keys,
)
from tesk_filer.ports import StorageError
from tesk_filer.usecases.checks import ChecksWrites


def found(place: Place, name: str) -> WriteFound:
    assert isinstance(place.storage, ChecksWrites)
    return place.storage.check_write(place.at(name))


def test_a_file_that_can_be_written_is_not_refused_and_nothing_is_left(
    listing_place: Place,
) -> None:
    if not isinstance(listing_place.storage, ChecksWrites):
        pytest.skip("it has no such question")
    listing_place.put(listing_place.at("there"), b"x")

    for name in ("there", "new", "folder/below/new"):
        assert found(listing_place, name).verdict is not Verdict.FAILED

    assert [each.name for each in listing_place.walk(listing_place.url)] == ["there"]
    assert listing_place.get(listing_place.at("there")) == b"x"


CERTAIN = ["s3", "s3_sdk", "gs", "azure", "azurite"]


@pytest.mark.parametrize("kind", CERTAIN)
def test_object_stores_say_so(kind: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(f"{kind}_place")

    verdict, message = found(place, "new")

    assert verdict is Verdict.OK
    assert "nothing was written" in message
    assert place.stat(place.at("new")) is None


@pytest.mark.parametrize("kind", ["s3", "s3_sdk"])
def test_no_upload_to_s3_is_left(
    kind: str, request: pytest.FixtureRequest, s3_service: S3Service
) -> None:
    found(request.getfixturevalue(f"{kind}_place"), "new")

    client = s3_service.client()
    listed = client.list_multipart_uploads(Bucket="bucket")
    client.close()
    assert "Uploads" not in listed


def test_a_missing_bucket_is_told(s3_place: Place) -> None:
    place = Place(s3_place.storage, "s3://no-such-bucket", has_directories=False)

    with pytest.raises(StorageError, match="bucket does not exist"):
        found(place, "new")


def s3_error(code: str, status: int = 403) -> bytes:
    return answer(status, f"<Error><Code>{code}</Code></Error>".encode())


BEGUN = answer(
    200,
    b"<InitiateMultipartUploadResult><UploadId>u1</UploadId>"
    b"</InitiateMultipartUploadResult>",
)


@contextmanager
def s3(*answers: bytes) -> Iterator[tuple[Script, Place]]:
    with scripted_server(*answers) as script:
        keys = S3Keys(access_key="AKIA1", secret_key="s3cr3t")
        account = S3Account(endpoint=script.url, region="r1", keys=keys)
        storage = open_s3(FixedCredentials(account))
        yield script, Place(storage, "s3://bucket/d", has_directories=False)
        storage.close()


def lines(script: Script) -> list[str]:
    """Return method and target of each request."""
    return [" ".join(each.split()[:2]) for each in script.requests]


def test_an_upload_is_begun_and_aborted_for_the_very_name() -> None:
    with s3(BEGUN, answer(204)) as (script, place):
        assert found(place, "a").verdict is Verdict.OK

        assert lines(script) == [
            "POST /bucket/d/a?uploads=",
            "DELETE /bucket/d/a?uploadId=u1",
        ]


def test_who_may_not_write_to_s3_is_told() -> None:
    with (
        s3(s3_error("AccessDenied")) as (script, place),
        pytest.raises(StorageError, match="access denied"),
    ):
        found(place, "a")
    assert len(script.requests) == 1


def test_an_upload_that_may_not_be_aborted_is_told_with_its_cure() -> None:
    with s3(BEGUN, s3_error("AccessDenied")) as (_, place):
        verdict, message = found(place, "a")

    assert verdict is Verdict.OK
    assert "could not be aborted and stays, without content: access denied" in message
    assert "allow s3:AbortMultipartUpload" in message


def test_an_upload_that_is_gone_was_aborted() -> None:
    with s3(BEGUN, s3_error("NoSuchUpload", 404)) as (_, place):
        assert "and aborted" in found(place, "a").message


def test_an_abort_is_tried_again() -> None:
    with s3(BEGUN, s3_error("InternalError", 500), answer(204)) as (script, place):
        assert "and aborted" in found(place, "a").message
    assert len(script.requests) == 3


def test_a_service_without_uploads_in_parts_cannot_be_asked() -> None:
    with s3(s3_error("NotImplemented", 501)) as (_, place):
        assert found(place, "a").verdict is Verdict.UNKNOWN


@contextmanager
def gs(*answers: bytes) -> Iterator[tuple[Script, Place]]:
    with scripted_server(*answers) as script:
        storage = open_gs(GcsAccount(endpoint=script.url, anonymous=True))
        yield script, Place(storage, "gs://bucket/d", has_directories=False)
        storage.close()


def said(document: Any, status: int = 200) -> bytes:
    return answer(status, json.dumps(document).encode())


def granted(*names: str) -> bytes:
    return said({"permissions": [f"storage.objects.{each}" for each in names]})


def test_permissions_of_a_bucket_are_asked_for_first() -> None:
    with gs(granted("create", "delete")) as (script, place):
        assert found(place, "a").verdict is Verdict.OK

        assert lines(script) == [
            "GET /storage/v1/b/bucket/iam/testPermissions?"
            + "&".join(f"permissions=storage.objects.{n}" for n in ("create", "delete"))
        ]


def test_what_is_there_and_must_not_be_replaced_is_told() -> None:
    there = said({"name": "d/a", "size": "1", "generation": "7"})
    with gs(granted("create"), there) as (_, place):
        verdict, message = found(place, "a")

    assert verdict is Verdict.FAILED
    assert "must not be replaced: storage.objects.delete is lacking" in message


ABSENT = {"nothing there": said({}, 404), "what may not be read": said({}, 403)}


@pytest.mark.parametrize("there", ABSENT.values(), ids=ABSENT)
def test_the_permission_to_create_is_enough_for(there: bytes) -> None:
    with gs(granted("create"), there) as (_, place):
        assert found(place, "a").verdict is Verdict.OK


UNTOLD = {"not granted for all names": granted(), "not told": said({}, 403)}


@pytest.mark.parametrize("told", UNTOLD.values(), ids=UNTOLD)
def test_a_permission_for_some_names_is_found_by_an_upload(told: bytes) -> None:
    with scripted_server() as script:
        begun = answer(200, b"", location=f"{script.url}/session?secret")
        script.answers[:] = [told, begun, answer(499)]
        storage = open_gs(GcsAccount(endpoint=script.url, anonymous=True))
        place = Place(storage, "gs://bucket/d", has_directories=False)

        assert "and aborted" in found(place, "a").message

        storage.close()
        assert "uploadType=resumable&name=d%2Fa" in lines(script)[1]
        assert lines(script)[2] == "DELETE /session?secret"


def test_who_may_not_write_to_google_is_told() -> None:
    with (
        gs(granted(), said({}, 403)) as (_, place),
        pytest.raises(StorageError, match="access denied"),
    ):
        found(place, "a")


def azure_answer(code: str, status: int) -> bytes:
    return answer(status, x_ms_error_code=code)


@contextmanager
def azure(*answers: bytes) -> Iterator[tuple[Script, Place]]:
    with scripted_server(*answers) as script:
        storage = open_azure(AzureAccount(endpoint=f"{script.url}/account", key=KEY))
        yield script, Place(storage, "az://data/d", has_directories=False)
        storage.close()


def test_azure_is_asked_for_what_it_must_refuse() -> None:
    with azure(azure_answer("InvalidBlockList", 400)) as (script, place):
        assert found(place, "a").verdict is Verdict.OK

        assert lines(script) == ["PUT /account/data/d/a?comp=blocklist"]


REFUSED = {
    "who may not write": ("AuthorizationPermissionMismatch", 403, "access denied"),
    "a container that is not there": (
        "ContainerNotFound",
        404,
        "the container does not exist",
    ),
}


@pytest.mark.parametrize(("code", "status", "want"), REFUSED.values(), ids=REFUSED)
def test_azure_tells(code: str, status: int, want: str) -> None:
    with (
        azure(azure_answer(code, status)) as (_, place),
        pytest.raises(StorageError, match=want),
    ):
        found(place, "a")


@contextmanager
def ftp(folder: Path, kind: FtpKind) -> Iterator[Place]:
    with ftp_server(folder, kind) as server:
        storage = FtpStorage(TIMEOUTS, egress=OPEN_EGRESS)
        yield Place(storage, server.url)
        storage.close()


def outcomes(place: Place, names: Sequence[str]) -> list[str]:
    """Return for each name the verdict, or why a file cannot be written."""
    told = []
    for name in names:
        try:
            told.append(found(place, name).verdict.value)
        except StorageError as error:
            told.append(error.message)
    return told


def test_an_ftp_server_tells_by_its_facts(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    with ftp(tmp_path, FtpKind()) as place:
        assert outcomes(place, ["a", "new/a", "folder"]) == [
            "ok",
            "unknown",
            "is a directory; end the url in the name of a file",
        ]
    with ftp(tmp_path, FtpKind(permissions="elr")) as place:
        assert (
            outcomes(place, ["a", "new/a"])
            == ["access denied: nothing can be made in /"] * 2
        )
    with ftp(tmp_path, FtpKind(without=frozenset({"MLST", "MLSD"}))) as place:
        assert outcomes(place, ["a"]) == ["unknown"]


def test_an_sftp_server_tells_what_surely_fails(tmp_path: Path) -> None:
    served = tmp_path / "served"
    (served / "folder").mkdir(parents=True)
    (served / "file").write_bytes(b"")
    (served / "closed").mkdir(mode=0o555)
    with sftp_server(served) as server:
        storage = sftp_storage(server)
        place = Place(storage, f"{server.url_with_password}{served}")

        told = outcomes(place, ["a", "new/a", "folder", "file/a", "closed/a"])

        storage.close()
    assert told == [
        "unknown",
        "unknown",
        "is a directory; end the url in the name of a file",
        "a directory of its path is a file",
        f"access denied: nobody may write in {served}/closed",
    ]


def test_hdfs_is_asked_for_the_nearest_folder() -> None:
    with webhdfs_server() as server:
        server.put("/base/file", b"x")
        storage = open_webhdfs()
        place = Place(storage, f"{server.url}/base")

        assert outcomes(place, ["a", "new/a", "file/a"]) == [
            "ok",
            "ok",
            "one of the directories above it is a file",
        ]
        server.faults["CHECKACCESS"] = [(403, "AccessControlException")]
        assert "access denied" in outcomes(place, ["a"])[0]
        server.tells_access = False
        assert outcomes(place, ["a"]) == ["unknown"]
        storage.close()
