"""A real browser for tests, whose pages tell of everything that goes wrong in them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

CHROMIUM = next(
    filter(
        None,
        map(shutil.which, ("chromium", "chromium-browser", "google-chrome")),
    ),
    "",
)
_TIMEOUT = 100_000.0  # milliseconds
NO_BROWSER = "there is no Chromium here"


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Chromium; what a test expects of a page may take long: machines are slow."""
    expect.set_options(timeout=_TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Give an empty page of the server at ``url``.

    The block fails at any error in the page, which a violation of its policy is, too,
    at any dialog, and at any request to another server.

    Args:
        browser: That runs.
        url: Of the server, without a slash at the end.
        options: Of ``Browser.new_context``.
    """
    context = browser.new_context(base_url=url, **options)
    page = context.new_page()
    page.set_default_timeout(_TIMEOUT)
    problems: list[str] = []

    def check(request: Request) -> None:
        if not request.url.startswith(f"{url}/"):
            problems.append(f"requested {request.url}")

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    page.on("request", check)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
    page.on("console", listen)
    yield page
    context.close()
    assert not problems, problems
