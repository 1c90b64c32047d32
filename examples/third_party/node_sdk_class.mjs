// A client as its user wrote it: a small SDK with an axios-like wrapper around fetch, typed errors and retried reads.
import { createWriteStream } from "node:fs";
import { rename, unlink } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";

class ApiError extends Error {
  constructor(code, message, retryAfter) {
    super(`crun ${code}: ${message}`);
    this.name = "ApiError";
    this.code = code;
    this.retryAfter = retryAfter;
  }
}
class TransportError extends Error {
  name = "TransportError";
}
class TaskFailedError extends Error {
  name = "TaskFailedError";
}
class TimeoutError extends Error {
  name = "TimeoutError";
}

const RETRYABLE = new Set([408, 429, 455, 500, 502, 503, 504]);

class HttpClient {
  #defaults;
  constructor({ baseURL, headers = {}, timeout = 30_000 }) {
    this.baseURL = baseURL.replace(/\/$/, "");
    this.#defaults = { headers, timeout };
  }

  async request({ method = "GET", url, params, data, timeout = this.#defaults.timeout }) {
    const target = new URL(this.baseURL + url);
    for (const [name, value] of Object.entries(params ?? {})) target.searchParams.set(name, value);
    const headers = { accept: "application/json", ...this.#defaults.headers };
    if (data !== undefined) headers["content-type"] = "application/json";
    let response, text;
    try {
      response = await fetch(target, {
        method,
        headers,
        body: data === undefined ? undefined : JSON.stringify(data),
        redirect: "manual",
        signal: AbortSignal.timeout(timeout),
      });
      text = await response.text();
    } catch (cause) {
      throw new TransportError(`${method} ${url}: ${cause.name}`, { cause });
    }
    let envelope;
    try {
      envelope = JSON.parse(text);
    } catch {
      throw new TransportError(`${method} ${url}: HTTP ${response.status} without JSON`);
    }
    const code = Number(envelope?.code ?? response.status);
    if (code !== 200) throw new ApiError(code, envelope?.message ?? "no message", response.headers.get("retry-after"));
    return envelope.data;
  }

  get(url, config) {
    return this.request({ ...config, method: "GET", url });
  }

  post(url, data, config) {
    return this.request({ ...config, method: "POST", url, data });
  }
}

function waitFor(retryAfter, attempt) {
  const asked = retryAfter && (Number(retryAfter) * 1000 || Date.parse(retryAfter) - Date.now());
  const backoff = Math.min(1000 * 2 ** attempt, 30_000) * (0.75 + Math.random() / 2);
  return Math.max(asked || 0, backoff);
}

class CrunClient {
  constructor({ apiKey, baseURL = "https://api.crun.ai", pollInterval = 3000, deadline = 300_000 }) {
    this.http = new HttpClient({ baseURL: `${baseURL}/api/v1/client`, headers: { "x-api-key": apiKey }, timeout: 60_000 });
    this.pollInterval = pollInterval;
    this.deadline = deadline;
  }

  /** Reads are safe to repeat. Anything else goes out once. */
  async #read(url, params, retries = 5) {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.http.get(url, { params });
      } catch (error) {
        const transient = error instanceof TransportError || (error instanceof ApiError && RETRYABLE.has(error.code));
        if (!transient || attempt >= retries) throw error;
        await delay(waitFor(error.retryAfter, attempt));
      }
    }
  }

  async createTask(model, input, retries = 4) {
    for (let attempt = 0; ; attempt++) {
      try {
        return (await this.http.post("/job/CreateTask", { model, input })).task_id;
      } catch (error) {
        // 429 and 455 say that nothing was done; after a lost answer nobody knows, so that is left to the caller
        if (!(error instanceof ApiError && [429, 455].includes(error.code)) || attempt >= retries) throw error;
        await delay(waitFor(error.retryAfter, attempt));
      }
    }
  }

  async waitForTask(taskId) {
    const until = Date.now() + this.deadline;
    while (Date.now() < until) {
      const task = await this.#read("/job/TaskInfo", { task_id: taskId });
      switch (task.status) {
        case "success":
          if (!task.result?.media_urls?.length) throw new TaskFailedError(`${taskId} has no media`);
          return task.result.media_urls;
        case "failed":
          throw new TaskFailedError(`${taskId} failed: ${task.result?.message ?? "no reason"}`);
        default:
          await delay(this.pollInterval);
      }
    }
    throw new TimeoutError(`${taskId} is not done after ${this.deadline / 1000} s`);
  }

  async download(url, path, retries = 3) {
    for (let attempt = 0; ; attempt++) {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(120_000) });
        if (!response.ok) throw new TransportError(`download: HTTP ${response.status}`);
        if (!/^image\//.test(response.headers.get("content-type") ?? "")) throw new TransportError("download: not an image");
        const part = `${path}.part`;
        await pipeline(Readable.fromWeb(response.body), createWriteStream(part));
        const { size } = await import("node:fs").then((fs) => fs.statSync(part));
        if (size === 0) {
          await unlink(part);
          throw new TransportError("download: empty");
        }
        await rename(part, path);
        return path;
      } catch (error) {
        if (attempt >= retries) throw error;
        await delay(waitFor(null, attempt));
      }
    }
  }
}

const crun = new CrunClient({ apiKey: process.env.CRUN_TOKEN, baseURL: process.env.CRUN_BASE_URL });
let taskId;
try {
  taskId = await crun.createTask("image-face-swap", { image_url: process.env.PHOTO, new_face: process.env.FACE });
  console.log(`task ${taskId} submitted`);
  const [url] = await crun.waitForTask(taskId);
  console.log(`saved ${await crun.download(url, "swapped.png")}`);
} catch (error) {
  console.error(error.message);
  const refused = error instanceof TaskFailedError || (error instanceof ApiError && taskId === undefined && error.code < 500);
  process.exit(refused ? 1 : 75); // 75: try again later with the id above, or ask support
}
