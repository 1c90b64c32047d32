// A client as its user wrote it: the whole flow inside pRetry, so that a failure anywhere starts it from the beginning.
import { writeFile } from "node:fs/promises";

class AbortError extends Error {}

async function pRetry(run, { retries = 3, minTimeout = 1000, factor = 2, onFailedAttempt = () => {} } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(attempt);
    } catch (error) {
      if (error instanceof AbortError || attempt > retries) throw error;
      onFailedAttempt(error, attempt);
      await new Promise((done) => setTimeout(done, minTimeout * factor ** (attempt - 1)));
    }
  }
}

const http = async (path, init = {}) => {
  const response = await fetch(`${process.env.ENDPOINT}/api/v1/client/job/${path}`, {
    ...init,
    headers: { "x-api-key": process.env.SECRET, "content-type": "application/json" },
    signal: AbortSignal.timeout(30_000),
  });
  const json = await response.json();
  if (json.code >= 400 && json.code < 500 && json.code !== 429) throw new AbortError(json.message);
  if (json.code !== 200) throw new Error(json.message);
  return json.data;
};

async function swap(image_url, new_face) {
  const { task_id } = await http("CreateTask", {
    method: "POST",
    body: JSON.stringify({ model: "image-face-swap", input: { image_url, new_face } }),
  });
  for (let i = 0; i < 50; i++) {
    await new Promise((done) => setTimeout(done, 3000));
    const task = await http(`TaskInfo?task_id=${task_id}`);
    if (task.status === "failed") throw new AbortError("generation failed");
    if (task.status !== "success") continue;
    const file = await fetch(task.result.media_urls[0]);
    if (!file.ok) throw new Error(`download ${file.status}`);
    await writeFile("swap.png", Buffer.from(await file.arrayBuffer()));
    return task_id;
  }
  throw new Error("timed out");
}

const id = await pRetry(() => swap(process.env.IMAGE, process.env.FACE), {
  onFailedAttempt: (error, attempt) => console.warn(`attempt ${attempt}: ${error.message}`),
}).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
console.log("done", id);
