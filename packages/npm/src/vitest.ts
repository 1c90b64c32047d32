/** `useSwapmock()` for Vitest. */

// @ts-ignore -- vitest is the user's own; this package does not depend on it
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

import { useSwapmockWith, type Hooks, type Swapmock, type UseOptions } from "./use.js";

/** Start an emulator for this file, and an account for each of its tests. Call it at the top of a file or describe block. */
export function useSwapmock(options: UseOptions = {}): Swapmock {
  return useSwapmockWith({ afterAll, afterEach, beforeAll, beforeEach } as Hooks, options);
}
