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
  // Something may have changed before the connection was there, or while it was down.
  source.addEventListener("versions", (event) => {
    const versions = JSON.parse(event.data);
    for (const [port, page] of pages) {
      if (page.sandboxes.some((name) => name in versions && versions[name] !== page.versions[name])) port.postMessage("changed");
      Object.assign(page.versions, versions);
    }
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
