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

// A renewed page keeps what was opened, wrapped and scrolled.
const kept = { open: new Map(), wrap: false, scroll: new Map() };

document.addEventListener("htmx:beforeSwap", (event) => {
  if (isStale(event.detail.xhr)) {
    event.detail.shouldSwap = false;
    return;
  }
  document.querySelectorAll("details[id]").forEach((each) =>
    kept.open.set(each.id, each.open));
  const wrap = document.querySelector(".wrap");
  kept.wrap = wrap !== null && wrap.checked;
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
    if (kept.open.get(each.id) !== undefined && each.id !== "") {
      each.open = kept.open.get(each.id) || each.open;
    }
  });
  document.querySelectorAll(".wrap").forEach((each) => {
    each.checked = kept.wrap;
    each.closest(".stream").classList.toggle("wrapped", kept.wrap);
  });
  document.querySelectorAll("pre[aria-label]").forEach((each) => {
    const place = kept.scroll.get(each.getAttribute("aria-label"));
    if (place !== undefined) {
      each.scrollTop = place < 0 ? each.scrollHeight : place;
    }
  });
});

document.addEventListener("change", (event) => {
  if (event.target.classList.contains("wrap")) {
    event.target.closest(".stream").classList.toggle("wrapped", event.target.checked);
  }
});

// A file that is dropped on the form of a new task becomes its text.
const documentField = () => document.querySelector("#document");

document.addEventListener("dragover", (event) => {
  if (event.target === documentField()) {
    event.preventDefault();
  }
});

document.addEventListener("drop", (event) => {
  const field = documentField();
  const [file] = event.dataTransfer.files;
  if (event.target !== field || file === undefined) {
    return;
  }
  event.preventDefault();
  file.text().then((text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
});
