/** `useSwapmock()` for Node's own test runner. */

import { after, afterEach, before, beforeEach } from "node:test";

import { useSwapmockWith, type Swapmock, type UseOptions } from "./use.js";

/** Start an emulator for this file, and an account for each of its tests. Call it at the top of a file or describe block. */
export function useSwapmock(options: UseOptions = {}): Swapmock {
  return useSwapmockWith({ beforeAll: (work) => before(work), afterAll: (work) => after(work), beforeEach, afterEach }, options);
}
