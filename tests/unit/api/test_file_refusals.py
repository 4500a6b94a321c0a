"""Each rule of inputs and outputs of a task is reported with its path and message."""

from typing import Any

import pytest

from builders.bodies import WITH_FILE, executor, inputs, outputs, problems
from builders.tasks import make_task_json
from tesk_api.domain.offers import Offer
from tesk_api.http.task_parsing import TaskParser
from tesk_model.schemes import SCHEMES, OfferedSchemes
from tesk_model.url_lists import parse_url_lists, parse_url_patterns

FORMS = ", ".join(scheme.form for scheme in SCHEMES.values())
WRITTEN = ", ".join(scheme.form for scheme in SCHEMES.values() if scheme.writes)
LISTED = ", ".join(scheme.form for scheme in SCHEMES.values() if scheme.lists)
CURE = "give an absolute path or a url such as s3://bucket/key or file:///path"
INDEX_PAGES = (
    "or name the files one by one, or let the operator add the url to urls.index_pages "
    "(TESK_URLS_INDEX_PAGES)"
)
IN_THE_WAY = "needs a directory where inputs[2].path '/a/b' is a file"

REFUSED: dict[str, tuple[Any, list[str]]] = {
    "an input without source": (
        inputs({"path": "/a"}),
        ["inputs[0].url: is required, unless content is given"],
    ),
    "an input without path": (
        inputs({"url": "s3://b/k"}),
        ["inputs[0].path: is required"],
    ),
    "an input with an empty url": (
        inputs({"path": "/a", "url": ""}),
        ["inputs[0].url: is required, unless content is given"],
    ),
    "content for a directory": (
        inputs({"path": "/a", "content": "x", "type": "DIRECTORY"}),
        ["inputs[0].content: must not be given for a DIRECTORY"],
    ),
    "empty content alone for a directory": (
        inputs({"path": "/a", "content": "", "type": "DIRECTORY"}),
        ["inputs[0].content: must not be given for a DIRECTORY"],
    ),
    "a type in lower case": (
        inputs({"path": "/a", "url": "/x", "type": "file"}),
        ["inputs[0].type: must be FILE or DIRECTORY"],
    ),
    "a relative url": (
        inputs({"path": "/a", "url": "data/x"}),
        [f"inputs[0].url: is neither a url nor an absolute path; {CURE}"],
    ),
    "a url of a bucket only by word": (
        inputs({"path": "/a", "url": "s3:bucket"}),
        ['inputs[0].url: must start with "s3://"'],
    ),
    "an unknown scheme": (
        inputs({"path": "/a", "url": "gopher://h/x"}),
        [
            (
                'inputs[0].url: scheme "gopher" is not offered for inputs; offered are '
                f"{FORMS}"
            )
        ],
    ),
    "an output to a scheme that no filer writes": (
        outputs(url="dropbox://folder/a"),
        [
            (
                'outputs[0].url: scheme "dropbox" is not offered for outputs; offered are '
                f"{WRITTEN}"
            )
        ],
    ),
    "a directory of a scheme without listings": (
        inputs({"path": "/a", "url": "http://h/a", "type": "DIRECTORY"}),
        [
            (
                'inputs[0].url: scheme "http" is not offered for inputs of type DIRECTORY; '
                f"offered are {LISTED}; {INDEX_PAGES}"
            )
        ],
    ),
    "a password that ends the host": (
        inputs({"path": "/a", "url": "http://u:p?w@host/a"}),
        ["inputs[0].url: names no valid host; there is http://host/path"],
    ),
    "a login in a url of S3": (
        outputs(url="s3://key:secret@bucket/a"),
        [
            (
                "outputs[0].url: must not hold credentials; set them for the filer "
                "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
            )
        ],
    ),
    "a file output to a bucket": (
        outputs(url="s3://bucket"),
        ['outputs[0].url: must not end in "/": it names a file'],
    ),
    "a file output to a folder with a query": (
        outputs(url="https://h/a/?sig=x"),
        ['outputs[0].url: must not end in "/": it names a file'],
    ),
    "a file url with a host": (
        inputs({"path": "/a", "url": "file://data/x"}),
        [
            (
                "inputs[0].url: names a host; a file url is written file:///path, with "
                "three slashes"
            )
        ],
    ),
    "a url with a line feed": (
        inputs({"path": "/a", "url": "s3://b/a\nb"}),
        ["inputs[0].url: must not contain control characters"],
    ),
    "a url with NUL": (
        inputs({"path": "/a", "url": "s3://b/a\0"}),
        ["inputs[0].url: must not contain NUL"],
    ),
    "two files with one path": (
        inputs({"path": "/a/b", "url": "/x"}, {"path": "/a//b", "url": "/y"}),
        ["inputs[1].path: is also the path of inputs[0]"],
    ),
    "a file and a directory with one path": (
        inputs(
            {"path": "/a", "url": "/x"},
            {"path": "/a/", "url": "/y", "type": "DIRECTORY"},
        ),
        ["inputs[1].path: is also the path of inputs[0]"],
    ),
    "inputs below a file": (
        inputs(
            {"path": "/a/b/c", "url": "/x"},
            {"path": "/a/", "url": "/y", "type": "DIRECTORY"},
            {"path": "/a//b", "content": ""},
            {"path": "/a/b/d/e", "url": "/y", "type": "DIRECTORY"},
        ),
        [
            f"inputs[0].path: '/a/b/c' {IN_THE_WAY}",
            f"inputs[3].path: '/a/b/d/e' {IN_THE_WAY}",
        ],
    ),
    "outputs below a file": (
        WITH_FILE
        | {
            "outputs": [
                {"path": "/a/b/c", "url": "/x"},
                {"path": "/a/b/d/*.txt", "url": "/x", "path_prefix": "/a"},
                {"path": "/a/b/c/d", "url": "/y", "type": "DIRECTORY"},
            ]
        },
        [
            f"outputs[0].path: '/a/b/c' {IN_THE_WAY}",
            f"outputs[1].path: '/a/b/d/*.txt' {IN_THE_WAY}",
            f"outputs[2].path: '/a/b/c/d' {IN_THE_WAY}",
        ],
    ),
    "directories and streams where a file is": (
        WITH_FILE
        | {"volumes": ["/v", "/a/b/"]}
        | executor(workdir="/a/b", stdin="/a/b/i", stdout="/a/b/o", stderr="/a/b/e"),
        [
            f"executors[0].workdir: '/a/b' {IN_THE_WAY}",
            f"executors[0].stdin: '/a/b/i' {IN_THE_WAY}",
            f"executors[0].stdout: '/a/b/o' {IN_THE_WAY}",
            f"executors[0].stderr: '/a/b/e' {IN_THE_WAY}",
            f"volumes[1]: '/a/b/' {IN_THE_WAY}",
        ],
    ),
    "a path below a file beside other problems": (
        WITH_FILE | {"volumes": ["v", "/a/b/c", 1], "name": 1},
        [
            "name: must be a string",
            "volumes[0]: must be an absolute path",
            "volumes[2]: must be a string",
            f"volumes[1]: '/a/b/c' {IN_THE_WAY}",
        ],
    ),
    "a path twice beside other problems": (
        inputs({"path": "/a", "url": "/x"}, {"path": "b"}, {"path": "/a", "url": "/y"})
        | {"executors": []},
        [
            "executors: must have at least one item",
            "inputs[1].path: must be an absolute path",
            "inputs[1].url: is required, unless content is given",
            "inputs[2].path: is also the path of inputs[0]",
        ],
    ),
    "a file output with a url that ends in a slash": (
        outputs(url="s3://b/k/"),
        ['outputs[0].url: must not end in "/": it names a file'],
    ),
    "a path deeper than any tree": (
        outputs(path="/a" * 101),
        ["outputs[0].path: must not be deeper than 100 directories"],
    ),
    "an output without url": (
        make_task_json(outputs=[{"path": "/a"}]),
        ["outputs[0].url: is required"],
    ),
    "wildcards without prefix": (
        outputs(path="/o/*.txt"),
        ["outputs[0].path_prefix: is required, because path has wildcards"],
    ),
    "a prefix that does not lead": (
        outputs(path="/o/*.txt", path_prefix="/work"),
        ["outputs[0].path_prefix: must be a leading part of path"],
    ),
    "a prefix with wildcards": (
        outputs(path="/o/*/a?", path_prefix="/o/*"),
        ["outputs[0].path_prefix: must end before the first wildcard of path"],
    ),
    "further problems beside a wrong path": (
        make_task_json(
            inputs=[{"path": "a"}, {"path": "b", "url": "s3://k/x"}],
            outputs=[{"path": "c", "url": "nowhere"}],
        ),
        [
            "inputs[0].path: must be an absolute path",
            "inputs[1].path: must be an absolute path",
            "outputs[0].path: must be an absolute path",
            "inputs[0].url: is required, unless content is given",
            (
                "outputs[0].url: is neither a url nor an absolute path; give an absolute"
                " path or a url such as s3://bucket/key or file:///path"
            ),
        ],
    ),
}


@pytest.mark.parametrize(("body", "want"), REFUSED.values(), ids=REFUSED)
def test_parse_refuses_wrong_inputs_and_outputs(body: Any, want: list[str]) -> None:
    assert problems(TaskParser(), body) == want


def test_parse_refuses_urls_that_the_operators_lists_do() -> None:
    urls = parse_url_lists(("https://", "s3://"), ("https://data.example.org/private",))
    parser = TaskParser(offer=Offer(urls=urls))
    body = make_task_json(
        inputs=[
            {"path": "/a", "url": "https://data.example.org/a"},
            {"path": "/b", "url": "https://data.example.org/private/b"},
        ],
        outputs=[{"path": "/c", "url": "ftp://data.example.org/c"}],
    )

    assert problems(parser, body) == [
        (
            'inputs[1].url: is refused here: it begins with "https://data.example.org/'
            'private" (urls.deny)'
        ),
        "outputs[0].url: is refused here: it begins with none of urls.allow",
    ]


def test_parse_takes_a_directory_by_http_where_there_are_index_pages() -> None:
    pages = parse_url_patterns(["https://data.example.org/pub"], "urls.index_pages")
    parser = TaskParser(offer=Offer(index_pages=pages))
    body = make_task_json(
        inputs=[
            {
                "path": "/a",
                "url": f"https://data.example.org/{name}/",
                "type": "DIRECTORY",
            }
            for name in ("pub/x", "other")
        ],
    )

    (problem,) = problems(parser, body)

    assert problem.startswith('inputs[1].url: scheme "https" is not offered for')
    assert problem.endswith(f"; {INDEX_PAGES}")


def test_parse_names_index_pages_only_where_they_would_help() -> None:
    only_ftp = OfferedSchemes(inputs=frozenset({"ftp"}), outputs=frozenset({"ftp"}))
    directory = [{"path": "/a", "url": "htsget://h/reads/x/", "type": "DIRECTORY"}]
    pages = [{"path": "/a", "url": "https://h/x/", "type": "DIRECTORY"}]

    (htsget,) = problems(TaskParser(), make_task_json(inputs=directory))
    (closed,) = problems(
        TaskParser(offer=Offer(schemes=only_ftp)), make_task_json(inputs=pages)
    )

    assert "index_pages" not in htsget
    assert "index_pages" not in closed


@pytest.mark.parametrize("scheme", ["htsget", "drs"])
def test_parse_refuses_outputs_to_what_only_tells_where_files_are(scheme: str) -> None:
    body = make_task_json(outputs=[{"path": "/a", "url": f"{scheme}://h/a"}])

    (problem,) = problems(TaskParser(), body)

    assert f'scheme "{scheme}" is not offered for outputs' in problem
