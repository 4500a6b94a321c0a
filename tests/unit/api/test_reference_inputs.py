"""Inputs that are references are checked, and what would be written into them."""

from typing import Any

import pytest

from builders.bodies import problems
from builders.tasks import make_task_json
from tesk_api.domain.offers import Offer
from tesk_api.http.task_parsing import TaskParser

PARSER = TaskParser(offer=Offer(references={"grch38", "hg19"}))
FILE = {"path": "/data/genome.fa", "url": "ref://grch38/genome.fa"}
FOLDER = {"path": "/data/bwa", "url": "ref://grch38/bwa/", "type": "DIRECTORY"}
READ_ONLY = "lies in inputs[0], a reference, which is read-only"
TAKEN = (
    "would take inputs[0], a reference, which is read-only, with it; give one of them "
    "a path of its own"
)


def out(path: str, **fields: Any) -> dict[str, Any]:
    return {"path": path, "url": "s3://b/o", **fields}


def found_in(pattern: str) -> dict[str, Any]:
    return out(pattern, path_prefix="/data")


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an unknown name": (
        {"inputs": [{"path": "/a", "url": "ref://grch37/genome.fa"}]},
        [
            (
                'inputs[0].url: names the reference "grch37", which is not here; there are '
                "grch38, hg19"
            )
        ],
    ),
    "a way out": (
        {"inputs": [{"path": "/a", "url": "ref://grch38/../hg19/x"}]},
        ['inputs[0].url: must not contain ".." segments'],
    ),
    "all of it as a file": (
        {"inputs": [{"path": "/a", "url": "ref://grch38/"}]},
        [
            (
                'inputs[0].url: must not end in "/", and must name a file: or give the type '
                "DIRECTORY"
            )
        ],
    ),
    "an output to one": (
        {"outputs": [{"path": "/a", "url": "ref://grch38/new"}]},
        ['outputs[0].url: scheme "ref" is not offered for outputs'],
    ),
    "an output in one": (
        {"inputs": [FOLDER], "outputs": [out("/data/bwa/new")]},
        [f"outputs[0].path: {READ_ONLY}"],
    ),
    "an output that is one": (
        {"inputs": [FILE], "outputs": [out("/data/genome.fa")]},
        [f"outputs[0].path: {READ_ONLY}"],
    ),
    "an output above one": (
        {"inputs": [FILE], "outputs": [out("/data/", type="DIRECTORY")]},
        [f"outputs[0].path: {TAKEN}"],
    ),
    "a pattern in one": (
        {"inputs": [FOLDER], "outputs": [found_in("/data/bwa/*")]},
        [f"outputs[0].path: {READ_ONLY}"],
    ),
    "a pattern that matches one": (
        {"inputs": [FILE], "outputs": [found_in("/data/*.fa")]},
        [f"outputs[0].path: {TAKEN}"],
    ),
    "a pattern that matches what is above one": (
        {"inputs": [FILE], "outputs": [out("/d*", path_prefix="/")]},
        [f"outputs[0].path: {TAKEN}"],
    ),
    "a pattern that matches one across folders": (
        {"inputs": [FOLDER], "outputs": [found_in("/data/**")]},
        [f"outputs[0].path: {TAKEN}"],
    ),
    "an alternative that matches one": (
        {"inputs": [FILE], "outputs": [found_in("/data/*.{fa,txt}")]},
        [f"outputs[0].path: {TAKEN}"],
    ),
    "another input in one": (
        {"inputs": [FOLDER, {"path": "/data/bwa/x/y", "content": "z"}]},
        [f"inputs[1].path: {READ_ONLY}"],
    ),
    "another directory at its path": (
        {"inputs": [FOLDER, {**FOLDER, "url": "s3://b/d"}]},
        [f"inputs[1].path: {READ_ONLY}"],
    ),
    "a reference in a reference": (
        {"inputs": [FOLDER, {**FILE, "path": "/data/bwa/genome.fa"}]},
        [f"inputs[1].path: {READ_ONLY}"],
    ),
    "a volume in one": (
        {"inputs": [FOLDER], "volumes": ["/data/bwa/tmp"]},
        [f"volumes[0]: {READ_ONLY}"],
    ),
    "a redirect into one": (
        {
            "inputs": [FOLDER],
            "executors": [{"image": "i", "command": ["c"], "stdout": "/data/bwa/log"}],
        },
        [f"executors[0].stdout: {READ_ONLY}"],
    ),
    "a redirect over one": (
        {
            "inputs": [FILE],
            "executors": [{"image": "i", "command": ["c"], "stderr": FILE["path"]}],
        },
        [f"executors[0].stderr: {READ_ONLY}"],
    ),
}


@pytest.mark.parametrize(("fields", "want"), REFUSED.values(), ids=REFUSED)
def test_what_a_reference_does_not_allow_is_refused(
    fields: dict[str, Any], want: list[str]
) -> None:
    found = problems(PARSER, make_task_json(**fields))

    assert len(found) == len(want)
    assert all(has.startswith(wanted) for has, wanted in zip(found, want, strict=True))


def test_any_reference_is_accepted_where_nobody_knows_which_there_are() -> None:
    body = make_task_json(inputs=[FILE, {"path": "/b", "url": "ref://Hg/x"}])

    (problem,) = problems(TaskParser(offer=Offer(references=None)), body)

    assert problem.startswith("inputs[1].url: must be ref://NAME/PATH")


ACCEPTED: dict[str, dict[str, Any]] = {
    "a file and a folder": {"inputs": [FILE, FOLDER]},
    "one in a folder that is copied": {
        "inputs": [{"path": "/data", "url": "s3://b/d", "type": "DIRECTORY"}, FOLDER]
    },
    "one in a volume": {"inputs": [FOLDER], "volumes": ["/data"]},
    "reading and working in one": {
        "inputs": [FOLDER],
        "executors": [
            {
                "image": "i",
                "command": ["c"],
                "workdir": "/data/bwa",
                "stdin": "/data/bwa/x",
            }
        ],
    },
    "outputs beside one": {
        "inputs": [FILE, FOLDER],
        "outputs": [
            out("/data/out.txt"),
            out("/data/bwa2", type="DIRECTORY"),
            found_in("/data/*.bam"),
            found_in("/data/**/*.bam"),
            found_in("/data/*/x.fa"),
        ],
    },
}


@pytest.mark.parametrize("fields", ACCEPTED.values(), ids=ACCEPTED)
def test_what_only_reads_a_reference_is_accepted(fields: dict[str, Any]) -> None:
    assert problems(PARSER, make_task_json(**fields)) == []
