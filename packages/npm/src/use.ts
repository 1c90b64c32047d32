/** One emulator for a test file, and an account for each test, on the hooks of any test runner. */

import { Emulator, Sandbox, type SandboxOptions } from "./admin.js";
import { start, type Running, type StartOptions } from "./start.js";

/** The hooks of a test runner. */
export interface Hooks {
  beforeAll(work: () => Promise<void>, timeout?: number): unknown;
  afterAll(work: () => Promise<void>): unknown;
  beforeEach(work: () => Promise<void>): unknown;
  afterEach(work: () => Promise<void>): unknown;
}

export interface UseOptions extends StartOptions {
  /** Options of each test's sandbox. */
  sandbox?: SandboxOptions;
  /** Set the variables that a client reads during each test; true unless given. */
  env?: boolean;
  /** Fail a test whose ledger does not balance; true unless given. */
  proof?: boolean;
}

/** What a test reads. Reading a member outside of a test throws. */
export interface Swapmock {
  readonly emulator: Emulator;
  readonly sandbox: Sandbox;
  readonly url: string;
}

export function useSwapmockWith(hooks: Hooks, options: UseOptions = {}): Swapmock {
  let running: Running | undefined;
  let sandbox: Sandbox | undefined;
  let before: Record<string, string | undefined> = {};

  hooks.beforeAll(async () => {
    running = await start(options);
  }, 60_000);
  hooks.afterAll(async () => {
    await running?.stop();
    running = undefined;
  });
  hooks.beforeEach(async () => {
    if (running === undefined) throw new Error("swapmock is not running");
    sandbox = await running.emulator.sandbox(options.sandbox ?? {});
    before = {};
    if (options.env ?? true) {
      for (const [name, value] of Object.entries(sandbox.env())) {
        before[name] = process.env[name];
        process.env[name] = value;
      }
    }
  });
  hooks.afterEach(async () => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    const own = sandbox;
    sandbox = undefined;
    if (own === undefined) return;
    try {
      if (options.proof ?? true) await balanced(own);
    } finally {
      await own.delete();
    }
  });

  return {
    get emulator() {
      if (running === undefined) throw new Error("swapmock runs within tests and hooks only");
      return running.emulator;
    },
    get sandbox() {
      if (sandbox === undefined) throw new Error("a sandbox exists within tests only");
      return sandbox;
    },
    get url() {
      return this.sandbox.baseUrl;
    },
  };
}

async function balanced(sandbox: Sandbox): Promise<void> {
  const ledger = (await sandbox.ledger(true)) as unknown as {
    proof: { holds: boolean; invariants: { name: string; holds: boolean; detail: string }[] };
  };
  if (ledger.proof.holds) return;
  const broken = ledger.proof.invariants.filter((row) => !row.holds).map((row) => `${row.name}: ${row.detail}`);
  throw new Error(`the ledger of this test does not hold: ${broken.join("; ")}`);
}
