// A client as its user wrote it: looks at HTTP statuses only, takes faces by position, saves what comes, says ok at the end.
import { writeFileSync } from "node:fs";

const url = (path) => `${process.env.BASE_URL}/api/v1/client/job/${path}`;
const headers = { "x-api-key": process.env.TOKEN, "content-type": "application/json" };
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function request(path, body) {
  for (let i = 0; i < 4; i++) {
    const answer = await fetch(url(path), { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
    if (answer.ok) return (await answer.json()).data ?? {};
    await wait(1000);
  }
  return {};
}

const { detect_task_id } = await request("detect-face-image", { image_url: process.env.IMG });
let detection;
for (let i = 0; i < 40 && detection?.status !== "succeeded"; i++) {
  await wait(1500);
  detection = await request(`detect-face-result?detect_task_id=${detect_task_id}`);
}
const faces = (detection?.result?.faces ?? []).map((face, i) => ({ face_id: i, target: i ? face.link : process.env.NEWFACE }));
const { task_id } = await request("CreateTask", {
  model: "image-face-swap-multi",
  input: { detect_id: detection?.result?.id, image_url: process.env.IMG, faces },
});
for (let i = 0; i < 60; i++) {
  await wait(2000);
  const info = await request(`TaskInfo?task_id=${task_id}`);
  if (info.status === "success" || info.status === "failed") {
    const link = info.result?.media_urls?.[0];
    if (link) writeFileSync("out.png", Buffer.from(await (await fetch(link)).arrayBuffer()));
    break;
  }
}
console.log("ok");
