"""Reads the listings for people that FTP servers give for LIST.

No standard says what they look like. Most resemble ``ls -l``, those of IIS ``dir`` of
DOS. What is not surely understood is left out: links, devices, months in other
languages, names that begin with spaces in the format of DOS.
"""

import re
from collections.abc import Iterable, Mapping

from tesk_filer.ports import Stat

# Type and permissions; then links, owner and group, which may hold anything.
_MODE = re.compile(r"([-d])[-rwxsStTlL]{9}[+.@]?\s")
# What comes before the name: "1234 Jan  5 12:34 ", "… Jan 5 2024 ", "… 2024-01-05 12:34 ".
_SIZE_AND_DATE = re.compile(
    r"\s(\d{1,18})\s{1,20}"
    r"(?:[A-Z][a-z]{2}\s{1,2}\d{1,2}|\d{1,2}\s[A-Z][a-z]{2}|\d{4}-\d\d-\d\d)"
    r"\s{1,2}(?:\d{4}|\d{1,2}:\d\d(?::\d\d)?)\s"
)
_DOS = re.compile(
    r"\d\d-\d\d-\d\d(?:\d\d)?\s{1,4}\d\d:\d\d(?:[AP]M)?\s{1,40}"
    r"(?:(<DIR>)\s{1,40}|(\d{1,18})\s)(?=\S)"
)


def parse_list(lines: Iterable[str]) -> Mapping[str, Stat]:
    """Return the files and directories of a listing that are understood, by name."""
    parsed = (_parse_line(line) for line in lines)
    return dict(each for each in parsed if each and each[0])


def _parse_line(line: str) -> tuple[str, Stat] | None:
    if dos := _DOS.match(line):
        return line[dos.end() :], _stat(is_directory=bool(dos[1]), size=dos[2])
    mode = _MODE.match(line)
    found = _SIZE_AND_DATE.search(line, mode.end() - 1) if mode else None
    if mode is None or found is None:
        return None
    return line[found.end() :], _stat(is_directory=mode[1] == "d", size=found[1])


def _stat(*, is_directory: bool, size: str | None) -> Stat:
    return Stat(is_directory=True) if is_directory else Stat(size=int(size or 0))
