"""docs/troubleshooting.md has every sentence that the code can tell a user.

The sentences are read out of the sources, so a new one fails here until it has
an entry, and an entry whose sentence has gone fails, too. In both, ``…`` stands
for what is filled in.
"""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.failure_table import judge_problem
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Problem,
    ProblemKind,
    Subject,
    Waiting,
)

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "troubleshooting.md"
_GAP = "…"

# Where sentences for users are written. What runs on one machine alone (the
# container engine, the sandbox) tells them where it is used.
SOURCES = (
    "services/scheduler/src/tesk_scheduler/domain",
    "services/scheduler/src/tesk_scheduler/usecases",
    "services/scheduler/src/tesk_scheduler/adapters/kubernetes",
    "services/taskmaster/src/tesk_taskmaster/domain",
    "services/taskmaster/src/tesk_taskmaster/usecases",
    "services/taskmaster/src/tesk_taskmaster/adapters/kubernetes",
    "services/taskmaster/src/tesk_taskmaster/adapters/launcher_report.py",
    "services/taskmaster/src/tesk_taskmaster/adapters/local/runtime.py",
    "services/filer/src/tesk_filer/domain",
    "services/filer/src/tesk_filer/usecases",
    "services/filer/src/tesk_filer/storage_check.py",
    "services/filer/src/tesk_filer/adapters/storage",
    "services/filer/src/tesk_filer/adapters/digests.py",
    "services/filer/src/tesk_filer/adapters/disk_space.py",
    "services/filer/src/tesk_filer/adapters/receiving.py",
    "services/filer/src/tesk_filer/adapters/volume.py",
    "services/filer/src/tesk_filer/adapters/volume_errors.py",
    "services/api/src/tesk_api/adapters",
    "services/api/src/tesk_api/domain/backend_parameters.py",
    "services/api/src/tesk_api/domain/allowed_origins.py",
    "services/api/src/tesk_api/domain/references.py",
    "services/api/src/tesk_api/domain/task_checks.py",
    "services/api/src/tesk_api/main.py",
    "services/api/src/tesk_api/ports.py",
    "services/api/src/tesk_api/wiring.py",
    "services/api/src/tesk_api/http/browser_checks.py",
    "services/api/src/tesk_api/http/change_events.py",
    "services/api/src/tesk_api/http/change_hub.py",
    "services/api/src/tesk_api/http/json_bodies.py",
    "services/api/src/tesk_api/http/problems.py",
    "services/api/src/tesk_api/http/task_parsing.py",
    "services/api/src/tesk_api/http/tasks.py",
    "libs/tesk-kubernetes/src/tesk_kubernetes",
    "libs/tesk-model/src/tesk_model/attempt_parameters.py",
    "libs/tesk-model/src/tesk_model/locations.py",
    "libs/tesk-model/src/tesk_model/references.py",
    "libs/tesk-model/src/tesk_model/schemes.py",
    "libs/tesk-model/src/tesk_model/upload_retries.py",
    "libs/tesk-model/src/tesk_model/url_authority.py",
    "libs/tesk-model/src/tesk_model/url_lists.py",
    "libs/tesk-runtime/src/tesk_runtime/egress/connecting.py",
    "libs/tesk-runtime/src/tesk_runtime/egress/policy.py",
    "libs/tesk-runtime/src/tesk_runtime/egress/proxies.py",
    "libs/tesk-runtime/src/tesk_runtime/http/connection.py",
    "libs/tesk-runtime/src/tesk_runtime/http/parsing.py",
    "libs/tesk-runtime/src/tesk_runtime/http/server.py",
    "libs/tesk-runtime/src/tesk_runtime/sections.py",
    "libs/tesk-runtime/src/tesk_runtime/settings.py",
    "libs/tesk-runtime/src/tesk_runtime/unknown_variables.py",
    "libs/tesk-runtime/src/tesk_runtime/yaml_documents.py",
    "libs/tesk-runtime/src/tesk_runtime/rpc/interceptors.py",
)
# What `tesk admin` alone tells, to operators; docs/operating.md explains it.
OF_OPERATORS = (
    "services/scheduler/src/tesk_scheduler/usecases/admin/",
    "services/scheduler/src/tesk_scheduler/domain/verification.py",
)
LAUNCHER = "services/taskmaster/launcher"

# What reads like a sentence and is told to no user of a task.
UNTOLD = {
    "what is looked for in the cluster's words": (
        "Error creating: ",
        "(combined from similar events): ",
        "Failed to pull image ",
        "exceeded quota",
        "denied the request",
        "request is too large",
        "trying to send message larger than max",
        "status unknown for quota",
    ),
    "an error between services, or of a service that asks wrongly": (
        "inputs arrive before the first executor starts",
        "must be another one of 0 to …",
        "must be from 1 to …",
        "must not be negative",
        "task …: … cannot follow …",
        "task …: attempt … is not released",
        "it is being stopped: …",
        "it is queued already",
        "… belongs to another taskmaster",
        "reporting has ended",
        "the executors have not ended yet",
        "the scheduler answered another batch",
        "the scheduler answered no id",
        "was not issued for a list with these filters",
    ),
    "a bug that nobody can cause from outside": (
        "step … does not belong to an executor",
        "a section of settings must be a struct, not …",
        "the lock is not held",
        "there is no digest …",
    ),
    "a part of a log line of the scheduler": (
        "nodes are not listed yet",
        (
            "guaranteed: … … in all, of … that there are: not everybody can have it at"
            " once"
        ),
    ),
    "a part of the line where the time of a queued task went": (
        "its turn",
        "a larger task",
        "a limit to be raised",
        "another cause",
        "the pause before its attempt",
    ),
    "an entry of metadata": ("… is the sha256 of the list of … files",),
    "a part of another sentence": (
        "must be text, not a",
        " of type …",
        "GPUs of type …",
        " with …",
        " and …",
        "the backend parameter … of the task",
        "the setting scheduler.…",
        "not before …",
        "… for too long",
        'gpu_type "…"',
        "; see that it is complete before the task begins",
        "; what the storage holds may be damaged",
        "tesk-api: …\n",
        "another site",
        "inputs of type DIRECTORY",
        "file:///path or /path",
        "set them for the filer (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)",
        "the operator gives them to the filer",
        "Google Cloud Storage",
        "a body without a type",
    ),
    "a command to a server": ("AUTH TLS",),
    "a cause of `the server's replies make no sense`, or of a broken connection": (
        "no path",
        "no version",
        "Tunnel connection failed: …",
        "closed before its answer",
        "closed before the end",
        "a packet ends early",
        "a packet of impossible length",
        "a packet after one that could not be read",
        "a handle of impossible length",
        "too much before what was asked for first",
        "a response of another type",
        "a response without id",
        "the server closed the channel",
    ),
    "a cause in the list of dead letters; docs/webhooks.md explains it": (
        "the file of webhooks has no such receiver any more",
        "internal error; see the log",
    ),
    "a header, a type": (
        "application/vnd.ga4gh.htsget.v1.3.0+json, application/json;q=0.9",
        'Basic realm="TESK", charset="UTF-8"',
        "default-src 'none'; frame-ancestors 'none'",
        (
            "default-src 'none'; script-src 'self'…; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        ),
        "… Credential=…/…, SignedHeaders=…, Signature=…",
        "_Opened | None",
        "_Body | bytes",
        "_Body | bytes | None",
        "Callable[[], _Body | bytes] | None",
        "list[T | KubernetesError]",
        "Handler | None",
        "a list of mappings",
    ),
}

# Calls whose words go elsewhere: logs, patterns, descriptions of settings.
_ELSEWHERE = frozenset(
    {"debug", "info", "warning", "error", "exception", "_log"}
    | {"compile", "search", "Meta", "RuntimeError", "Dimension"}
)


def _entries() -> list[str]:
    """Return what the first columns of the page's tables show as code.

    What must happen, and what was waited for, is told by the page for users.
    """
    users_page = (PAGE.parent / "waiting.md").read_text("utf-8")
    waiting = re.sub(r"^```.*?^```", "", users_page, flags=re.MULTILINE | re.DOTALL)
    cells = [
        line.split("|")[1]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    text = PAGE.read_text("utf-8")
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
    return [entry for part in (*cells, prose, waiting) for entry in _code(part)]


def _code(text: str) -> list[str]:
    return [each.replace("\n", " ") for each in re.findall(r"`([^`]+)`", text)]


def _sentences() -> dict[str, str]:
    """Return every sentence of the sources, with the file that it is in."""
    untold = {text for texts in UNTOLD.values() for text in texts}
    found = {}
    for source in SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.relative_to(ROOT).as_posix().startswith(OF_OPERATORS):
                continue
            for text in _texts(ast.parse(file.read_text("utf-8"))):
                if _is_sentence(text) and text not in untold:
                    found[text] = file.relative_to(ROOT).as_posix()
    return found


def _texts(tree: ast.Module) -> Iterator[str]:
    skipped = {id(node) for node in _not_told(tree)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (
                str(part.value) if isinstance(part, ast.Constant) else _GAP
                for part in node.values
            )
            yield _filled_in("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _filled_in(node.value)


def _filled_in(text: str) -> str:
    """Put the gap where a text for ``format`` or ``replace`` has a name."""
    return re.sub(r"\{\w*\}", _GAP, text)


def _not_told(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value  # a docstring
        elif isinstance(node, ast.JoinedStr):
            yield from node.values
        elif isinstance(node, ast.Call) and _name(node.func) in _ELSEWHERE:
            yield from ast.walk(node)


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
    )


def _is_sentence(text: str) -> bool:
    return " " in text.strip() and len(re.findall(r"[A-Za-z]{2,}", text)) > 1


def _pattern(text: str) -> re.Pattern[str]:
    """Return what finds ``text`` in another, with anything for each gap."""
    core = re.sub(rf"{_GAP}+", _GAP, text).strip().strip(_GAP)
    return re.compile(".*?".join(re.escape(part) for part in core.split(_GAP)))


SENTENCES = _sentences()
ENTRIES = _entries()


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_for_users_has_an_entry(sentence: str) -> None:
    pattern = _pattern(sentence)

    assert any(pattern.search(entry) for entry in ENTRIES), (
        f"{SENTENCES[sentence]} says {sentence!r}: add it to {PAGE.name}"
    )


def test_the_page_lists_every_reason_code() -> None:
    first = [
        line.split("|")[1]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| `")
    ]
    listed = [row.strip(" `") for row in first if re.fullmatch(r" `[A-Z_]+` ", row)]

    assert listed == [code.value for code in ReasonCode if code]


def _of_launcher() -> Iterator[str]:
    for file in sorted((ROOT / LAUNCHER).glob("*.c")):
        for text in re.findall(r'\bfail\("([^"]+)"', file.read_text("utf-8")):
            yield text.replace("%s", _GAP)


def test_every_entry_is_still_said() -> None:
    # Sentences of the cluster are not ours; they are marked by the gap behind.
    patterns = [_pattern(text) for text in (*SENTENCES, *_of_launcher())]
    lines = PAGE.read_text("utf-8").splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("| `")]
    entries = [entry for row in rows for entry in _code(row) if _is_sentence(entry)]

    stale = [
        entry
        for entry in entries
        if not any(pattern.search(entry) for pattern in patterns)
    ]

    assert stale == []


@pytest.mark.parametrize("kind", ProblemKind)
def test_messages_of_the_failure_table_have_an_entry(kind: ProblemKind) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    problem = Problem(kind=kind, cause="the cluster's words")
    subject = Subject(name="executors[0]", image="example.org/tool:1", ram=1)

    for pass_fds in (timedelta(0), timedelta(days=9)):
        judged = judge_problem(
            problem,
            subject,
            since=began,
            now=began + pass_fds,
            settings=KubernetesSettings(),
        )
        assert isinstance(judged, Waiting | Ended)
        if isinstance(judged, Waiting):
            said, code = judged.reason.text, judged.reason.code
        else:
            said, code = judged.result.error, judged.result.code
        assert code

        assert any(_covers(entry, said) for entry in ENTRIES), said


def _covers(entry: str, said: str) -> bool:
    pattern = ".+".join(re.escape(part) for part in entry.split(_GAP))
    return _is_sentence(entry) and re.fullmatch(pattern, said) is not None
