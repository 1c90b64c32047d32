// A careful client of Img Open: detect the faces, swap one, store the result.
import { Client, Doubtful, env, Failed, Lasting, main, NotKnown } from "./common.ts";

const TOOL = "/AIGCImgOpenServ/saas/tool";

class ImgOpen extends Client {
  passing = ["429", "503"];
  doubtful = ["500", "501", "502", "504"];

  headers() {
    return {
      "X-Request-req-accessKeyId": env.IMGOPEN_ACCESS_KEY_ID ?? "",
      "X-Request-req-accessKeySecret": env.IMGOPEN_ACCESS_KEY_SECRET ?? "",
    };
  }

  /** One id for each step of the job, the same in every run. */
  businessId(step: string): string {
    return `${this.record.facts.job}-${step}`;
  }

  query(tool: string, businessTaskId: string) {
    return this.send("POST", `${TOOL}/${tool}/queryTask`, { businessTaskId });
  }

  /** A detection may answer at once or later, and one in doubt is asked for by its id. */
  async detect(): Promise<void> {
    if (this.record.facts.faces) return;
    const businessTaskId = this.businessId("faces");
    let found: Record<string, any> = {};
    try {
      found = await this.send("POST", `${TOOL}/face/detection`, { businessTaskId, imageUrl: env.SWAPMOCK_IMAGE_URL });
    } catch (error) {
      if (!(error instanceof Doubtful)) throw error;
      await this.pause(3000);
    }
    if (!found.faceUrls?.length) found = await this.waitFor(() => this.query("face/detection", businessTaskId));
    const faces: string[] = found.faceUrls ?? [];
    if (faces.length === 0) throw new Failed("no face was found");
    if (faces.length > 2) throw new Failed(`${faces.length} faces were found, 2 expected`);
    this.record.keep({ faces });
  }

  async submitJob(): Promise<string> {
    await this.detect();
    return await this.submitOnce(() => this.create());
  }

  async create(): Promise<string> {
    const businessTaskId = this.businessId("swap");
    const callback = this.callbackUrl && { callbackUrl: this.callbackUrl };
    const pictures = { sourceUrl: [env.SWAPMOCK_FACE_URL], targetUrl: env.SWAPMOCK_IMAGE_URL, faceIdx: 1 };
    this.record.keep({ doubt: true });
    try {
      await this.send("POST", `${TOOL}/face/fusion`, { businessTaskId, ...pictures, ...callback });
    } catch (error) {
      if (!(error instanceof Doubtful)) this.record.keep({ doubt: false });
      throw error;
    }
    this.record.keep({ doubt: false });
    return businessTaskId;
  }

  /** Our own id tells whether the submission arrived. */
  async lookForIt(doubt: string): Promise<string | undefined> {
    for (let attempt = 0; attempt < 4; attempt++) {
      await this.pause(2000);
      try {
        await this.ask(this.businessId("swap"));
        this.record.keep({ doubt: false });
        return this.businessId("swap");
      } catch (error) {
        if (error instanceof Doubtful) continue;
        if (!(error instanceof Lasting)) throw error;
        this.record.keep({ doubt: false });
        return undefined;
      }
    }
    throw new NotKnown(`nobody answers whether the swap was taken (${doubt})`);
  }

  ask(task: string) {
    return this.query("face/fusion", task);
  }

  /** 2 is success for both tools, 4 failure; whatever else there is counts as running. */
  state(answer: Record<string, any>) {
    const status = String(answer.status);
    return status === "2" ? "succeeded" : status === "4" ? "failed" : "running";
  }

  reason(answer: Record<string, any>): string {
    return answer.errorMessage ?? answer.desc ?? "no reason";
  }

  links(answer: Record<string, any>): string[] {
    return answer.outputImageUrl ? [answer.outputImageUrl] : [];
  }

  taskInCallback(body: Record<string, any>): string | undefined {
    return (body.data ?? body).businessTaskId;
  }
}

await main(new ImgOpen());
