/** Finds or starts an emulator: a given URL, the command on PATH, uvx, a container, in this order. */

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";

import { Emulator } from "./admin.js";

export interface StartOptions {
  /** Use the emulator at this URL; the variable SWAPMOCK_URL does the same. */
  url?: string;
  /** Bearer token of its admin API; the variable SWAPMOCK_ADMIN_TOKEN does the same. */
  token?: string;
  /** Arguments for `swapmock serve`, such as `["--speed", "20"]`. */
  args?: string[];
  /** The container image, where neither the command nor uvx is there. */
  image?: string;
  /** Milliseconds until it answers. */
  timeout?: number;
}

export interface Running {
  emulator: Emulator;
  /** How it came: "url", "path", "uvx" or "container". */
  how: string;
  stop(): Promise<void>;
}

interface Way {
  how: string;
  command: string;
  args: (port: number) => string[];
}

function ways(options: StartOptions): Way[] {
  const serve = (port: number): string[] => ["serve", "--port", String(port), ...(options.args ?? [])];
  const image = options.image ?? "swapmock";
  const inContainer = (port: number): string[] => [
    "run", "--rm", "--publish", `127.0.0.1:${port}:4020`, image, "serve", ...(options.args ?? []),
  ];
  return [
    { how: "path", command: "swapmock", args: serve },
    { how: "uvx", command: "uvx", args: (port) => ["swapmock", ...serve(port)] },
    ...["docker", "podman"].map((command) => ({ how: "container", command, args: inContainer })),
  ];
}

function isThere(command: string): boolean {
  const arguments_ = command === "docker" || command === "podman" ? ["info"] : ["--help"];
  return spawnSync(command, arguments_, { stdio: "ignore", timeout: 20_000 }).status === 0;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (typeof address === "object" && address ? resolve(address.port) : reject(new Error("no free port"))));
    });
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/ready`)).ok;
  } catch {
    return false;
  }
}

/** Start an emulator, or use the one at a given URL. Throws one error that names everything that was tried. */
export async function start(options: StartOptions = {}): Promise<Running> {
  const url = options.url ?? process.env.SWAPMOCK_URL;
  const token = options.token ?? process.env.SWAPMOCK_ADMIN_TOKEN ?? "";
  if (url) {
    if (!(await answers(url))) throw new Error(`swapmock: nothing answers at ${url} (from ${options.url ? "the option url" : "SWAPMOCK_URL"})`);
    return { emulator: new Emulator(url, { token }), how: "url", stop: async () => {} };
  }
  const tried: string[] = [];
  for (const way of ways(options)) {
    if (!isThere(way.command)) {
      tried.push(`${way.command}: not found`);
      continue;
    }
    const port = await freePort();
    const child = spawn(way.command, way.args(port), { stdio: ["ignore", "ignore", "pipe"] });
    const failure = await ready(child, `http://127.0.0.1:${port}`, options.timeout ?? 30_000);
    if (failure === "") {
      return { emulator: new Emulator(`http://127.0.0.1:${port}`, { token }), how: way.how, stop: () => ended(child) };
    }
    await ended(child);
    tried.push(`${way.command}: ${failure}`);
  }
  throw new Error(
    `swapmock could not be started.\n${tried.map((line) => `  ${line}`).join("\n")}\n` +
      "Install it (pip install swapmock, or uv), or set SWAPMOCK_URL to one that runs.",
  );
}

/** "" when it answers, else why it does not. */
async function ready(child: ChildProcess, url: string, timeout: number): Promise<string> {
  let said = "";
  let failed: string | undefined;
  child.stderr?.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
  child.once("error", (error) => (failed = error.message));
  child.once("exit", (code, signal) => (failed ??= `ended with ${signal ?? `status ${code}`}: ${said.trim().split("\n").pop() ?? ""}`));
  const end = Date.now() + timeout;
  while (Date.now() < end) {
    if (failed !== undefined) return failed;
    if (await answers(url)) return "";
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return `did not answer within ${timeout} ms`;
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const kill = setTimeout(() => child.kill("SIGKILL"), 5_000);
    child.once("exit", () => {
      clearTimeout(kill);
      resolve();
    });
    child.kill("SIGTERM");
  });
}
