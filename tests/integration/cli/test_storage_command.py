"""``tesk storage`` as a process, on real servers."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.tasks import make_task_json
from programs.serve_command import TESK, Serving, serving
from servers.http import Fault, HttpFiles, http_server
from servers.s3 import S3Service, s3_server

BUCKET = "commands"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Service]:
    with s3_server(BUCKET) as service:
        yield service


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server(user="ada", password="s3cr3t") as server:
        yield server


@pytest.fixture
def terminal(tmp_path: Path, s3: S3Service) -> Serving:
    """Runs commands with the credentials of the S3 service; no server runs."""
    made = serving(tmp_path)
    return Serving(tmp_path, {**made.environ, **s3.environ})


def test_files_go_to_s3_and_come_back(terminal: Serving) -> None:
    folder = terminal.folder / "data"
    (folder / "x").mkdir(parents=True)
    (folder / "x/y").write_bytes(bytes(1_000_000))
    (folder / "z").write_bytes(b"z")
    url = f"s3://{BUCKET}/there"

    put = terminal.tesk("storage", "put", "-r", "data", url)
    got = terminal.tesk("storage", "get", "-r", url, "back")
    listed = terminal.tesk("storage", "ls", url)

    assert put.returncode == 0, put.stderr
    assert "2 files, 976.6 KiB in " in put.stdout
    assert got.returncode == 0, got.stderr
    assert (terminal.folder / "back/x/y").read_bytes() == bytes(1_000_000)
    assert listed.stdout.split() == ["1000000", "x/y", "1", "z"]


def test_a_probe_leaves_nothing_in_s3(terminal: Serving, s3: S3Service) -> None:
    body = json.dumps(
        make_task_json(outputs=[{"path": "/o", "url": f"s3://{BUCKET}/probed/o"}])
    )

    checked = terminal.tesk("storage", "check", "-", "--write-probe", stdin=body)

    client = s3.client()
    left = client.list_objects_v2(Bucket=BUCKET, Prefix="probed/").get("Contents", [])
    client.close()
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "was written beside it, and removed" in checked.stdout
    assert left == []


def test_a_task_whose_bucket_does_not_exist_fails_its_check(terminal: Serving) -> None:
    body = json.dumps(
        make_task_json(
            inputs=[{"path": "/i", "url": "s3://nowhere-at-all/i"}],
            outputs=[{"path": "/o", "url": "s3://nowhere-at-all/o"}],
        )
    )

    checked = terminal.tesk(
        "storage", "check", "-", "--write-probe", "--json", stdin=body
    )

    verdicts = [each["verdict"] for each in json.loads(checked.stdout)]
    assert (checked.returncode, verdicts) == (1, ["failed", "failed"])


def test_a_download_is_stopped_by_ctrl_c(terminal: Serving, web: HttpFiles) -> None:
    web.files["/a"] = bytes(3_000_000)
    web.faults["/a"] = [Fault(hold_at=2_000_000)]
    url = f"{web.url_with_password}/a"
    command = [*TESK, "storage", "get", url, "a"]

    with subprocess.Popen(
        command,
        cwd=terminal.folder,
        env=terminal.environ,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert web.held.wait(60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        web.release.set()

    assert process.returncode == 130
    assert "stopped; complete files stay" in said
    assert "s3cr3t" not in said
    assert not (terminal.folder / "a").exists()


def test_a_slash_at_the_end_lists_an_index_page(
    terminal: Serving, web: HttpFiles
) -> None:
    web.headers["Content-Type"] = "text/html"
    web.files["/pub/"] = b'<a href="a">a</a><a href="b">b</a>'
    url = f"{web.url_with_password}/pub/"
    allowing = Serving(
        terminal.folder, {**terminal.environ, "TESK_URLS_INDEX_PAGES": web.url}
    )

    listed = allowing.tesk("storage", "ls", url)
    refused = terminal.tesk("storage", "ls", url)

    assert listed.stdout.split() == ["a", "b"], listed.stderr
    assert refused.returncode == 1
    assert "urls.index_pages" in refused.stderr


def test_the_password_of_a_url_is_not_shown(terminal: Serving, web: HttpFiles) -> None:
    wrong = web.url_with_password.replace("s3cr3t", "t0ps3cr3t")

    asked = terminal.tesk("storage", "stat", f"{wrong}/a")

    assert asked.returncode == 1
    assert f"{web.url}/a" in asked.stderr
    assert "t0ps3cr3t" not in asked.stderr + asked.stdout


def test_a_slip_in_a_file_of_credentials_is_one_line(terminal: Serving) -> None:
    file = terminal.folder / "credentials.yaml"
    file.write_text(
        "credentials:\n- prefix: https://h\n  login: {user: ada, pasword: t0ps3cr3t}\n"
    )
    wrong = Serving(
        terminal.folder, {**terminal.environ, "TESK_FILER_CREDENTIALS": str(file)}
    )

    asked = wrong.tesk("storage", "stat", "https://h/a")

    assert asked.returncode == 2
    assert asked.stderr == (
        f"tesk: filer.credentials (TESK_FILER_CREDENTIALS): {file}: "
        'credentials[0].login: has the unknown field "pasword", perhaps for '
        '"password"; there are user, password\n'
    )


def test_variables_that_are_no_settings_are_told_once(terminal: Serving) -> None:
    wrong = {"TESK_FILER_PARALEL": "4", "TESK_SERVR": "x", "TESK_API_PORTS": "x"}
    file = terminal.folder / "a"
    file.touch()

    asked = Serving(terminal.folder, {**terminal.environ, **wrong}).tesk(
        "storage", "stat", str(file)
    )

    ignored = "is no setting and is ignored; is"
    assert asked.returncode == 0
    assert asked.stderr == (
        f"tesk: TESK_SERVR {ignored} TESK_SERVER meant?\n"
        f"tesk: TESK_FILER_PARALEL {ignored} TESK_FILER_PARALLEL meant?\n"
    )
