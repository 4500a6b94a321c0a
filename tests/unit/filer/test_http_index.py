"""Index pages of web servers, and of servers that mean no good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.adapters.storage.http_index import (
    IndexEntry,
    directory_at,
    parse_index,
)
from tesk_filer.ports import StorageError
from tesk_model.locations import parse_location

PUB = directory_at(parse_location("https://data.example.org/pub"))

NGINX = """<html><head><title>Index of /pub/</title></head><body>
<h1>Index of /pub/</h1><hr><pre><a href="../">../</a>
<a href="sub/">sub/</a>                        26-Nov-2026 07:00       -
<a href="a%20b.txt">a b.txt</a>                26-Nov-2026 07:00    1234
<a href="x.vcf.gz">x.vcf.gz</a>                26-Nov-2026 07:00      12
</pre><hr></body></html>"""
APACHE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=S;O=A">Size</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td></tr>
<tr><td><img src="/icons/folder.gif"></td><td><a href="sub/">sub/</a></td></tr>
<tr><td><A HREF="a&amp;b.txt">a&amp;b.txt</A></td><td>1.2K</td></tr></table>
<address>Apache/2.4 <a href="https://httpd.apache.org/">httpd</a></address>"""
PYTHON = """<ul><li><a href="sub/">sub/</a></li>
<li><a href="link@">link@</a></li><li><a href="%C3%A9.txt">é.txt</a></li></ul>"""
FULL = """<a href="/pub/a.txt">a</a><a href="https://data.example.org:443/pub/b/">b</a>
<a href="//data.example.org/pub/c">c</a>"""
HOSTILE = """<a href="../../etc/passwd">x</a><a href="/etc/passwd">x</a>
<a href="%2e%2e/">x</a><a href="%2E%2E%2Fsecret">x</a><a href="a%2Fb">x</a><a href="./">x</a>
<a href="https://other.example.org/pub/a">x</a><a href="http://data.example.org/pub/a">x</a>
<a href="https://data.example.org:8443/pub/a">x</a><a href="file:///pub/a">x</a>
<a href="javascript:alert(1)">x</a><a href="https://[::1">x</a><a href="deep/er/file">x</a>
<a href="nul%00">x</a><a href="a?b">x</a><a href>x</a><a href="">x</a><a
href="ok.txt">x</a><a href="ok.txt">again</a><a href="both">x</a><a href="both/">x</a>"""
PAGES = {
    "of nginx": (NGINX, ["a b.txt", "sub/", "x.vcf.gz"]),
    "of Apache": (APACHE, ["a&b.txt", "sub/"]),
    "of Python": (PYTHON, ["link@", "sub/", "é.txt"]),
    "with whole urls": (FULL, ["a.txt", "b/", "c"]),
    "that leads elsewhere": (HOSTILE, ["both/", "ok.txt"]),
    "that is cut": ('<a href="a">a</a><a href="b', ["a"]),
}
EMPTY = {
    "nginx": """<head><title>Index of /pub/</title></head><h1>Index of /pub/</h1><hr>
<pre><a href="../">../</a></pre>""",
    "Apache": """<title>Index of /pub</title><h1>Index of /pub</h1>
<a href="?C=N;O=D">Name</a> <a href="/">Parent Directory</a>""",
    "Apache with a title of the operator's": """<title>Our data</title>
<th><a href="?C=M&amp;O=A">Last modified</a></th>""",
    "lighttpd": '<h2>Index of /pub/</h2><td><a href="../">..</a>/</td>',
    "Caddy": '<title>pub</title><a href="./?sort=name&order=asc">Name</a>',
    "Caddy with the folder above": '<title>pub</title><a href="..">Up</a>',
    "Python": "<title>Directory listing for /pub/</title><ul>\n</ul>",
    "Tomcat": "<h1>\n Directory Listing For [/pub/]</h1>",
    "Jetty": "<title>Directory: /pub/</title>",
    "IIS": '<a HREF="/">[To Parent Directory]</a>',
    "IIS, of all": "<title>example.org - /</title><H1>example.org - /</H1><hr><pre></pre>",
    "serve": """<title>Files within x/</title><h1><i>Index of&nbsp;</i><a href="/">x</a>
</h1><a href="/data/" title="..">..</a>""",
    "Go": '<!doctype html>\n<meta name="viewport">\n<pre>\n</pre>\n',
}
NONE = {
    "nothing": "",
    "maintenance": """<title>Maintenance</title><h1>The index of all data is made anew</h1>
<pre>until noon</pre> <a href="https://status.example.org/">status</a>""",
    "a login": """<title>Log in</title><form action="login"></form><a href="/">Home</a>
<a href="?lang=de">deutsch</a> <p>Parent directory</p>""",
    "a login with a way back": """<title>Sign in</title><a href="../">back</a>
<form><input name="who"><input type="password" name="p"></form>""",
}


def shown(entry: IndexEntry) -> str:
    return f"{entry.name}/" if entry.is_directory else entry.name


@pytest.mark.parametrize(("page", "want"), PAGES.values(), ids=PAGES)
def test_the_names_of_an_index_page(page: str, want: list[str]) -> None:
    assert list(map(shown, parse_index(page, PUB))) == want


@pytest.mark.parametrize("page", EMPTY.values(), ids=EMPTY)
def test_the_page_of_an_empty_folder_has_no_names(page: str) -> None:
    assert parse_index(page, PUB) == []


@pytest.mark.parametrize("page", NONE.values(), ids=NONE)
def test_a_page_without_names_that_is_no_index_page_fails_for_good(page: str) -> None:
    with pytest.raises(StorageError, match="nor a sign of an index page") as caught:
        parse_index(page, PUB)

    assert not caught.value.transient


@given(st.text("ab/.%2eFf?#:\\\0 é", max_size=20))
def test_no_link_leads_out_of_the_directory(link: str) -> None:
    page = f'<title>Index of /pub</title><a href="{link}">x</a>'

    for entry in parse_index(page, PUB):
        below = PUB.below(entry.name)

        assert "/" not in entry.name
        assert below.path == f"/pub/{entry.name}"
        assert below.host == "data.example.org"
