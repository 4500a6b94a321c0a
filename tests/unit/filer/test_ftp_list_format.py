"""What is understood of the listings that FTP servers make for people."""

import pytest

from tesk_filer.adapters.storage.ftp_list_format import parse_list
from tesk_filer.ports import Stat

DIRECTORY = Stat(is_directory=True)
LINES = {
    "vsftpd": (
        "-rw-r--r--    1 1000     1000         1234 Jan 05 12:34 a.txt",
        "a.txt",
    ),
    "vsftpd, old": (
        "-rw-r--r--    1 ftp      ftp          1234 Jan 05  2019 a b",
        "a b",
    ),
    "ProFTPD": (
        "-rw-r--r--   1 ada      users        1234 Jan  5 12:34 a.txt",
        "a.txt",
    ),
    "pure-ftpd": (
        "-rw-r--r--    1 ada        users            1234 Jan  5  2021 a",
        "a",
    ),
    "seconds": ("-rw-r--r-- 1 ada users 1234 2024-01-05 12:34:56 a", "a"),
    "the day first": ("-rw-r--r-- 1 ada users 1234 5 Jan 12:34 a", "a"),
    "no group": ("-rw-r--r--   1 ada       1234 Jan  5 12:34 a", "a"),
    "an owner with dashes": ("-rw-r--r-- 1 a-d-a www-data 1234 Jan  5 12:34 a", "a"),
    "a group with a space": ("-rw-r--r-- 1 ada domain users 1234 Jan  5 12:34 a", "a"),
    "numbers as owners": ("-rw-r--r-- 1 1001 1002 1234 Jan  5 12:34 a", "a"),
    "an access list": ("-rw-r--r--+ 1 ada users 1234 Jan  5 12:34 a", "a"),
    "a label of SELinux": ("-rw-r--r--. 1 ada users 1234 Jan  5 12:34 a", "a"),
    "set uid": ("-rwsr-sr-t 1 ada users 1234 Jan  5 12:34 a", "a"),
    "a name with leading spaces": (
        "-rw-r--r-- 1 ada users 1234 Jan  5 12:34   a",
        "  a",
    ),
    "a name like a date": (
        "-rw-r--r-- 1 ada users 1234 Jan  5 12:34 b 1 Jan  6 12:34 a",
        "b 1 Jan  6 12:34 a",
    ),
    "a name like a link": ("-rw-r--r-- 1 ada users 1234 Jan  5 12:34 a -> b", "a -> b"),
    "IIS": ("01-05-24  12:34PM                 1234 a b.txt", "a b.txt"),
    "IIS with four digits": ("01-05-2024  12:34                 1234 a", "a"),
}


@pytest.mark.parametrize(("line", "name"), LINES.values(), ids=LINES)
def test_a_file_is_read(line: str, name: str) -> None:
    assert parse_list([line]) == {name: Stat(size=1234)}


DIRECTORIES = {
    "vsftpd": "drwxr-xr-x    2 1000     1000         4096 Jan 05 12:34 d",
    "sticky": "drwxrwxrwt  12 root root 4096 Jan  5 12:34 d",
    "sticky for others without the right to enter": (
        "drwxrwxrwT  12 root root 4096 Jan  5 12:34 d"
    ),
    "IIS": "01-05-24  12:34PM       <DIR>          d",
}


@pytest.mark.parametrize("line", DIRECTORIES.values(), ids=DIRECTORIES)
def test_a_directory_is_read(line: str) -> None:
    assert parse_list([line]) == {"d": DIRECTORY}


NOT_UNDERSTOOD = {
    "a link": "lrwxrwxrwx 1 ada users 1 Jan  5 12:34 a -> b",
    "a device": "brw-rw---- 1 root disk 8, 0 Jan  5 12:34 sda",
    "the sum": "total 12",
    "another language": "-rw-r--r-- 1 ada users 1234 März  5 12:34 a",
    "rounded sizes": "-rw-r--r-- 1 ada users 1.2K Jan  5 12:34 a",
    "no name": "-rw-r--r-- 1 ada users 1234 Jan  5 12:34 ",
    "EPLF": "+i8388621.29609,m824255902,/,\tdev",
    "a number without end": f"-rw-r--r-- 1 ada users {'9' * 40} Jan  5 12:34 a",
    "nothing": "",
}


@pytest.mark.parametrize("line", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_what_is_not_surely_understood_is_left_out(line: str) -> None:
    assert parse_list([line]) == {}
