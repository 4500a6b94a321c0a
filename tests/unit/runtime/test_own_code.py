"""Paths of this program's code are found."""

import sys
import sysconfig
from pathlib import Path

from tesk_runtime.own_code import own_code_paths


def test_the_programs_that_run_are_protected_even_among_those_of_the_machine() -> None:
    places = {place.path for place in own_code_paths()}

    assert Path(sys.executable).resolve() in places
    assert Path(sysconfig.get_path("scripts"), "tesk") in places
