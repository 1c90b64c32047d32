// Live updates, the running clock, copying and the keyboard. Without this script the pages work, but do not move.
"use strict";
const body = document.body;
const watch = JSON.parse(body.dataset.watch || "[]");
let isPaused = false, isStale = false, isBusy = false;

// Live updates. A page does not change under a reader who selects, types or has paused.
function isInUse() {
  const live = document.getElementById("live"), active = document.activeElement, selection = document.getSelection();
  if (!live) return true;
  const selects = selection && !selection.isCollapsed && live.contains(selection.anchorNode);
  const types = active && live.contains(active) && active.matches("input, select, textarea, video, audio, pre");
  const plays = [...live.querySelectorAll("video, audio")].some((media) => !media.paused);
  return isPaused || document.hidden || selects || types || plays;
}

function refresh() {
  if (isInUse() || isBusy) { isStale = true; return; }
  isStale = false;
  htmx.trigger(body, "changed");
}

function refreshStale() {
  if (isStale && !isInUse()) refresh();
}

let open = new Set();
body.addEventListener("htmx:beforeRequest", () => {
  isBusy = true;
  open = new Set([...document.querySelectorAll("#live details[open] > summary")].map((one) => one.textContent));
});
body.addEventListener("htmx:afterSettle", () => {
  for (const one of document.querySelectorAll("#live details > summary")) if (open.has(one.textContent)) one.parentElement.open = true;
  prepare();
});
body.addEventListener("htmx:afterRequest", () => { isBusy = false; setTimeout(refreshStale, 200); });
for (const event of ["visibilitychange", "selectionchange", "focusout"]) document.addEventListener(event, () => setTimeout(refreshStale, 100));

if (watch.length) {
  const wanted = { url: body.dataset.events, sandboxes: watch, versions: JSON.parse(body.dataset.versions) };
  if (window.SharedWorker) {
    const worker = new SharedWorker(body.dataset.worker);
    worker.port.onmessage = refresh;
    worker.port.start();
    worker.port.postMessage(wanted);
    window.addEventListener("pagehide", () => worker.port.postMessage("bye"));
    window.addEventListener("pageshow", (event) => { if (event.persisted) { worker.port.postMessage(wanted); refresh(); } });
  } else {
    let source = null;
    const listen = () => {
      if (source) source.close();
      source = document.hidden ? null : new EventSource(wanted.url + "?" + new URLSearchParams(watch.map((name) => ["sandbox", name])));
      if (!source) return;
      source.addEventListener("changed", refresh);
      source.addEventListener("versions", (event) => {
        const versions = JSON.parse(event.data);
        if (watch.some((name) => versions[name] !== wanted.versions[name])) refresh();
        wanted.versions = versions;
      });
    };
    document.addEventListener("visibilitychange", () => { listen(); isStale = true; });
    listen();
  }
}

const liveSwitch = document.getElementById("live-switch");
liveSwitch.hidden = !watch.length;
function pause() {
  isPaused = !isPaused;
  liveSwitch.setAttribute("aria-pressed", String(isPaused));
  refreshStale();
}
liveSwitch.addEventListener("click", pause);

// The clock of the sandbox runs on between two updates.
setInterval(() => {
  const clock = document.getElementById("clock");
  if (!clock || !(Number(clock.dataset.rate) > 0) || document.hidden || isPaused) return;
  if (!clock.since) clock.since = performance.now();
  const at = Number(clock.dataset.now) + (performance.now() - clock.since) / 1000 * Number(clock.dataset.rate);
  if (at < 8e12) clock.textContent = new Date(at * 1000).toISOString().slice(0, 19).replace("T", " ");
}, 250);

// Copying.
function prepare() {
  for (const button of document.querySelectorAll("button.copy, button[data-secret]")) button.hidden = false;
  const clock = document.getElementById("clock");
  if (clock) clock.since = performance.now();
}
async function copy(text, button) {
  const before = button.dataset.text || (button.dataset.text = button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = body.dataset.copied;
  } catch {
    const source = document.getElementById(button.dataset.copy);
    if (button.dataset.fetch) { location.assign(button.dataset.fetch); return; }
    if (source) document.getSelection().selectAllChildren(source);
    button.textContent = body.dataset.copyFailed;
  }
  setTimeout(() => { button.textContent = before; }, 2500);
}
async function copyFetched(button) {
  const answer = await fetch(button.dataset.fetch, { headers: { Accept: "text/plain" } });
  if (answer.ok) copy(await answer.text(), button);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  if (button.dataset.fetch) copyFetched(button);
  else copy(document.getElementById(button.dataset.copy).textContent, button);
});

// The keyboard.
const dialog = document.getElementById("keys"), keysOff = document.getElementById("keys-off"), keysOpen = document.getElementById("keys-open");
keysOpen.hidden = false;
keysOpen.addEventListener("click", () => dialog.showModal());
keysOff.checked = localStorage.getItem("swapmock-keys") === "off";
keysOff.addEventListener("change", () => localStorage.setItem("swapmock-keys", keysOff.checked ? "off" : "on"));
function move(step) {
  const rows = [...document.querySelectorAll(".row a[id]")];
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + step))];
  if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
}
const keys = {
  j: () => move(1), k: () => move(-1), p: pause, "?": () => dialog.showModal(),
  "/": () => document.getElementById("filter")?.focus(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || keysOff.checked || dialog.open) return;
  if (event.target.closest("input, select, textarea, video, audio, [contenteditable]")) return;
  const panel = document.querySelector(`.panels a[data-key="${CSS.escape(event.key)}"]`);
  if (panel) { event.preventDefault(); panel.click(); }
  else if (Object.hasOwn(keys, event.key)) { event.preventDefault(); keys[event.key](); }
});
// A choice that only leads to another form is followed at once.
for (const select of document.querySelectorAll("select[data-submit]")) select.addEventListener("change", () => select.form.requestSubmit());
prepare();
