// A careful client of crun.ai: detect the faces, swap the first, keep the others, store the result.
import { Client, Doubtful, env, Failed, Lasting, main, NotKnown } from "./common.ts";

type Face = { id: number; link: string };
type Found = { id: string; faces: Face[] };
const JOB = "/api/v1/client/job";

class Crun extends Client {
  passing = ["429", "455"];
  doubtful = ["500", "501", "502", "503", "504"];

  headers() {
    return { "x-api-key": env.CRUN_API_KEY ?? "" };
  }

  /** Credits of the account; asking costs nothing, so a few tries are fine. */
  async balance(): Promise<number> {
    for (let attempt = 0; attempt < 4; attempt++) {
      try {
        return Number((await this.send("GET", "/api/v1/client/account/balance")).balance);
      } catch (error) {
        if (!(error instanceof Doubtful)) throw error;
        await this.pause(2000);
      }
    }
    throw new NotKnown("the balance cannot be read");
  }

  /** Detections are free: a doubtful one is simply started again. */
  async startDetection(): Promise<string> {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        return (await this.send("POST", `${JOB}/detect-face-image`, { image_url: env.SWAPMOCK_IMAGE_URL })).detect_task_id;
      } catch (error) {
        if (!(error instanceof Doubtful)) throw error;
        await this.pause(3000);
      }
    }
    throw new Failed("no detection could be started");
  }

  async detect(): Promise<Found> {
    const task = await this.startDetection();
    const ask = () => this.send("GET", `${JOB}/detect-face-result?detect_task_id=${task}`);
    const found: Found = (await this.waitFor(ask)).result;
    if (found.faces.length === 0) throw new Failed("no face was found");
    if (found.faces.length > 2) throw new Failed(`${found.faces.length} faces were found, 2 expected`);
    return found;
  }

  async submitJob(): Promise<string> {
    const found = await this.detect();
    try {
      return await this.submitOnce(() => this.create(found));
    } catch (error) {
      if (!(error instanceof Lasting && error.code === "422")) throw error;
      const again = await this.detect(); // the detect_id may have expired: one new detection
      return await this.submitOnce(() => this.create(again));
    }
  }

  /** Every face by its own id: the lowest is replaced, the others keep their detected link. */
  async create(found: Found): Promise<string> {
    const first = Math.min(...found.faces.map((face) => face.id));
    const faces = found.faces.map(({ id, link }) => ({ face_id: id, target: id === first ? env.SWAPMOCK_FACE_URL : link }));
    const input = { detect_id: found.id, image_url: env.SWAPMOCK_IMAGE_URL, faces };
    const callback = this.callbackUrl && { callback_url: this.callbackUrl };
    this.record.keep({ doubt: true, balance: await this.balance() });
    try {
      const { task_id } = await this.send("POST", `${JOB}/CreateTask`, { model: "image-face-swap-multi", input, ...callback });
      this.record.keep({ doubt: false, task: task_id });
      return task_id;
    } catch (error) {
      if (!(error instanceof Doubtful)) this.record.keep({ doubt: false });
      throw error;
    }
  }

  /** The balance tells whether a task was made, and its callback, which carries the job, tells which. */
  async lookForIt(doubt: string): Promise<string | undefined> {
    if ((await this.balance()) === this.record.facts.balance) {
      this.record.keep({ doubt: false });
      return undefined;
    }
    for (const until = performance.now() + 60000; performance.now() < until; await this.pause(2000)) {
      const task = this.heard.get(this.record.facts.job);
      if (task) {
        this.record.keep({ doubt: false, task });
        return task;
      }
    }
    throw new NotKnown(`credits were taken, the task's id is not known (${doubt})`);
  }

  ask(task: string) {
    return this.send("GET", `${JOB}/TaskInfo?task_id=${task}`);
  }

  /** Detections and tasks have words of their own; a word that is in no list counts as running. */
  state(answer: Record<string, any>) {
    if (answer.status === "succeeded" || answer.status === "success") return "succeeded";
    return answer.status === "failed" ? "failed" : "running";
  }

  reason(answer: Record<string, any>): string {
    return answer.result?.message ?? answer.reason ?? answer.error ?? "no reason";
  }

  links(answer: Record<string, any>): string[] {
    return answer.result?.media_urls ?? [];
  }

  taskInCallback(body: Record<string, any>): string | undefined {
    return (body.data ?? body).task_id;
  }
}

await main(new Crun());
