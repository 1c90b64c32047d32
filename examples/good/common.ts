// What a careful client needs, whatever the vendor: a record on disk, a deadline, waiting, downloads, claims, callbacks.
// Only types are TypeScript's own here, so that Node 22.18 and newer runs the files as they are.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";

export const env = process.env;
const DEADLINE = Number(env.JOB_DEADLINE || 300) * 1000;
const INTERVAL = 3000;
const TIMEOUT = 90000;
const ATTEMPTS = 5;
const TOLERATED = 8;

/** The job has failed for good. */
export class Failed extends Error {}
/** What became of the job is not known yet; its record is kept. */
export class NotKnown extends Error {}
/** No answer, or one from which nobody can tell what happened. */
export class Doubtful extends Error {}
/** A refusal that no repetition can change. */
export class Lasting extends Failed {
  code: string;
  constructor(code: string, message: unknown) {
    super(`refused with ${code}: ${message}`);
    this.code = code;
  }
}
/** A refusal before any effect that may pass; `wait` is what Retry-After says, in milliseconds. */
export class Passing extends Error {
  wait: number | undefined;
  constructor(code: string, wait: number | undefined) {
    super(`refused with ${code}`);
    this.wait = wait;
  }
}

type Json = Record<string, any>;

/** The job on disk: written before anything is sent, read at the start. */
export class JobRecord {
  facts: Json;
  #file: string;
  constructor(folder: string) {
    this.#file = join(folder, "job.json");
    this.facts = existsSync(this.#file) ? JSON.parse(readFileSync(this.#file, "utf8")) : {};
    if (!this.facts.job) this.keep({ job: randomBytes(8).toString("hex") });
  }
  keep(facts: Json): void {
    Object.assign(this.facts, facts);
    writeFileSync(`${this.#file}.tmp`, JSON.stringify(this.facts));
    renameSync(`${this.#file}.tmp`, this.#file);
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Milliseconds to wait, from either form of the header; undefined without one. */
export function retryAfter(told: string | null): number | undefined {
  if (told === null) return undefined;
  return /^\d+$/.test(told) ? Number(told) * 1000 : Math.max(0, Date.parse(told) - Date.now());
}

/** One job from picture to file. A vendor's class says how to submit, to ask and to check. */
export abstract class Client {
  abstract headers(): Record<string, string>;
  abstract passing: string[];
  abstract doubtful: string[];
  abstract submitJob(): Promise<string>;
  abstract lookForIt(doubt: string): Promise<string | undefined>;
  abstract ask(task: string): Promise<Json>;
  abstract state(answer: Json): "running" | "succeeded" | "failed";
  abstract reason(answer: Json): string;
  abstract links(answer: Json): string[];
  abstract taskInCallback(body: Json): string | undefined;

  folder = env.SWAPMOCK_WORK_DIR ?? ".";
  record = new JobRecord(this.folder);
  started = performance.now();
  heard = new Map<string, string>();
  server: Server | undefined = undefined;

  get callbackUrl(): string | undefined {
    return env.SWAPMOCK_CALLBACK_URL && `${env.SWAPMOCK_CALLBACK_URL}?job=${this.record.facts.job}`;
  }

  /** Receives callbacks: parses first, acknowledges at once, and only tells which task to read. */
  listen(port: number): void {
    this.server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part) => parts.push(part));
      request.on("end", () => {
        const json = { "content-type": "application/json" };
        let body: Json;
        try {
          body = JSON.parse(Buffer.concat(parts).toString());
        } catch {
          response.writeHead(400, json).end('{"code": "400"}');
          return;
        }
        response.writeHead(200, json).end('{"code": "200"}');
        const job = new URL(request.url ?? "/", "http://127.0.0.1").searchParams.get("job");
        const task = this.taskInCallback(body);
        if (job && task && !this.heard.has(job)) this.heard.set(job, task);
      });
    }).listen(port, "127.0.0.1");
  }

  async send(method: string, path: string, body?: Json): Promise<Json> {
    let response: Response, document: Json;
    try {
      response = await fetch(env.SWAPMOCK_URL + path, {
        method,
        redirect: "manual",
        headers: { ...this.headers(), "content-type": "application/json" },
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT),
      });
      document = (await response.json()) as Json;
    } catch (error: any) {
      const code: string = error.cause?.code ?? error.name;
      if (/CERT|SELF_SIGNED|ALTNAME/.test(code)) throw new Failed(`the server's certificate is not valid: ${code}`);
      throw new Doubtful(code);
    }
    const code = String(document?.code ?? "");
    if (code === "200") return document.data ?? {};
    if (this.passing.includes(code)) throw new Passing(code, retryAfter(response.headers.get("retry-after")));
    if (code === "" || this.doubtful.includes(code)) throw new Doubtful(`code ${code || "missing"}`);
    throw new Lasting(code, document.message ?? document.msg);
  }

  /** Sleeps, but not beyond the job's deadline. */
  async pause(milliseconds: number): Promise<void> {
    if (performance.now() - this.started + milliseconds > DEADLINE) {
      throw new NotKnown("the deadline has passed; the task goes on at the vendor");
    }
    await sleep(milliseconds);
  }

  /** A task's id. A passing refusal is tried again later; a doubtful answer is checked before anything is sent. */
  async submitOnce(submit: () => Promise<string>): Promise<string> {
    for (let attempt = 1, gap = 2000; attempt <= ATTEMPTS; attempt++, gap = Math.min(gap * 2, 60000)) {
      try {
        return await submit();
      } catch (error) {
        if (error instanceof Passing && attempt < ATTEMPTS) {
          await this.pause(error.wait ?? gap);
        } else if (error instanceof Passing) {
          throw new Failed(error.message);
        } else if (error instanceof Doubtful) {
          const found = await this.lookForIt(error.message);
          if (found) return found;
          await this.pause(gap);
        } else throw error;
      }
    }
    throw new Failed("gave up after several attempts");
  }

  /** The answer that tells the end. One failing poll ends nothing, the deadline ends the wait. */
  async waitFor(ask: () => Promise<Json>): Promise<Json> {
    for (let failing = 0; ; ) {
      let wait = INTERVAL;
      try {
        const answer = await ask();
        failing = 0;
        const state = this.state(answer);
        if (state === "succeeded") return answer;
        if (state === "failed") throw new Failed(`the task failed: ${this.reason(answer)}`);
      } catch (error) {
        if (error instanceof Lasting && !(error.code === "404" && failing < 3)) throw new NotKnown(`polls are ${error.message}`);
        if (error instanceof NotKnown || (error instanceof Failed && !(error instanceof Lasting))) throw error;
        failing += 1;
        if (error instanceof Passing) wait = error.wait ?? INTERVAL * 2;
      }
      if (failing > TOLERATED) throw new NotKnown(`${failing} polls failed one after the other`);
      await this.pause(Math.min(wait * Math.max(1, failing), 120000));
    }
  }

  /** The path of the stored result. Three tries; nothing counts that is not a whole medium. The key stays at home. */
  async download(link: string): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await fetch(link, { signal: AbortSignal.timeout(TIMEOUT) });
        const content = Buffer.from(await response.arrayBuffer());
        const size = response.headers.get("content-length");
        const kind = response.headers.get("content-type") ?? "";
        if (!response.ok || !/^(image|video)\//.test(kind)) throw new Error(`HTTP ${response.status}, ${kind}`);
        if (content.length === 0 || (size !== null && Number(size) !== content.length)) throw new Error("it is not whole");
        const path = join(this.folder, "result.png");
        writeFileSync(`${path}.part`, content);
        renameSync(`${path}.part`, path);
        return path;
      } catch (error: any) {
        if (attempt === 3) throw new NotKnown(`the result could not be fetched: ${error.message}`);
        await this.pause(5000);
      }
    }
  }

  async run(): Promise<string> {
    const { facts } = this.record;
    if (facts.done) return facts.done;
    const task: string = facts.task ?? (await this.newTask());
    this.record.keep({ task });
    const links = this.links(await this.waitFor(() => this.ask(task)));
    if (links.length === 0) throw new Failed("the task succeeded without any media");
    const path = await this.download(links[0]);
    if (facts.fulfilled !== task) {
      this.record.keep({ fulfilled: task });
      await tell(env.SWAPMOCK_EFFECT_URL, { effect: "fulfil", task, id: facts.job });
    }
    this.record.keep({ done: path });
    return path;
  }

  async newTask(): Promise<string> {
    const found = this.record.facts.doubt && (await this.lookForIt("an earlier run was not answered"));
    return found || (await this.submitJob());
  }
}

async function tell(where: string | undefined, document: Json): Promise<void> {
  const headers = { "content-type": "application/json" };
  if (where) await fetch(where, { method: "POST", body: JSON.stringify(document), headers });
}

export async function main(client: Client): Promise<void> {
  if (env.SWAPMOCK_CALLBACK_PORT) client.listen(Number(env.SWAPMOCK_CALLBACK_PORT));
  let outcome = "succeeded";
  let reason: string | undefined;
  try {
    console.log(`done: ${await client.run()}`);
  } catch (error) {
    if (!(error instanceof Failed || error instanceof NotKnown)) throw error;
    outcome = error instanceof Failed ? "failed" : "unknown";
    reason = error.message;
    console.error(`${outcome}: ${reason}; task ${client.record.facts.task}`);
  }
  await tell(env.SWAPMOCK_OUTCOME_URL, { outcome, task: client.record.facts.task, reason });
  if (client.server) {
    await sleep(4000); // callbacks that come late or twice
    client.server.close();
    client.server.closeAllConnections();
  }
  process.exitCode = outcome === "succeeded" ? 0 : outcome === "failed" ? 1 : 75;
}
