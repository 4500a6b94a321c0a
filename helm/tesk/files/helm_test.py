"""What `helm test` runs in a pod: a real task, from its inputs to its output.

The pod is the task's storage, too: a filer fetches one input from it, gets the
other inline, and puts the output there. That tries the api, scheduler, taskmaster,
filers, an executor, the task's volume and the network between all of them; once for
each layout that tasks may ask for. Where filers reach no private networks, they do not
reach the pod: then the task has an inline input alone, and prints it. With passwords and no `test.existingSecret`, it only sees that the api wants one.
"""

import base64
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API = os.environ["API"] + "/ga4gh/tes/v1"
ADDRESS = os.environ["ADDRESS"]
PORT = int(os.environ["PORT"])
STORAGE = f"http://[{ADDRESS}]:{PORT}" if ":" in ADDRESS else f"http://{ADDRESS}:{PORT}"
# Whether filers reach this pod.
URLS = os.environ.get("URLS", "true") == "true"
# Layouts that tasks may ask for; "": as the installation has it.
LAYOUTS = os.environ.get("LAYOUTS", "").split()
ENDED = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED"}
FILES = {"/input": b"fetched"}
PROGRAM = (
    "import pathlib; files = sorted(pathlib.Path('/in').iterdir()); text = ' '.join("
    "file.read_text() for file in files); pathlib.Path('/out/result').write_text(text);"
    " print(text)"
)


class Storage(BaseHTTPRequestHandler):
    """Files in memory, by GET, HEAD and PUT."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        FILES[self.path] = self.body()
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self) -> None:
        data = FILES.get(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if self.command == "GET" and data:
            self.wfile.write(data)


def ask(path: str, body: object = None) -> dict[str, Any]:
    """Call the api and return its JSON; wait while it is not ready."""
    until = time.monotonic() + 60
    while True:
        try:
            return ask_once(path, body)
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > until:
                print(error.read().decode(errors="replace"))
                raise
        time.sleep(1)


def ask_once(path: str, body: object) -> dict[str, Any]:
    """Call the api and return its JSON."""
    request = urllib.request.Request(API + path)
    request.add_header("Content-Type", "application/json")
    if "USERNAME" in os.environ:
        pair = os.environ["USERNAME"] + ":" + os.environ["PASSWORD"]
        code = base64.b64encode(pair.encode()).decode()
        request.add_header("Authorization", "Basic " + code)
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def wants_password() -> int:
    """See that the api lets nobody in without a password."""
    try:
        ask("/tasks")
    except urllib.error.HTTPError as error:
        print("without a password the api answers", error.code)
        print("set test.existingSecret to run a task, too")
        return 0 if error.code == 401 else 1
    print("the api lets people in without a password")
    return 1


def run_task(layout: str) -> int:
    """Run a task and compare its output."""
    FILES.pop("/output", None)
    inputs = [{"content": "inline", "path": "/in/inline"}]
    outputs = []
    if URLS:
        inputs.append({"url": STORAGE + "/input", "path": "/in/fetched"})
        outputs.append({"url": STORAGE + "/output", "path": "/out/result"})
    command = ["python", "-c", PROGRAM]
    executors = [{"image": os.environ["IMAGE"], "command": command}]
    task = {
        "name": "helm test",
        "inputs": inputs,
        "outputs": outputs,
        "executors": executors,
        "volumes": ["/out"],
        "resources": {
            "cpu_cores": 0.1,
            "ram_gb": 0.1,  # it only copies a file
            "disk_gb": 0.1,
            **({"backend_parameters": {"layout": layout}} if layout else {}),
        },
    }
    name = ask("/tasks", task)["id"]
    print("task", name, layout)
    until, state = time.monotonic() + float(os.environ["SECONDS"]), ""
    while state not in ENDED and time.monotonic() < until:
        time.sleep(1)
        seen, state = state, ask("/tasks/" + name)["state"]
        if state != seen:
            print(state)
    ended = ask("/tasks/" + name + "?view=FULL")
    if state == "COMPLETE" and is_right(ended):
        print("the output is as it must be")
        return 0
    print("output:", FILES.get("/output"))
    print(json.dumps(ended, indent=1))
    return 1


def is_right(task: dict[str, Any]) -> bool:
    """Tell whether a task has written what it was to write."""
    if URLS:
        return FILES.get("/output") == b"fetched inline"
    printed: str = task["logs"][-1]["logs"][0]["stdout"]
    return printed.strip() == "inline"


def main() -> int:
    """Serve the files and run what can be run."""
    server = ThreadingHTTPServer(("::" if ":" in ADDRESS else "", PORT), Storage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if not URLS:
        print("filers reach no private networks (networkPolicy.filer): without urls")
    if os.environ["AUTH"] == "basic" and "USERNAME" not in os.environ:
        return wants_password()
    return max(map(run_task, LAYOUTS or [""]))


if __name__ == "__main__":
    sys.exit(main())
