// Renews the part of the page that has data-events when the server tells of a change.
// Where it tells nothing (too many listeners, a proxy without streams), every 3 seconds.
"use strict";

const EVENTS = ["change", "expired", "task", "executor", "output", "system_logs", "end"];
const SHORTEST = 1000; // milliseconds between two renewals
const UNTOLD = 3000;
const AGAIN = 30000; // until a server that refused is tried again

const live = { source: null, address: "", renewed: 0, due: null, polling: null };

const part = () => document.querySelector("[data-events]");

const renew = () => {
  if (live.due !== null) {
    return;
  }
  const wait = Math.max(0, live.renewed + SHORTEST - Date.now());
  live.due = setTimeout(() => {
    live.due = null;
    live.renewed = Date.now();
    const found = part();
    if (found !== null) {
      htmx.trigger(found, "told");
    }
  }, wait);
};

const hangUp = () => {
  if (live.source !== null) {
    live.source.close();
  }
  clearInterval(live.polling);
  live.source = live.polling = null;
  live.address = "";
};

// An answer that is no stream ends the source for good; else the browser tries again,
// and the page asks whether the server is there.
const onError = () => {
  renew();
  if (live.source === null || live.source.readyState !== EventSource.CLOSED) {
    return;
  }
  const address = live.address;
  hangUp();
  live.address = address;
  live.polling = setInterval(renew, UNTOLD);
  setTimeout(() => {
    if (live.address === address && live.source === null) {
      hangUp();
      listen();
    }
  }, AGAIN);
};

const listen = () => {
  const found = document.hidden ? null : part();
  const address = found === null ? "" : found.dataset.events;
  if (address === live.address) {
    return;
  }
  hangUp();
  if (address === "") {
    return;
  }
  live.address = address;
  live.source = new EventSource(address);
  // What happened before it listened is in no event.
  live.source.onopen = renew;
  live.source.onerror = onError;
  EVENTS.forEach((name) => live.source.addEventListener(name, renew));
  live.source.addEventListener("end", () => live.source.close());
};

document.addEventListener("DOMContentLoaded", listen);
document.addEventListener("htmx:afterSettle", listen);
// A browser has few connections to a server: pages that nobody sees take none.
document.addEventListener("visibilitychange", listen);
window.addEventListener("pagehide", hangUp);
window.addEventListener("pageshow", listen);
