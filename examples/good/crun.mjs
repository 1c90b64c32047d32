// A careful client of crun.ai for Node (its own fetch, no dependency): detect the faces, swap the first, store the result.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const env = process.env;
const folder = env.SWAPMOCK_WORK_DIR ?? ".";
const DEADLINE = Number(env.JOB_DEADLINE || 300) * 1000;
const INTERVAL = 3000;
const TIMEOUT = 90000;
const started = performance.now();

class Failed extends Error {}
class NotKnown extends Error {}
class Lasting extends Failed {
  constructor(code, message) {
    super(`refused with ${code}: ${message}`);
    this.code = code;
  }
}
class Passing extends Error {
  constructor(code, wait) {
    super(`refused with ${code}`);
    this.wait = wait;
  }
}
class Doubtful extends Error {}

// The job on disk: written before anything is sent, read at the start.
const file = join(folder, "job.json");
const record = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { job: randomBytes(8).toString("hex") };
function keep(facts) {
  Object.assign(record, facts);
  writeFileSync(`${file}.tmp`, JSON.stringify(record));
  renameSync(`${file}.tmp`, file);
}

// Callbacks only tell which task to read.
const heard = new Map();
function receive(port) {
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      let body;
      try {
        body = JSON.parse(Buffer.concat(parts).toString());
      } catch {
        response.writeHead(400, { "content-type": "application/json" }).end('{"code": "400"}');
        return;
      }
      response.writeHead(200, { "content-type": "application/json" }).end('{"code": "200"}');
      const job = new URL(request.url, "http://127.0.0.1").searchParams.get("job");
      const task = (body.data ?? body).task_id;
      if (job && task && !heard.has(job)) heard.set(job, task);
    });
  });
  server.listen(port, "127.0.0.1");
  return server;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// Sleeps, but not beyond the job's deadline.
async function pause(milliseconds) {
  if (performance.now() - started + milliseconds > DEADLINE) {
    throw new NotKnown("the deadline has passed; the task goes on at the vendor");
  }
  await sleep(milliseconds);
}

// Milliseconds to wait, from either form of the header; undefined without one.
function retryAfter(response) {
  const told = response.headers.get("retry-after");
  if (told === null) return undefined;
  return /^\d+$/.test(told) ? Number(told) * 1000 : Math.max(0, Date.parse(told) - Date.now());
}

async function send(method, path, body) {
  let response, document;
  try {
    response = await fetch(env.SWAPMOCK_URL + path, {
      method,
      redirect: "manual",
      headers: { "x-api-key": env.CRUN_API_KEY, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT),
    });
    document = await response.json();
  } catch (error) {
    if (/CERT|SELF_SIGNED|ALTNAME/.test(error.cause?.code ?? "")) throw new Failed(`bad certificate: ${error.cause.code}`);
    throw new Doubtful(error.cause?.code ?? error.name);
  }
  const code = String(document?.code ?? "");
  if (code === "200") return document.data ?? {};
  if (code === "429" || code === "455") throw new Passing(code, retryAfter(response));
  if (code === "" || /^50[0-4]$/.test(code)) throw new Doubtful(`code ${code || "missing"}`);
  throw new Lasting(code, document.message);
}

async function waitFor(ask) {
  const states = { succeeded: "succeeded", success: "succeeded", failed: "failed" };
  for (let failing = 0; ; ) {
    let wait = INTERVAL;
    try {
      const answer = await ask();
      failing = 0;
      const state = states[answer.status] ?? "running";
      if (state === "succeeded") return answer;
      if (state === "failed") throw new Failed(`the task failed: ${answer.result?.message ?? answer.error ?? "no reason"}`);
    } catch (error) {
      if (error instanceof Lasting && !(error.code === "404" && failing < 3)) throw new NotKnown(`polls are ${error.message}`);
      if (error instanceof Failed && !(error instanceof Lasting)) throw error;
      if (error instanceof NotKnown) throw error;
      failing += 1;
      if (error instanceof Passing) wait = error.wait ?? INTERVAL * 2;
    }
    if (failing > 8) throw new NotKnown(`${failing} polls failed one after the other`);
    await pause(Math.min(wait * Math.max(1, failing), 120000));
  }
}

async function balance() {
  for (let attempt = 0; attempt < 4; attempt++) {
    try {
      return Number((await send("GET", "/api/v1/client/account/balance")).balance);
    } catch (error) {
      if (!(error instanceof Doubtful)) throw error;
      await pause(2000);
    }
  }
  throw new NotKnown("the balance cannot be read");
}

async function detect() {
  let begun;
  for (let attempt = 0; attempt < 3 && !begun; attempt++) {
    try {
      begun = await send("POST", "/api/v1/client/job/detect-face-image", { image_url: env.SWAPMOCK_IMAGE_URL });
    } catch (error) {
      if (!(error instanceof Doubtful)) throw error;
      await pause(3000);
    }
  }
  if (!begun) throw new Failed("no detection could be started");
  const path = `/api/v1/client/job/detect-face-result?detect_task_id=${begun.detect_task_id}`;
  const found = (await waitFor(() => send("GET", path))).result;
  if (found.faces.length === 0) throw new Failed("no face was found");
  if (found.faces.length > 2) throw new Failed(`${found.faces.length} faces were found, 2 expected`);
  return found;
}

async function create(found) {
  const first = Math.min(...found.faces.map((face) => face.id));
  const faces = found.faces.map(({ id, link }) => ({ face_id: id, target: id === first ? env.SWAPMOCK_FACE_URL : link }));
  const input = { detect_id: found.id, image_url: env.SWAPMOCK_IMAGE_URL, faces };
  const callback = env.SWAPMOCK_CALLBACK_URL && `${env.SWAPMOCK_CALLBACK_URL}?job=${record.job}`;
  keep({ doubt: true, balance: await balance() });
  try {
    const body = { model: "image-face-swap-multi", input, ...(callback && { callback_url: callback }) };
    const { task_id } = await send("POST", "/api/v1/client/job/CreateTask", body);
    keep({ doubt: false, task: task_id });
    return task_id;
  } catch (error) {
    if (!(error instanceof Doubtful)) keep({ doubt: false });
    throw error;
  }
}

// The balance tells whether a task was made, and its callback, which carries the job, tells which.
async function lookForIt(doubt) {
  if ((await balance()) === record.balance) {
    keep({ doubt: false });
    return undefined;
  }
  for (const until = performance.now() + 60000; performance.now() < until; await pause(2000)) {
    const task = heard.get(record.job);
    if (task) {
      keep({ doubt: false, task });
      return task;
    }
  }
  throw new NotKnown(`credits were taken, the task's id is not known (${doubt})`);
}

async function submit() {
  let found = await detect();
  let again = false;
  for (let attempt = 0, gap = 2000; attempt < 5; attempt++, gap = Math.min(gap * 2, 60000)) {
    try {
      return await create(found);
    } catch (error) {
      if (error instanceof Lasting && error.code === "422" && !again) {
        again = true; // the detect_id may have expired: one new detection
        found = await detect();
      } else if (error instanceof Passing) {
        if (attempt === 4) throw new Failed(error.message);
        await pause(error.wait ?? gap);
      } else if (error instanceof Doubtful) {
        const task = await lookForIt(error.message);
        if (task) return task;
        await pause(gap);
      } else throw error;
    }
  }
  throw new Failed("gave up after several attempts");
}

async function download(link) {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch(link, { signal: AbortSignal.timeout(TIMEOUT) });
      const content = Buffer.from(await response.arrayBuffer());
      const size = response.headers.get("content-length");
      if (!response.ok || !/^(image|video)\//.test(response.headers.get("content-type") ?? "")) throw new Error(`HTTP ${response.status}`);
      if (content.length === 0 || (size !== null && Number(size) !== content.length)) throw new Error("it is not whole");
      const path = join(folder, "result.png");
      writeFileSync(`${path}.part`, content);
      renameSync(`${path}.part`, path);
      return path;
    } catch (error) {
      if (attempt === 2) throw new NotKnown(`the result could not be fetched: ${error.message}`);
      await pause(5000);
    }
  }
}

async function tell(where, document) {
  if (where) await fetch(where, { method: "POST", body: JSON.stringify(document), headers: { "content-type": "application/json" } });
}

async function run() {
  if (record.done) return record.done;
  if (!record.task && record.doubt) await lookForIt("an earlier run was not answered");
  const task = record.task ?? (await submit());
  const answer = await waitFor(() => send("GET", `/api/v1/client/job/TaskInfo?task_id=${task}`));
  const links = answer.result?.media_urls ?? [];
  if (links.length === 0) throw new Failed("the task succeeded without any media");
  const path = await download(links[0]);
  if (record.fulfilled !== task) {
    keep({ fulfilled: task });
    await tell(env.SWAPMOCK_EFFECT_URL, { effect: "fulfil", task, id: record.job });
  }
  keep({ done: path });
  return path;
}

const server = env.SWAPMOCK_CALLBACK_PORT ? receive(Number(env.SWAPMOCK_CALLBACK_PORT)) : undefined;
let outcome = "succeeded", reason;
try {
  keep({});
  console.log(`done: ${await run()}`);
} catch (error) {
  if (!(error instanceof Failed || error instanceof NotKnown)) throw error;
  outcome = error instanceof Failed ? "failed" : "unknown";
  reason = error.message;
  console.error(`${outcome}: ${reason}; task ${record.task}`);
}
await tell(env.SWAPMOCK_OUTCOME_URL, { outcome, task: record.task, reason });
if (server) {
  await sleep(4000); // callbacks that come late or twice
  server.close();
  server.closeAllConnections();
}
process.exitCode = { succeeded: 0, failed: 1, unknown: 75 }[outcome];
