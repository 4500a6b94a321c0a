// What the page needs beyond htmx: not to take away what somebody is reading or selecting.
"use strict";

document.documentElement.classList.add("scripted");

const isSelecting = () => document.querySelector("#rows input:checked") !== null;

const isReading = () => {
  const chosen = window.getSelection();
  return chosen !== null && !chosen.isCollapsed;
};

document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.target.id;
  if ((part === "rows" && isSelecting()) || (part === "task" && isReading())) {
    event.preventDefault();
  }
});

// An answer to a search that somebody has changed meanwhile.
const isStale = (request) => {
  const field = document.querySelector("#find");
  if (field === null || document.activeElement !== field) {
    return false;
  }
  const wanted = new URL(request.responseURL).searchParams.get("find") ?? "";
  return wanted !== field.value;
};

// A renewed page keeps what was opened, wrapped and scrolled, and where the focus was.
const kept = { open: new Map(), wrap: new Map(), scroll: new Map(), focus: null };

// Of what has no id: which of those that look the same.
const nameOf = (each) => [
  each.closest("[id]")?.id, each.tagName,
  ...["href", "aria-label", "name", "value"].map((name) => each.getAttribute(name)),
].join(" ");

const allOfName = (part, name) =>
  [...part.querySelectorAll("a, button, input, summary, [tabindex]")].filter((each) =>
    nameOf(each) === name);

const focusOf = (part) => {
  const at = document.activeElement;
  if (at === null || at.id !== "" || !part.contains(at)) {
    return null;
  }
  const name = nameOf(at);
  return { part: part.id, name, index: allOfName(part, name).indexOf(at) };
};

const focusAgain = ({ part, name, index }) => {
  const found = document.getElementById(part);
  if (found !== null && document.activeElement === document.body) {
    allOfName(found, name)[index]?.focus({ preventScroll: true });
  }
};

// By pointer or keyboard; before it opens or closes.
document.addEventListener("click", (event) => {
  const part = event.target.closest("summary")?.parentElement;
  if (part instanceof HTMLDetailsElement) {
    kept.open.set(part.id, !part.open);
  }
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (isStale(event.detail.xhr)) {
    event.detail.shouldSwap = false;
    return;
  }
  kept.focus = focusOf(event.detail.target);
  document.querySelectorAll(".wrap").forEach((each) =>
    kept.wrap.set(each.id, each.checked));
  document.querySelectorAll("pre[aria-label]").forEach((each) => {
    const atEnd = each.scrollTop + each.clientHeight >= each.scrollHeight - 4;
    kept.scroll.set(each.getAttribute("aria-label"), atEnd ? -1 : each.scrollTop);
  });
});

// A page that is not encrypted has no clipboard.
const addCopyButtons = () => {
  if (navigator.clipboard === undefined) {
    return;
  }
  document.querySelectorAll("pre.copied").forEach((each) => {
    if (each.previousElementSibling?.className === "copy") {
      return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${each.getAttribute("aria-label")}`);
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(each.textContent).then(
        () => { button.textContent = "Copied"; },
        () => { button.textContent = "Not allowed"; });
    });
    each.before(button);
  });
};

document.addEventListener("DOMContentLoaded", addCopyButtons);

document.addEventListener("htmx:afterSettle", () => {
  addCopyButtons();
  document.querySelectorAll("details[id]").forEach((each) => {
    each.open = kept.open.get(each.id) ?? each.open;
  });
  document.querySelectorAll(".wrap").forEach((each) => {
    each.checked = kept.wrap.get(each.id) ?? false;
    each.closest(".stream").classList.toggle("wrapped", each.checked);
  });
  document.querySelectorAll("pre[aria-label]").forEach((each) => {
    const place = kept.scroll.get(each.getAttribute("aria-label"));
    if (place !== undefined) {
      each.scrollTop = place < 0 ? each.scrollHeight : place;
    }
  });
  if (kept.focus !== null) {
    focusAgain(kept.focus);
    kept.focus = null;
  }
});

// A page that could not be renewed says so, and why if the server did.
const AWAY = "The server does not answer. The page is as it was, and goes on when it does.";

const tell = (text) => {
  const notice = document.querySelector("#notice");
  notice.textContent = text;
  notice.hidden = text === "";
};

document.addEventListener("htmx:sendError", () => tell(AWAY));
document.addEventListener("htmx:responseError", (event) => {
  const { status, statusText, responseText } = event.detail.xhr;
  const answer = new DOMParser().parseFromString(responseText, "text/html");
  const said = answer.querySelector("#message")?.textContent;
  tell(said ?? `The server answers ${status} ${statusText}.`);
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) {
    tell("");
  }
});

document.addEventListener("change", (event) => {
  if (event.target.classList.contains("wrap")) {
    event.target.closest(".stream").classList.toggle("wrapped", event.target.checked);
  }
});

// The line that a problem names is selected, and seen.
document.addEventListener("click", (event) => {
  const number = Number(event.target.dataset?.line);
  const field = document.querySelector("#document");
  if (!number || field === null) {
    return;
  }
  event.preventDefault();
  const lines = field.value.split("\n");
  const start = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
  field.focus();
  field.setSelectionRange(start, start + (lines[number - 1] ?? "").length);
  field.scrollTop = field.scrollHeight * Math.max(0, number - 5) / lines.length;
});

// A file that is dropped on the form of a new task becomes its text.
const documentField = () => document.querySelector("#document");

document.addEventListener("dragover", (event) => {
  if (documentField() !== null) {
    event.preventDefault();
  }
});

document.addEventListener("drop", (event) => {
  const field = documentField();
  const [file] = event.dataTransfer.files;
  if (field === null || file === undefined) {
    return;
  }
  event.preventDefault();
  file.text().then((text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
});
