/** Test helpers and a typed admin client for swapmock. */

export * from "./admin.js";
export { start, type Running, type StartOptions } from "./start.js";
export { useSwapmockWith, type Hooks, type Swapmock, type UseOptions } from "./use.js";
