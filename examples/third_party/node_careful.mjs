// A client as its user wrote it: Node's fetch, detection first, retries of reads only, resumes from a file.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const base = process.env.CRUN_API ?? "https://api.crun.ai";
const headers = { "x-api-key": process.env.CRUN_TOKEN, "content-type": "application/json" };

class Refused extends Error {}

async function api(path, body) {
  const response = await fetch(`${base}/api/v1/client${path}`, {
    method: body ? "POST" : "GET",
    headers,
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(40_000),
    redirect: "error",
  });
  const answer = await response.json();
  if (answer.code === 500 || answer.code === 501) throw new Error(`server error ${answer.code}`);
  if (answer.code !== 200) {
    const refusal = new Refused(`${answer.code}: ${answer.message}`);
    refusal.code = answer.code;
    throw refusal;
  }
  return answer.data;
}

async function read(path) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await api(path);
    } catch (error) {
      const lasting = error instanceof Refused && ![404, 429, 455].includes(error.code);
      if (lasting || attempt === 6) throw error;
      await sleep(1000 * 2 ** attempt);
    }
  }
}

async function poll(path) {
  const end = Date.now() + 240_000;
  while (Date.now() < end) {
    const data = await read(path);
    if (data.status === "succeeded" || data.status === "success") return data.result;
    if (data.status === "failed") throw new Refused(`the task failed: ${JSON.stringify(data.result)}`);
    await sleep(2500);
  }
  throw new Error("no end within four minutes");
}

async function submit() {
  const started = await api("/job/detect-face-image", { image_url: process.env.PHOTO });
  const found = await poll(`/job/detect-face-result?detect_task_id=${started.detect_task_id}`);
  if (found.faces.length === 0 || found.faces.length > 3) throw new Refused(`${found.faces.length} faces`);
  const faces = found.faces.map((face, place) => ({ face_id: face.id, target: place ? face.link : process.env.NEW_FACE }));
  writeFileSync("job.json", JSON.stringify({ attempted: true }));
  const input = { detect_id: found.id, image_url: process.env.PHOTO, faces };
  try {
    const { task_id } = await api("/job/CreateTask", { model: "image-face-swap-multi", input });
    writeFileSync("job.json", JSON.stringify({ task_id }));
    return task_id;
  } catch (error) {
    if (error instanceof Refused) writeFileSync("job.json", "{}");
    throw error; // in doubt the file still says that it was tried: a person has to look
  }
}

const job = existsSync("job.json") ? JSON.parse(readFileSync("job.json", "utf8")) : {};
if (job.attempted) {
  console.error("unknown: an earlier submission was not answered, see the vendor's console");
  process.exit(3);
}
try {
  const result = await poll(`/job/TaskInfo?task_id=${job.task_id ?? (await submit())}`);
  const picture = await fetch(result.media_urls[0]);
  if (!picture.ok || !picture.headers.get("content-type").startsWith("image/")) throw new Error(`download: ${picture.status}`);
  const bytes = Buffer.from(await picture.arrayBuffer());
  if (bytes.length === 0) throw new Error("download: empty");
  writeFileSync("out.png", bytes);
  console.log("finished");
} catch (error) {
  console.error(error instanceof Refused ? "failed" : "unknown", error.message);
  process.exit(error instanceof Refused ? 1 : 3);
}
