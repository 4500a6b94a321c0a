"""The page with logins: who sees what, and that everybody can use it."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import bcrypt
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, HttpCredentials, Page, expect

from programs.browser import CHROMIUM, NO_BROWSER, watched_page
from programs.stack import Stack, running_stack

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER)

HOSTILE = '<img src=x onerror="document.title=1">'
USERS = ("alice", "bob", "root", HOSTILE)
SERIOUS = ("serious", "critical")


def access_files(folder: Path) -> dict[str, str]:
    """Write users, whose passwords are their names; return the settings."""
    users, groups = folder / "users", folder / "groups"
    hashes = {
        name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(4)).decode() for name in USERS
    }
    users.write_text("".join(f"{name}:{text}\n" for name, text in hashes.items()))
    groups.write_text("admins: root\n")
    return {
        "TESK_API_AUTH": "basic",
        "TESK_API_USERS_FILE": str(users),
        "TESK_API_GROUPS_FILE": str(groups),
        "TESK_API_ADMIN_GROUP": "admins",
    }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("users")
    environ = access_files(folder)
    with running_stack(folder, environ=environ) as stack:
        yield stack


def page_of(
    browser: Browser, stack: Stack, user: str, **options: Any
) -> AbstractContextManager[Page]:
    """Give a page for which ``user`` is logged in."""
    login: HttpCredentials = {"username": user, "password": user}
    return watched_page(browser, stack.url, http_credentials=login, **options)


def submit(page: Page, name: str, script: str = "true") -> str:
    """Submit a task by the form; return its id."""
    page.goto("/web/submit")
    page.get_by_label("The task").fill(
        f'{{"name": "{name}", "executors": '
        f'[{{"image": "i", "command": ["sh", "-c", "{script}"]}}]}}'
    )
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    return page.url.rpartition("/")[2]


def ended(page: Page, task_id: str, state: str) -> None:
    """Wait for the end of a task."""
    page.goto(f"/web/tasks/{task_id}")
    expect(page.locator(".state").first).to_contain_text(state)


def test_nobody_gets_in_without_a_login(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.url)
    page = context.new_page()
    for path in ("/web/tasks", "/web/load", "/web/submit"):
        answer = page.request.get(path)
        assert answer.status == 401
        assert "Basic" in answer.headers["www-authenticate"]
    context.close()


def test_users_see_nothing_of_each_other(browser: Browser, stack: Stack) -> None:
    with (
        page_of(browser, stack, "alice") as alice,
        page_of(browser, stack, "bob") as bob,
    ):
        task_id = submit(alice, "mine alone", "echo secret; exit 3")
        expect(alice.locator(".user")).to_have_text("alice")
        ended(alice, task_id, "executor error")

        for path in ("/web/tasks", "/web/load", "/web/tasks?name_prefix=mine"):
            bob.goto(path)
            expect(bob.locator(".user")).to_have_text("bob")
            assert "mine alone" not in bob.content()
            assert "alice" not in bob.content()
        for path in ("", "/executors/0/stdout"):
            assert bob.request.get(f"/web/tasks/{task_id}{path}").status == 404
        assert bob.request.get(f"/web/submit?like={task_id}").status == 404
        alice.goto("/web/load")
        expect(alice.get_by_role("link", name="mine alone").first).to_be_visible()


def test_admins_see_everybody_by_name_and_no_name_runs(
    browser: Browser, stack: Stack
) -> None:
    with page_of(browser, stack, HOSTILE) as hostile:
        submit(hostile, "of a strange user", "sleep 1000")
        expect(hostile.locator(".user")).to_have_text(HOSTILE)
    with page_of(browser, stack, "root") as root:
        root.goto("/web/load")
        expect(root.get_by_text(HOSTILE).first).to_be_visible()
        expect(root.get_by_role("heading", name="Taskmasters")).to_be_visible()
        root.goto("/web/tasks?name_prefix=of a strange")
        link = root.get_by_role("link", name=re.compile("strange user")).first
        link.click()
        root.get_by_role("button", name="Cancel").click()
        expect(root.locator(".state").first).to_contain_text("canceled")
        assert root.title() != "1"


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        (390, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.long),
        pytest.param(390, "light", marks=pytest.mark.long),
    ],
)
def test_every_page_is_accessible(
    browser: Browser, stack: Stack, scheme: Literal["light", "dark"], width: int
) -> None:
    with page_of(
        browser,
        stack,
        "root",
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
    ) as page:
        failed = submit(page, "broken", "echo out; echo err >&2; exit 3")
        ended(page, failed, "executor error")
        waits = submit(page, "endless", "echo out; sleep 1000")
        findings = [
            finding
            for path in (
                "/web/tasks",
                "/web/tasks?state=PAUSED",
                "/web/tasks?state=NONE",
                f"/web/tasks/{failed}",
                f"/web/tasks/{failed}?find=o",
                f"/web/tasks/{waits}",
                "/web/load",
                "/web/submit",
            )
            for finding in violations(page, path)
        ]
        page.get_by_role("button", name="Check before submit").click()
        expect(page.get_by_role("heading", name="It would")).to_be_visible()
        findings += violations(page)
        page.get_by_label("The task").fill("{")
        expect(page.locator(".problems")).to_be_visible()
        findings += violations(page)
        cancel(page, waits)
    assert findings == []


def test_an_error_is_a_page_like_others(browser: Browser, stack: Stack) -> None:
    login: HttpCredentials = {"username": "alice", "password": "alice"}
    # Not watched: the browser itself reports the status as an error.
    context = browser.new_context(base_url=stack.url, http_credentials=login)
    page = context.new_page()
    findings = violations(page, "/web/tasks/none-of-this-name")
    expect(page.get_by_role("link", name="Back to the tasks")).to_be_visible()
    context.close()
    assert findings == []


def violations(page: Page, path: str = "") -> list[str]:
    """Return what axe finds serious on a page, with everything opened."""
    if path:
        page.goto(path)
    page.evaluate(
        "document.querySelectorAll('details').forEach(e => { e.open = true })"
    )
    found = Axe().run(page).response["violations"]
    return [
        f"{page.url}: {each['id']}: {each['nodes'][0]['html']}"
        for each in found
        if each["impact"] in SERIOUS
    ]


def cancel(page: Page, task_id: str) -> None:
    """Cancel a task of this user by the page."""
    page.goto(f"/web/tasks/{task_id}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state").first).to_contain_text("canceled")
