"""A page that is renewed takes nothing away from who uses it, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from programs.browser import CHROMIUM, NO_BROWSER, watched_page
from programs.stack import Stack, running_stack
from programs.waiting import eventually

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER)

ENDLESS = "while true; do echo a line; echo another >&2; sleep 0.3; done"
LONG = "name-without-a-blank-" * 40


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("renewal")) as stack:
        yield stack


def create(stack: Stack, name: str, script: str, **fields: object) -> str:
    executor = {"image": "busybox", "command": ["sh", "-c", script]}
    return stack.create({"name": name, "executors": [executor], **fields})


def renewed(page: Page, part: str) -> None:
    """Wait until a part of the page is another one than now."""
    page.evaluate("part => { document.getElementById(part).seen = true; }", part)
    changed = f"document.getElementById('{part}')?.seen !== true"
    eventually(lambda: page.evaluate(changed), what=f"a new {part}")


def is_focused(place: Locator) -> bool:
    return bool(place.evaluate("each => each === document.activeElement"))


def test_what_was_focused_opened_and_wrapped_stays_so(page: Page, stack: Stack) -> None:
    task_id = create(stack, "kept", ENDLESS)
    page.goto(f"/web/tasks/{task_id}")
    expect(page.locator("pre", has_text="another").first).to_be_visible()

    page.get_by_label("wrap").nth(1).check()
    download = page.get_by_role("link", name="Download")
    download.nth(1).focus()
    renewed(page, "task")
    eventually(lambda: is_focused(download.nth(1)), what="focus of the link")
    expect(page.get_by_label("wrap").nth(0)).not_to_be_checked()
    expect(page.locator(".stream").nth(1)).to_have_class("stream wrapped")

    summary = page.locator("#executor-0 > summary")
    summary.click()
    renewed(page, "task")
    eventually(lambda: is_focused(summary), what="focus of the executor")
    expect(page.locator("#executor-0")).not_to_have_attribute("open", "")
    stack.cancel(task_id)


def test_a_list_is_used_by_keyboard_while_it_changes(page: Page, stack: Stack) -> None:
    task_id = create(stack, "by keyboard", "sleep 1000")
    page.goto("/web/tasks?name_prefix=by keyboard")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="New task")).to_be_focused()

    link = page.get_by_role("link", name="by keyboard", exact=True)
    link.focus()
    other = create(stack, "by keyboard as well", "true")
    expect(page.get_by_text("by keyboard as well")).to_be_visible()
    eventually(lambda: is_focused(link), what="focus of the link")

    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("Select by keyboard", exact=True)).to_be_checked()
    page.get_by_role("button", name="Cancel what is selected").press("Enter")
    expect(page.locator(".state", has_text="canceled")).to_be_visible()
    assert page.url.endswith("?name_prefix=by+keyboard")
    stack.finish(task_id)
    stack.finish(other)


def test_a_server_that_is_away_is_told_and_waited_for(
    browser: Browser, stack: Stack
) -> None:
    # Not watched: the browser itself reports an unreachable server as an error.
    context = browser.new_context(base_url=stack.url)
    page = context.new_page()
    task_id = create(stack, "goes on", "sleep 1; echo begun; sleep 1000")
    page.goto(f"/web/tasks/{task_id}")
    expect(page.get_by_text("begun", exact=True)).to_be_visible()
    page.evaluate("window.unchanged = true")

    stack.kill("api")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")

    stack.start("api")
    expect(page.get_by_role("alert")).to_be_hidden()
    stack.cancel(task_id)
    expect(page.locator(".state")).to_contain_text("canceled")
    assert page.evaluate("window.unchanged")
    context.close()


def test_a_refusal_of_what_is_typed_is_a_sentence(
    browser: Browser, stack: Stack
) -> None:
    # Not watched: the browser itself reports the status as an error.
    context = browser.new_context(base_url=stack.url)
    page = context.new_page()
    page.goto("/web/submit")
    context.clear_cookies()
    page.get_by_label("The task").fill("{}")
    expect(page.get_by_role("alert")).to_contain_text("load the page again")
    context.close()


def test_a_file_is_dropped_anywhere_on_the_form(page: Page) -> None:
    page.goto("/web/submit")
    page.evaluate(
        """() => {
          const files = new DataTransfer();
          files.items.add(new File(['{"executors": [\\n{"image": 3}]}'], "task.json"));
          const drop = { dataTransfer: files, bubbles: true, cancelable: true };
          for (const name of ["dragover", "drop"]) {
            const event = new DragEvent(name, drop);
            document.querySelector("h1").dispatchEvent(event);
            window.prevented = event.defaultPrevented;
          }
        }"""
    )
    assert page.evaluate("window.prevented")
    expect(page.get_by_label("The task")).to_have_value(
        '{"executors": [\n{"image": 3}]}'
    )
    expect(page.locator(".problems")).to_contain_text("executors[0].image")
    page.get_by_role("link", name="line 2").first.click()
    selected = "document.activeElement.value.slice(...['Start', 'End'].map((each) =>"
    selected += " document.activeElement[`selection${each}`]))"
    assert page.evaluate(selected) == '{"image": 3}]}'


@pytest.mark.parametrize("width", [1280, 390])
def test_long_names_and_tags_leave_the_page_as_wide_as_it_is(
    browser: Browser, stack: Stack, width: int
) -> None:
    tags = {f"{number}-{LONG[:200]}": LONG[:200] for number in range(20)}
    task_id = create(stack, LONG, f"echo {LONG}; exit 3", description=LONG, tags=tags)
    stack.finish(task_id)
    size = {"width": width, "height": 800}
    with watched_page(browser, stack.url, viewport=size) as page:
        for path in ("/web/tasks", f"/web/tasks/{task_id}", "/web/load"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.goto("/web/tasks")
        # One that is renewed just now has no box.
        age = eventually(page.locator("#rows time").first.bounding_box)
    assert age["height"] < 30


def test_tasks_are_canceled_without_scripts(browser: Browser, stack: Stack) -> None:
    create(stack, "no script", "sleep 1000")
    with watched_page(browser, stack.url, java_script_enabled=False) as page:
        page.goto("/web/tasks?name_prefix=no script")
        page.get_by_label("Select no script").check()
        page.get_by_role("button", name="Cancel what is selected").click()
        page.get_by_role("link", name="no script").click()
        expect(page.locator(".state")).to_contain_text("cancel")
