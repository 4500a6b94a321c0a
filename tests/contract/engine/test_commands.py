"""Every engine runs commands literally, and reports their exit codes and times."""

import pytest

from fakes.taskmaster_engine_harness import EngineHarness

ARGUMENTS = {
    "empty ones": ("a", "", "b"),
    "blanks and quotes": ("a b", "'", '"', "\\"),
    "line breaks": ("a\nb\n", "\t"),
    "what shells and Kubernetes expand": ("$(HOME)", "$HOME", "`id`", "*", "~"),
    "unicode": ("wörk", "\N{SNOWMAN}"),
    "options": ("--", "-n", "--bind"),
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_are_literal(
    harness: EngineHarness, arguments: tuple[str, ...]
) -> None:
    done = harness.complete("printf", "%s|", *arguments)

    assert done.stdout == "".join(f"{word}|" for word in arguments).encode()
    assert done.result.exit_code == 0


def test_the_environment_is_the_executors(harness: EngineHarness) -> None:
    env = {"GREETING": "a\nb $(HOME) 'c'", "EMPTY": "", "ÜML": "ü"}

    done = harness.complete("env", env=env)

    for name, value in env.items():
        assert f"{name}={value}\n".encode() in done.stdout


def test_the_environment_of_tesk_does_not_leak(
    harness: EngineHarness,
) -> None:
    done = harness.complete("sh", "-c", "env; cat /proc/1/environ /proc/1/cmdline")

    for name in ("TESK_", "AWS_", "PYTEST_"):
        assert name.encode() not in done.stdout
    assert str(harness.home).encode() not in done.stdout


EXITS = {
    "success": (("true",), 0),
    "a code of its own": (("sh", "-c", "exit 42"), 42),
    "killed by a signal": (("sh", "-c", "kill -9 $$"), 137),
    "not found in PATH": (("no-such-program",), 127),
    "no such file": (("/no/such/program",), 127),
    "not executable": (("/etc/passwd",), 126),
    "a directory": (("/etc",), 126),
}


@pytest.mark.parametrize(("command", "code"), EXITS.values(), ids=EXITS)
def test_exit_codes(
    harness: EngineHarness, command: tuple[str, ...], code: int
) -> None:
    done = harness.complete(*command)

    assert (done.result.exit_code, done.result.error) == (code, "")


def test_a_command_that_is_not_found_is_named(harness: EngineHarness) -> None:
    done = harness.complete("no-such-program", "x")

    assert b"no-such-program: not found" in done.stderr


def test_times_are_reported(harness: EngineHarness) -> None:
    result = harness.complete("true").result

    assert result.started_at is not None
    assert result.ended_at is not None
    assert result.started_at <= result.ended_at
