/** `useSwapmock()` for Jest, and for every other runner whose hooks are global. */

import { useSwapmockWith, type Hooks, type Swapmock, type UseOptions } from "./use.js";

/** Start an emulator for this file, and an account for each of its tests. Call it at the top of a file or describe block. */
export function useSwapmock(options: UseOptions = {}): Swapmock {
  const hooks = globalThis as unknown as Partial<Hooks>;
  for (const name of ["beforeAll", "afterAll", "beforeEach", "afterEach"] as const) {
    if (typeof hooks[name] !== "function") throw new Error(`swapmock/jest: there is no global ${name}; is this a Jest test?`);
  }
  return useSwapmockWith(hooks as Hooks, options);
}
