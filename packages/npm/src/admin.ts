/** The admin API of an emulator, with the types of its contract. */

import type { components, operations } from "./admin-types.js";

type Schemas = components["schemas"];

export type SandboxOptions = Schemas["SandboxOptions"];
export type SandboxDocument = Schemas["Sandbox"];
export type FaultRule = Schemas["FaultRule"];
export type Fault = Schemas["Fault"];
export type Effect = Schemas["Effect"];
export type Match = Schemas["Match"];
export type Clock = Schemas["Clock"];
export type Ledger = Schemas["Ledger"];
export type Task = Schemas["Task"];
export type Inbox = Schemas["Inbox"];
export type InboxAnswer = Schemas["InboxAnswer"];

/** Filters of the journal; see the admin API's contract. */
export type Filters = NonNullable<operations["get_requests"]["parameters"]["query"]>;

/** One exchange of the journal. */
export interface Exchange {
  id: string;
  provider: string;
  operation: string | null;
  method: string;
  target: string;
  status: number;
  code: number | string | null;
  task: string | null;
  problem: string | null;
  fault: string | null;
  request: { headers: Record<string, string>; body: unknown };
  response: { headers: Record<string, string>; body: unknown };
  [more: string]: unknown;
}

/** The admin API refused a call. `problem` is its RFC 9457 document, `errors` the places in the request. */
export class AdminError extends Error {
  readonly status: number;
  readonly problem: Record<string, unknown>;
  readonly errors: { pointer: string; rule?: string; detail: string }[];

  constructor(status: number, problem: Record<string, unknown>) {
    const errors = (problem.errors ?? []) as { pointer: string; detail: string }[];
    const places = errors.map((error) => `${error.pointer}: ${error.detail}`).join("; ");
    super(`${status}: ${String(problem.detail ?? JSON.stringify(problem))}${places ? ` (${places})` : ""}`);
    this.name = "AdminError";
    this.status = status;
    this.problem = problem;
    this.errors = errors;
  }
}

/** An emulator that runs at `url`. `token` is the admin API's, where it demands one. */
export class Emulator {
  readonly url: string;
  readonly #adminUrl: string;
  readonly #token: string;

  constructor(url: string, options: { token?: string; adminUrl?: string } = {}) {
    this.url = url.replace(/\/+$/, "");
    this.#adminUrl = (options.adminUrl ?? url).replace(/\/+$/, "");
    this.#token = options.token ?? "";
  }

  /** Call the admin API. `path` is the path below `/__admin`. Throws AdminError if it refuses. */
  async ask<T = unknown>(method: string, path: string, body?: unknown, query: Record<string, unknown> = {}): Promise<T> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    if (this.#token) headers.authorization = `Bearer ${this.#token}`;
    const answer = await fetch(`${this.#adminUrl}/__admin${path}${search.size ? `?${search}` : ""}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    const value: unknown = (answer.headers.get("content-type") ?? "").includes("json") ? JSON.parse(text) : text;
    if (!answer.ok) {
      throw new AdminError(answer.status, typeof value === "object" && value !== null ? (value as Record<string, unknown>) : { detail: text });
    }
    return value as T;
  }

  /** Create a sandbox: an account of its own, with keys, clock, balance, faults and journal. */
  async sandbox(options: SandboxOptions = {}): Promise<Sandbox> {
    return new Sandbox(this, await this.ask<SandboxDocument>("POST", "/sandboxes", options));
  }

  /** The sandbox with this id. */
  async get(id: string): Promise<Sandbox> {
    return new Sandbox(this, await this.ask<SandboxDocument>("GET", `/sandboxes/${encodeURIComponent(id)}`));
  }

  /** Every sandbox. */
  async sandboxes(): Promise<Sandbox[]> {
    const found = await this.ask<{ sandboxes: SandboxDocument[] }>("GET", "/sandboxes");
    return found.sandboxes.map((document) => new Sandbox(this, document));
  }
}

/** One account of an emulator. */
export class Sandbox {
  readonly id: string;
  readonly baseUrl: string;

  constructor(
    readonly emulator: Emulator,
    public document: SandboxDocument,
  ) {
    this.id = String(document.id);
    this.baseUrl = String(document.base_url);
  }

  #ask<T>(method: string, path = "", body?: unknown, query?: Record<string, unknown>): Promise<T> {
    return this.emulator.ask<T>(method, `/sandboxes/${encodeURIComponent(this.id)}${path}`, body, query);
  }

  #credential(provider: string): { key: string; secret?: string; headers: Record<string, string> } {
    const all = this.document.credentials as Record<string, { key: string; secret?: string; headers: Record<string, string> }>;
    const found = all[provider];
    if (found === undefined) throw new Error(`no provider ${provider}; known: ${Object.keys(all).join(", ")}`);
    return found;
  }

  /** The API key (or access key id) for a provider. */
  key(provider = "crun"): string {
    return this.#credential(provider).key;
  }

  /** The credential headers for a request to a provider. */
  headers(provider = "crun"): Record<string, string> {
    return { ...this.#credential(provider).headers };
  }

  /** The environment variables that a client reads, as `swapmock run` sets them. */
  env(): Record<string, string> {
    const found: Record<string, string> = { SWAPMOCK_URL: this.baseUrl };
    for (const [provider, credential] of Object.entries(this.document.credentials as Record<string, { key: string; secret?: string }>)) {
      const prefix = provider.toUpperCase();
      if (credential.secret) {
        found[`${prefix}_ACCESS_KEY_ID`] = credential.key;
        found[`${prefix}_ACCESS_KEY_SECRET`] = credential.secret;
      } else {
        found[`${prefix}_API_KEY`] = credential.key;
      }
    }
    return found;
  }

  /** Change options; one wrong value, and none is changed. */
  async change(options: SandboxOptions): Promise<void> {
    this.document = await this.#ask<SandboxDocument>("PATCH", "", options);
  }

  async delete(): Promise<void> {
    await this.#ask("DELETE");
  }

  async reset(): Promise<void> {
    await this.#ask("POST", "/reset");
  }

  clock(): Promise<Clock> {
    return this.#ask("GET", "/clock");
  }

  /** Move the clock forward: `by` seconds or text ("65s"), `to` a time, or `until` ("idle"). Returns what happened, in order. */
  async advance(how: { by?: number | string; to?: number | string; until?: string | { task: string; status: string } }): Promise<Record<string, unknown>[]> {
    return (await this.#ask<{ fired: Record<string, unknown>[] }>("POST", "/clock/advance", how)).fired;
  }

  /** Balance and entries; with `proof` also the invariants. */
  ledger(proof = false): Promise<Ledger> {
    return this.#ask("GET", "/ledger", undefined, { proof: proof ? 1 : 0 });
  }

  /** The available credits. */
  async balance(): Promise<number> {
    const ledger = (await this.ledger()) as unknown as { balance: { available: number } };
    return ledger.balance.available;
  }

  async grant(amount: number): Promise<void> {
    await this.#ask("POST", "/ledger/grant", { amount });
  }

  addFault(effect: Effect | string, rule: Omit<FaultRule, "effect"> = {}): Promise<Fault> {
    return this.#ask("POST", "/faults", { ...rule, effect });
  }

  async clearFaults(): Promise<void> {
    await this.#ask("DELETE", "/faults");
  }

  /** Queue a scenario or series for the next tasks. */
  async queue(scenario: string, order: Record<string, unknown> = {}): Promise<void> {
    await this.#ask("POST", "/scenarios", { ...order, scenario });
  }

  async tasks(filters: Record<string, unknown> = {}): Promise<Task[]> {
    return (await this.#ask<{ tasks: Task[] }>("GET", "/tasks", undefined, filters)).tasks;
  }

  /** The requests of this sandbox with their answers, oldest first. */
  async requests(filters: Filters = {}): Promise<Exchange[]> {
    return (await this.#ask<{ requests: Exchange[] }>("GET", "/requests", undefined, filters)).requests;
  }

  async journal(filters: Record<string, unknown> = {}): Promise<Record<string, unknown>[]> {
    return (await this.#ask<{ records: Record<string, unknown>[] }>("GET", "/journal", undefined, filters)).records;
  }

  /** The deliveries of callbacks with their attempts. Filters: `status`, `task`, `limit`. */
  async deliveries(filters: Record<string, unknown> = {}): Promise<Record<string, unknown>[]> {
    return (await this.#ask<{ deliveries: Record<string, unknown>[] }>("GET", "/deliveries", undefined, filters)).deliveries;
  }

  /** The callback inbox: `url` is a callback URL that exists at once, `received` the requests, newest first. */
  inbox(): Promise<Inbox> {
    return this.#ask("GET", "/inbox");
  }

  /** Tell the answers of the inbox to the next callbacks; each is used once, the last one stays. */
  answerCallbacks(answers: InboxAnswer[]): Promise<Inbox> {
    return this.#ask("PUT", "/inbox", { answers });
  }

  /** Explain a request, task or delivery, by its id. */
  why(id: string): Promise<{ summary: string; [more: string]: unknown }> {
    return this.#ask("GET", `/why/${encodeURIComponent(id)}`);
  }

  snapshot(): Promise<Record<string, unknown>> {
    return this.#ask("GET", "/snapshot");
  }

  async restore(snapshot: Record<string, unknown>): Promise<void> {
    this.document = await this.#ask<SandboxDocument>("POST", "/restore", snapshot);
  }

  /** Wait, in real time, until a task has a status. Throws AdminError 408 after `timeout` seconds. */
  async waitForTask(task: string, status: string, timeout = 10): Promise<Task> {
    return (await this.#ask<{ detail: Task }>("POST", "/wait", { task: { id: task, status }, timeout })).detail;
  }

  /** Throw unless requests came: exactly `times`, or at least one. Returns them. */
  async expect(operation: string, options: { times?: number } & Filters = {}): Promise<Exchange[]> {
    const { times, ...filters } = options;
    const found = await this.requests({ operation, ...filters });
    if (times === undefined ? found.length > 0 : found.length === times) return found;
    const all = await this.requests();
    const came = all.map((row) => `  ${row.operation ?? row.target}: HTTP ${row.status}, code ${row.code}`);
    throw new Error([`expected ${times ?? "at least one"} ${operation}, got ${found.length}; all requests:`, ...(came.length ? came : ["  none"])].join("\n"));
  }
}
