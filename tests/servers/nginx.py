"""The real nginx in front of a server, where it is installed or ``make nginx`` put it."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from programs.ports import free_port
from programs.waiting import eventually

_UNPACKED = Path("build/nginx/usr/sbin/nginx").absolute()
PROGRAM = shutil.which("nginx") or (str(_UNPACKED) if _UNPACKED.exists() else "")
NO_NGINX = "there is no nginx here: make nginx"

# What controllers of Ingresses write around what annotations change; but nginx buffers
# answers, which some of them turn off.
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      {directives}
    }}
  }}
}}
"""


@contextmanager
def nginx_before(upstream: int, folder: Path, *directives: str) -> Iterator[int]:
    """Run nginx until the end of the block; give its port, on loopback.

    Args:
        upstream: Port of the server behind it, on loopback.
        folder: For its files.
        directives: More of its configuration, such as ``proxy_read_timeout 60s``.
    """
    port = free_port()
    file = folder / "nginx.conf"
    more = "\n      ".join(f"{each};" for each in directives)
    file.write_text(
        _CONFIGURATION.format(
            folder=folder, port=port, upstream=upstream, directives=more
        )
    )
    log = folder / "nginx.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [PROGRAM, "-e", "stderr", "-p", folder, "-c", file],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        ) as process,
    ):
        try:
            eventually(lambda: _answers(port, process, log), what="nginx")
            yield port
        finally:
            process.terminate()


def _answers(port: int, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, f"nginx ended: {log.read_text()}"
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
        return True
    return False
