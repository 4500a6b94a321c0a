"""The common tools that move files, as a user calls them."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from servers.azure import ACCOUNT, KEY
from servers.s3 import REGION
from transfer_server import LOOPBACK, Server
from transfer_servers import SSH_KEY, SSH_USER


@dataclass(frozen=True)
class Job:
    """Files to move, in or out.

    Attributes:
        folder: Here.
        path: There, below the server's base.
        names: Of the files, below both.
    """

    server: Server
    inwards: bool
    folder: Path
    path: str
    names: Sequence[str]

    @property
    def url(self) -> str:
        """Of all files there."""
        return f"{self.server.base}/{self.path}"


Command = tuple[list[str], Mapping[str, str]]
"""Arguments and variables."""


@dataclass(frozen=True)
class Tool:
    """A program that moves files.

    Attributes:
        command: Returns how it is called.
    """

    name: str
    command: Callable[[Job], Command]

    @property
    def is_there(self) -> bool:
        """Whether this machine has it."""
        return shutil.which(self.name) is not None


def _endpoint(job: Job) -> str:
    return f"http://{LOOPBACK}:{job.server.port}"


def _keys(job: Job) -> dict[str, str]:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {name: job.server.environ[name] for name in names} | {"AWS_REGION": REGION}


def _ordered(job: Job, here: str, there: str) -> list[str]:
    return [there, here] if job.inwards else [here, there]


def _rclone(job: Job) -> Command:
    keys = _keys(job)
    return _rclone_by(
        job,
        type="s3",
        provider="Minio",
        endpoint=_endpoint(job),
        access_key_id=keys["AWS_ACCESS_KEY_ID"],
        secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


def _rclone_gs(job: Job) -> Command:
    url = f"{_endpoint(job)}/storage/v1/"
    return _rclone_by(
        job,
        type="google cloud storage",
        anonymous="true",
        endpoint=url,
        no_check_bucket="true",
    )


def _rclone_azure(job: Job) -> Command:
    """Copy; ``--fast-list``, since the server lists whole containers only."""
    url = f"{_endpoint(job)}/{ACCOUNT}"
    command, variables = _rclone_by(
        job,
        type="azureblob",
        account=ACCOUNT,
        key=KEY,
        endpoint=url,
        no_check_container="true",
    )
    return [*command, "--fast-list"], variables


def _rclone_by(job: Job, **remote: str) -> Command:
    """Copy from or to a remote that is defined by variables alone."""
    variables = {
        f"RCLONE_CONFIG_BENCH_{name.upper()}": value for name, value in remote.items()
    }
    there = f"bench:{job.url.partition('://')[2]}"
    command = ["rclone", "copy", *_ordered(job, str(job.folder), there)]
    return command, {"RCLONE_CONFIG": "/dev/null", **variables}


def _s5cmd(job: Job) -> Command:
    # Files in, it wants a pattern; files out, a folder that ends in a slash.
    there = f"{job.url}/*" if job.inwards else f"{job.url}/"
    ends = _ordered(job, f"{job.folder}/", there)
    return ["s5cmd", "--endpoint-url", _endpoint(job), "cp", *ends], _keys(job)


def _aws(job: Job) -> Command:
    command = ["aws", "--endpoint-url", _endpoint(job), "s3", "cp", "--recursive"]
    ends = _ordered(job, str(job.folder), job.url)
    return [*command, "--only-show-errors", *ends], _keys(job)


def _cp(job: Job) -> Command:
    """Copy; outputs are on the disk when it ends, as those of a filer."""
    there = job.url.removeprefix("file://")
    source, target = _ordered(job, str(job.folder), there)
    Path(target).mkdir(parents=True, exist_ok=True)
    script = 'cp -r "$1/." "$2"' + ("" if job.inwards else ' && sync -f "$2"')
    return ["sh", "-c", script, "cp", source, target], {}


def _curl(job: Job) -> Command:
    """Write what curl shall do into a file: there are too many for arguments."""
    lines = ["parallel", "parallel-max = 50", "fail", "silent", "show-error"]
    for name in job.names:
        url = f"{job.url}/{quote(name)}"
        option = "output" if job.inwards else "upload-file"
        lines += ["next"] if len(lines) > 5 and not job.inwards else []
        lines += [f'url = "{url}"', f'{option} = "{job.folder}/{name}"']
        lines += ["create-dirs"] if job.inwards else ["fail", "silent"]
    config = job.folder.parent / "curl.conf"
    config.write_text("\n".join(lines))
    return ["curl", "--config", str(config)], {}


def _lftp(job: Job) -> Command:
    server, _, path = job.url.rpartition("/")
    here = str(job.folder)
    way = f"/{path} {here}" if job.inwards else f"-R {here} /{path}"
    # What PASV tells is the server itself, not the proxy before it.
    script = f"set ftp:prefer-epsv yes; open {server}; mirror --no-perms"
    return ["lftp", "-c", f"{script} --parallel=8 {way}"], {}


def _sftp(job: Job) -> Command:
    """Write what sftp shall do into a file; each folder is a command of its own."""
    there = urlsplit(job.url)
    folders = sorted({name.partition("/")[0] for name in job.names})
    lines = [] if job.inwards else [f'-mkdir "{there.path}"']
    lines += [f'cd "{there.path}"', f'lcd "{job.folder}"']
    lines += [f"{'get' if job.inwards else 'put'} -r {folder}" for folder in folders]
    batch = job.folder.parent / "sftp.batch"
    batch.write_text("\n".join(lines) + "\n")
    environ = job.server.environ
    known = f"UserKnownHostsFile={environ['TESK_FILER_KNOWN_HOSTS']}"
    options = ["-q", "-b", str(batch), "-o", known, "-i", environ[SSH_KEY]]
    target = f"{environ[SSH_USER]}@{there.hostname}"
    return ["sftp", *options, "-P", str(there.port), target], {}


RCLONE, S5CMD, AWS = Tool("rclone", _rclone), Tool("s5cmd", _s5cmd), Tool("aws", _aws)
RCLONE_GS = Tool("rclone", _rclone_gs)
RCLONE_AZURE = Tool("rclone", _rclone_azure)
CP, CURL = Tool("cp", _cp), Tool("curl", _curl)
LFTP, SFTP = Tool("lftp", _lftp), Tool("sftp", _sftp)
