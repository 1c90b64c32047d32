/** The emulator as a Testcontainers module. */

// @ts-ignore -- testcontainers is the user's own; this package does not depend on it
import { GenericContainer, Wait } from "testcontainers";

import { Emulator } from "./admin.js";

const PORT = 4020;

/** `const container = await startSwapmockContainer()`; stop it with `container.stop()`. */
export async function startSwapmockContainer(
  image = "swapmock",
  settings: Record<string, string> = {},
): Promise<{ emulator: Emulator; url: string; stop(): Promise<void> }> {
  const token = settings.SWAPMOCK_ADMIN_TOKEN ?? "testcontainers";
  const started = await new GenericContainer(image)
    .withExposedPorts(PORT)
    .withEnvironment({ SWAPMOCK_ADMIN_TOKEN: token, ...settings })
    .withWaitStrategy(Wait.forHttp("/ready", PORT))
    .start();
  const url = `http://${started.getHost()}:${started.getMappedPort(PORT)}`;
  return {
    emulator: new Emulator(url, { token }),
    url,
    stop: async () => {
      await started.stop();
    },
  };
}
