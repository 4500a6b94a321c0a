"""The commands that the page gives to copy send just the document."""

import ast
import json
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from tesk_api.http.web.commands import Command, commands_for

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
DOCUMENTS = st.dictionaries(TEXTS, TEXTS | st.sampled_from(["EOF", "\nEOF\n", "$(id)"]))
USERS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=10)
ADDRESS = "http://127.0.0.1:8080/"
# In place of the programs: print each argument, then what comes by stdin.
SHELL = """
curl() { printf '%s\\n' "$@"; cat; }
tesk() { curl "$@"; }
"""


def commands(document: str, user: str = "") -> dict[str, Command]:
    found = commands_for("t-1", document, address=ADDRESS, user=user)
    return {each.id: each for each in found}


@settings(max_examples=25)
@given(DOCUMENTS, USERS)
def test_a_shell_sends_the_document(document: dict[str, str], user: str) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False)
    for each in ("curl", "tesk"):
        command = commands(text, user)[each].text
        sent = subprocess.run(
            ["bash", "-c", SHELL + command], stdout=subprocess.PIPE, check=True
        ).stdout.decode()
        assert sent.endswith(f"\n{text}\n")
        if user and each == "curl":
            assert sent.startswith(f"-s\n-u\n{user}\n")


@given(DOCUMENTS, USERS)
def test_python_sends_the_document(document: dict[str, str], user: str) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False)

    tree = ast.parse(commands(text, user)["python"].text)

    [literal] = [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "loads"
    ]
    assert json.loads(ast.literal_eval(literal)) == document
