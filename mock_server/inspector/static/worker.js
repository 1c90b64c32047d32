// One connection for all pages of this browser: a browser opens only a few connections to one server.
"use strict";
const pages = new Map(); // port -> {url, sandboxes}
let source = null, watched = "", timer = 0;

function connect() {
  timer = 0;
  const all = [...pages.values()];
  const sandboxes = [...new Set(all.flatMap((page) => page.sandboxes))].sort();
  const key = all.length && sandboxes.length ? all[0].url + "?" + new URLSearchParams(sandboxes.map((name) => ["sandbox", name])) : "";
  if (key === watched && (!source || source.readyState !== EventSource.CLOSED)) return;
  if (source) source.close();
  watched = key;
  source = key ? new EventSource(key) : null;
  if (!source) return;
  let isFirst = true;
  source.addEventListener("open", () => {
    if (!isFirst) tell(sandboxes); // something may have changed while the connection was down
    isFirst = false;
  });
  source.addEventListener("changed", (event) => tell(JSON.parse(event.data)));
}

function soon() {
  if (!timer) timer = setTimeout(connect, 50);
}

function tell(changed) {
  for (const [port, page] of pages) {
    if (page.sandboxes.some((name) => changed.includes(name))) port.postMessage("changed");
  }
}

onconnect = (event) => {
  const port = event.ports[0];
  port.onmessage = (message) => {
    if (message.data === "bye") pages.delete(port);
    else pages.set(port, message.data);
    soon();
  };
};
