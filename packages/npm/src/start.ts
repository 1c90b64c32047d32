/** Finds or starts an emulator: a given URL, the command on PATH, uvx, a container, in this order. */

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
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
  /** It takes a free port and prints its address: a port that is chosen here may be taken by another process until it listens. */
  choosesPort: boolean;
  /** The token of its admin API: one in a container demands one. */
  token: string;
}

function ways(options: StartOptions, token: string): Way[] {
  const serve = (): string[] => ["serve", "--port", "0", ...(options.args ?? [])];
  const image = options.image ?? "swapmock";
  const ofContainer = token || randomUUID();
  // The value of the token goes by the environment, where the list of processes does not show it.
  const inContainer = (port: number, host: string[]): string[] => [
    "run", "--rm", "--publish", `127.0.0.1:${port}:4020`, "--env", "SWAPMOCK_ADMIN_TOKEN",
    ...host, image, "serve", ...(options.args ?? []),
  ];
  // How a container reaches receivers of callbacks on this machine; podman has a name for it without being asked.
  const ofDocker = ["--add-host", "host.docker.internal:host-gateway", "--env", "SWAPMOCK_CALLBACK_ALLOW=host.docker.internal"];
  const ofPodman = ["--env", "SWAPMOCK_CALLBACK_ALLOW=host.containers.internal"];
  return [
    { how: "path", command: "swapmock", args: serve, choosesPort: true, token },
    { how: "uvx", command: "uvx", args: () => ["swapmock", ...serve()], choosesPort: true, token },
    { how: "container", command: "docker", args: (port) => inContainer(port, ofDocker), choosesPort: false, token: ofContainer },
    { how: "container", command: "podman", args: (port) => inContainer(port, ofPodman), choosesPort: false, token: ofContainer },
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
  for (const way of ways(options, token)) {
    if (!isThere(way.command)) {
      tried.push(`${way.command}: not found`);
      continue;
    }
    const port = way.choosesPort ? 0 : await freePort();
    const env = { ...process.env, PYTHONUNBUFFERED: "1", ...(way.token ? { SWAPMOCK_ADMIN_TOKEN: way.token } : {}) };
    const child = spawn(way.command, way.args(port), { stdio: ["ignore", "pipe", "pipe"], env });
    const found = await ready(child, way.choosesPort ? "" : `http://127.0.0.1:${port}`, options.timeout ?? 30_000);
    if (found.url) {
      const emulator = new Emulator(found.url, { token: way.token });
      return { emulator, how: way.how, stop: () => ended(child) };
    }
    await ended(child);
    tried.push(`${way.command}: ${found.failure}`);
  }
  throw new Error(
    `swapmock could not be started.\n${tried.map((line) => `  ${line}`).join("\n")}\n` +
      "Install it (pip install swapmock, or uv), or set SWAPMOCK_URL to one that runs.",
  );
}

/** Where an emulator answers, or why none does. Without a `url` it is the one that the process prints. */
async function ready(child: ChildProcess, url: string, timeout: number): Promise<{ url?: string; failure?: string }> {
  let said = "";
  let printed = "";
  let failed: string | undefined;
  // Both streams are read to the end: a full pipe would stop the emulator.
  child.stdout?.on("data", (chunk: Buffer) => {
    if (url) return;
    printed = (printed + chunk.toString()).slice(-5000);
    const listening = /Listening on (https?:\/\/[^\s,]+)/.exec(printed);
    if (listening) url = listening[1]!.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//127.0.0.1:");
  });
  child.stderr?.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
  child.once("error", (error) => (failed = error.message));
  child.once("exit", (code, signal) => (failed ??= `ended with ${signal ?? `status ${code}`}: ${said.trim().split("\n").pop() ?? ""}`));
  const end = Date.now() + timeout;
  while (Date.now() < end) {
    if (failed !== undefined) return { failure: failed };
    if (url && (await answers(url))) return { url };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { failure: `did not answer within ${timeout} ms` };
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
