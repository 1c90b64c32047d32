// A client as its user wrote it: Img Open with a callback route that acknowledges at once, and a query loop beside it.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const { GATEWAY, ACCESS_ID, ACCESS_SECRET, SOURCE, TARGET, CALLBACK, CALLBACK_PORT } = process.env;
const events = new EventEmitter();

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    let told;
    try {
      told = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    } catch {
      response.writeHead(400, { "content-type": "application/json" }).end('{"code":"400","msg":"bad body"}');
      return;
    }
    response.writeHead(200, { "content-type": "application/json" }).end('{"code":"200","msg":"success"}');
    events.emit("told", told?.data?.businessTaskId);
  });
});

async function tool(path, payload, retries) {
  for (let attempt = 0; ; attempt++) {
    let problem;
    try {
      const response = await fetch(`${GATEWAY}/AIGCImgOpenServ/saas/tool/${path}`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "X-Request-req-accessKeyId": ACCESS_ID,
          "X-Request-req-accessKeySecret": ACCESS_SECRET,
        },
        body: JSON.stringify(payload),
        redirect: "error",
        signal: AbortSignal.timeout(50_000),
      });
      const envelope = await response.json();
      if (String(envelope.code) === "200") return envelope.data;
      problem = Object.assign(new Error(`${envelope.code} ${envelope.msg}`), { code: String(envelope.code), after: Number(response.headers.get("retry-after")) });
    } catch (error) {
      problem = error.code && typeof error.code === "string" ? error : new Error(error.message);
    }
    const lasting = ["401", "402", "403", "404", "422", "451"].includes(problem.code);
    if (lasting || attempt >= retries) throw problem;
    await sleep(Math.max((problem.after || 0) * 1000, 2000 * 2 ** attempt));
  }
}

class Order {
  constructor() {
    this.facts = existsSync("order.json") ? JSON.parse(readFileSync("order.json")) : { id: randomUUID().replaceAll("-", "") };
  }
  save(changes) {
    writeFileSync("order.json", JSON.stringify(Object.assign(this.facts, changes)));
  }
}

async function run() {
  const order = new Order();
  const query = { businessTaskId: order.facts.id };
  if (!order.facts.sent) {
    order.save({ sent: true });
    try {
      await tool("face/fusion", { ...query, sourceUrl: [SOURCE], targetUrl: TARGET, faceIdx: 1, callbackUrl: CALLBACK }, 0);
    } catch (error) {
      const refused = error.code && !error.code.startsWith("5");
      if (refused) {
        order.save({ sent: false });
        return [1, `refused: ${error.message}`];
      }
    }
  }
  const until = Date.now() + 240_000;
  let gap = 5000;
  while (Date.now() < until) {
    await Promise.race([sleep(gap), once(events, "told")]);
    gap = Math.min(gap + 2500, 20_000);
    let state;
    try {
      state = await tool("face/fusion/queryTask", query, 4);
    } catch (error) {
      return [2, `open: ${error.message}`];
    }
    if (state.status == 2) {
      if (!state.outputImageUrl) return [1, "finished without a picture"];
      for (let attempt = 1; attempt <= 3; attempt++) {
        try {
          const file = await fetch(state.outputImageUrl, { signal: AbortSignal.timeout(60_000) });
          const type = file.headers.get("content-type") ?? "";
          const bytes = Buffer.from(await file.arrayBuffer());
          if (file.ok && type.startsWith("image/") && bytes.length) {
            writeFileSync("result.png", bytes);
            return [0, "ok"];
          }
        } catch {}
        await sleep(attempt * 4000);
      }
      return [2, `open: ${state.outputImageUrl} does not load`];
    }
    if (state.status == 4) return [1, `failed: ${state.errorMessage ?? state.desc}`];
  }
  return [2, "open: no end after four minutes"];
}

server.listen(Number(CALLBACK_PORT), "127.0.0.1");
await once(server, "listening");
const [status, text] = await run();
console.log(text);
process.exit(status);
