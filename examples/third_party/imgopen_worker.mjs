// A client as its user wrote it: a worker for Img Open. Each order has one id, and after doubt the vendor is asked about it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createHash } from "node:crypto";

const root = `${process.env.ZHIQITE_URL}/AIGCImgOpenServ/saas/tool/face/fusion`;
const credentials = {
  "X-Request-req-accessKeyId": process.env.ZHIQITE_ID,
  "X-Request-req-accessKeySecret": process.env.ZHIQITE_SECRET,
};

class Unreachable extends Error {}
class Rejected extends Error {
  constructor(code, text) {
    super(`${code} ${text}`);
    this.code = code;
  }
}

async function post(url, payload) {
  let answer;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...credentials },
      body: JSON.stringify(payload),
      redirect: "error",
      signal: AbortSignal.timeout(45_000),
    });
    answer = await response.json();
  } catch (error) {
    throw new Unreachable(error.message);
  }
  if (typeof answer?.code !== "string") throw new Unreachable("an answer without a code");
  if (answer.code.startsWith("5")) throw new Unreachable(`code ${answer.code}`);
  if (answer.code !== "200") throw new Rejected(answer.code, answer.msg);
  return answer.data;
}

async function patiently(ask, tries = 6) {
  for (let i = 1; ; i++) {
    try {
      return await ask();
    } catch (error) {
      const passing = error instanceof Unreachable || error.code === "429" || error.code === "455";
      if (!passing || i === tries) throw error;
      await sleep(Math.min(1500 * 2 ** i, 25_000));
    }
  }
}

async function work(order) {
  const businessTaskId = createHash("sha256").update(order.name).digest("hex").slice(0, 24);
  const seen = `orders/${businessTaskId}`;
  mkdirSync("orders", { recursive: true });
  const ask = () => patiently(() => post(`${root}/queryTask`, { businessTaskId }));
  if (existsSync(seen)) console.log(`order ${businessTaskId} was sent at ${readFileSync(seen)}`);
  else {
    writeFileSync(seen, new Date().toISOString());
    const body = { businessTaskId, sourceUrl: [order.face], targetUrl: order.image, faceIdx: 1 };
    try {
      await post(root, body);
    } catch (error) {
      if (error instanceof Rejected) throw error;
      await sleep(5000); // perhaps it arrived: the query below tells
    }
  }
  const end = Date.now() + 280_000;
  while (Date.now() < end) {
    const task = await ask();
    if (String(task.status) === "2") {
      if (!task.outputImageUrl) throw new Rejected("none", "a finished task without a picture");
      return task.outputImageUrl;
    }
    if (String(task.status) === "4") throw new Rejected("task", task.errorMessage ?? task.desc ?? "failed");
    await sleep(4000);
  }
  throw new Unreachable("no end in sight");
}

try {
  const link = await work({ name: `portrait of ${process.env.FACE}`, image: process.env.IMAGE, face: process.env.FACE });
  console.log("RESULT", link);
} catch (error) {
  console.error(error instanceof Rejected ? "REJECTED" : "OPEN", error.message);
  process.exitCode = error instanceof Rejected ? 1 : 2;
}
