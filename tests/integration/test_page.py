"""The page in a real browser, on the four real services."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from programs.browser import CHROMIUM, NO_BROWSER, watched_page
from programs.stack import Stack, running_stack
from programs.waiting import eventually

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER)

HOSTILE = '"><img src=x onerror="document.title=`owned`"><script>owned</script>'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("page")) as stack:
        yield stack


def submit(page: Page, document: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="Submit", exact=True).click()
    page.get_by_label("The task").fill(document)
    expect(page.get_by_text("This is a valid task.")).to_be_visible()
    page.get_by_role("button", name="Submit", exact=True).click()


def until(page: Page, condition: str) -> None:
    """Wait for a condition; Playwright's own wait is refused by the page's policy."""
    eventually(lambda: page.evaluate(condition), what=condition)


def test_a_task_is_followed_to_its_last_line_without_a_reload(page: Page) -> None:
    submit(
        page,
        '{"name": "followed", "executors": [{"image": "busybox", '
        '"command": ["sh", "-c", "echo begun; sleep 4; echo last line"]}]}',
    )
    expect(page.get_by_role("heading", name="followed")).to_be_visible()
    page.evaluate("window.unchanged = true")
    expect(page.get_by_text("begun", exact=True)).to_be_visible()
    expect(page.locator(".state")).to_contain_text("running")

    expect(page.locator("pre", has_text="last line").first).to_be_visible()
    expect(page.locator(".state")).to_contain_text("complete")
    assert page.evaluate("window.unchanged")


def test_a_list_is_renewed_when_the_server_tells_of_a_change(
    page: Page, stack: Stack
) -> None:
    page.goto("/web/tasks")
    until(page, "live.source?.readyState === EventSource.OPEN")
    # It is renewed once it listens.
    until(page, "live.renewed > 0 && live.due === null")
    page.evaluate("document.addEventListener('told', () => { window.told = true; })")
    stack.create({"name": "told", **command("true")})

    expect(page.get_by_role("link", name="told", exact=True)).to_be_visible()
    until(page, "window.told")
    assert page.evaluate("live.polling === null")


def test_a_page_that_nobody_sees_listens_to_nothing(page: Page) -> None:
    page.goto("/web/tasks")
    until(page, "live.source?.readyState === EventSource.OPEN")
    page.get_by_role("link", name="Submit", exact=True).click()
    page.get_by_label("The task").wait_for()

    assert page.evaluate("live.source === null")


def test_what_is_wrong_is_said_while_one_types(page: Page) -> None:
    page.goto("/web/submit")
    page.get_by_label("The task").fill('{"executors": []}')
    expect(page.locator(".problems")).to_contain_text("executors")


def test_a_task_is_checked_before_it_is_submitted(page: Page) -> None:
    page.goto("/web/submit")
    page.get_by_label("The task").fill(
        '{"executors": [{"image": "busybox", "command": ["true"]}], '
        '"inputs": [{"path": "/in", "url": "file:///nowhere/x"}]}'
    )
    page.evaluate("window.unchanged = true")

    page.get_by_role("button", name="Check before submit").click()

    expect(page.get_by_role("heading", name="It would")).to_be_visible()
    expect(page.locator(".findings")).to_contain_text("not looked at")
    assert page.evaluate("window.unchanged")
    assert page.url.endswith("/web/submit")


def test_a_task_is_canceled(page: Page) -> None:
    submit(
        page,
        '{"name": "endless", "executors": '
        '[{"image": "busybox", "command": ["sleep", "1000"]}]}',
    )
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state")).to_contain_text("canceled")


def test_filters_stand_in_the_address_and_the_back_button_returns(
    page: Page, stack: Stack
) -> None:
    for run in ("17", "18"):
        stack.create({"name": f"run {run}", "tags": {"run": run}, **command("true")})
    page.goto("/web/tasks")
    page.get_by_role("link", name="run=17").first.click()
    assert "run%3D17" in page.url
    expect(page.get_by_text("run 18")).to_have_count(0)
    page.go_back()
    expect(page.get_by_text("run 18").first).to_be_visible()


def test_output_is_found_wrapped_copied_and_downloaded(
    page: Page, stack: Stack
) -> None:
    script = "for n in 1 2 3; do echo line $n; done; echo needle; sleep 1000"
    task_id = stack.create({"name": "searched", **command("sh", "-c", script)})
    page.goto(f"/web/tasks/{task_id}")
    expect(page.locator("pre", has_text="needle").first).to_be_visible()

    page.get_by_label("Find in the output").press_sequentially("NEED", delay=20)
    expect(page.locator("mark")).to_have_text("need")
    expect(page.get_by_text("1 of 4 lines")).to_be_visible()
    assert "find=NEED" in page.url
    expect(page.get_by_label("Find in the output")).to_be_focused()

    page.goto(f"/web/tasks/{task_id}")
    page.get_by_label("wrap").check()
    expect(page.locator(".stream").first).to_have_class("stream wrapped")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    assert started.value.suggested_filename == f"{task_id}-0-stdout.txt"
    assert "needle" in started.value.path().read_text()
    stack.cancel(task_id)


def test_a_new_task_begins_with_an_example(page: Page) -> None:
    page.goto("/web/submit")
    page.get_by_role("link", name="a script in the task").click()
    expect(page.get_by_label("The task")).to_have_value(re.compile("script.sh"))
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("heading", name="inline content")).to_be_visible()


def test_the_load_is_renewed(page: Page, stack: Stack) -> None:
    page.goto("/web/load?hours=1")
    page.evaluate("window.unchanged = true")
    page.get_by_text("As a table").first.click()
    stack.run({"name": "broken", **command("sh", "-c", "exit 3")})

    row = page.get_by_role("link", name="broken")
    expect(row).to_be_visible()
    expect(page.get_by_text("EXECUTOR_FAILED").first).to_be_visible()
    assert page.evaluate("window.unchanged")
    expect(page.locator("#table-ended")).to_have_attribute("open", "")


def test_nothing_that_users_wrote_runs(page: Page, stack: Stack) -> None:
    name = HOSTILE.replace("/", "")
    script = f"cat <<'EOF'\n{HOSTILE}\n\033]0;x\007\nEOF\necho '{HOSTILE}' >&2; exit 3"
    task_id = stack.create(
        {
            "name": HOSTILE,
            "description": HOSTILE,
            "tags": {HOSTILE: HOSTILE},
            "inputs": [{"path": f"/in/{name}", "content": HOSTILE}],
            "outputs": [
                {"path": f"/out/{name}", "url": f"file://{stack.files}/{name}"}
            ],
            "executors": [
                {"image": "<script>owned</script>", "command": ["sh", "-c", script]}
            ],
        }
    )
    stack.finish(task_id)
    page.goto(f"/web/tasks/{task_id}")
    expect(page.locator("pre", has_text="onerror").first).to_be_visible()
    page.goto(f"/web/tasks/{task_id}?find=<img")
    expect(page.locator("mark").first).to_have_text("<img")
    for path in ("/web/tasks", "/web/load"):
        page.goto(path)
        link = page.get_by_role("link", name=re.compile("owned")).first
        expect(link).to_be_visible()
    page.goto(f"/web/submit?like={task_id}")
    expect(page.get_by_label("The task")).to_have_value(re.compile("onerror"))
    for path in ("/web/tasks?tag=", "/web/tasks?state=", "/web/load?hours="):
        page.goto(f"{path}{HOSTILE}")
    assert page.title() != "owned"


def test_nothing_that_an_error_names_runs(page: Page, stack: Stack) -> None:
    name = HOSTILE.replace("/", "")
    task_id = stack.create(
        {
            "name": "an error",
            "inputs": [{"path": "/in/a", "url": f"file://{stack.files}/{name}"}],
            "executors": [{"image": "busybox", "command": ["true"]}],
        }
    )

    task = stack.finish(task_id)

    assert task["state"] == "SYSTEM_ERROR", task
    page.goto(f"/web/tasks/{task_id}")
    expect(page.get_by_text("does not exist").first).to_contain_text("onerror")
    page.goto("/web/load")
    expect(page.get_by_role("link", name="an error").first).to_be_visible()
    page.goto("/web/submit")
    page.get_by_label("The task").fill('{"tags": {"<img src=x>": 1}}')
    expect(page.get_by_text("<img src=x>", exact=False).first).to_be_visible()
    assert page.title() != "owned"


def test_pages_can_be_read_and_used_without_scripts(
    browser: Browser, stack: Stack
) -> None:
    with watched_page(browser, stack.url, java_script_enabled=False) as page:
        page.goto("/web/submit?example=hello")
        page.get_by_role("button", name="Submit", exact=True).click()
        expect(page.get_by_role("heading", name="hello")).to_be_visible()
        stack.finish(page.url.rpartition("/")[2])
        page.reload()
        page.get_by_label("Find in the output").fill("hello")
        page.get_by_role("button", name="Find").click()
        expect(page.locator("mark").first).to_have_text("hello")
        page.goto("/web/tasks?name_prefix=hello")
        expect(page.get_by_role("link", name="hello").first).to_be_visible()
        page.goto("/web/load")
        page.get_by_text("As a table").first.click()
        expect(page.get_by_role("cell").first).to_be_visible()


def command(*arguments: str) -> dict[str, object]:
    return {"executors": [{"image": "busybox", "command": list(arguments)}]}
