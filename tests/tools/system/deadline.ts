/**
 * Loaded before the tests in CI: a test that hangs fails by its name, and the others
 * go on.
 *
 * @module
 */
import { PATIENCE_MS } from "../net/within.ts";

/** After so long a test has failed, in milliseconds. */
const DEADLINE_MS = 4 * PATIENCE_MS;

const { test } = Deno;

/** `Deno.test`, with a deadline for what has none of its own. */
function testInTime(...args: readonly unknown[]): void {
  const options = args.find((arg) => typeof arg === "object") as
    | Deno.TestDefinition
    | undefined;
  const fn = args.find((arg) => typeof arg === "function") ?? options?.fn;
  const name = args.find((arg) => typeof arg === "string") ?? options?.name;
  test({
    timeout: DEADLINE_MS,
    ...options,
    name: name ?? (fn as { name: string }).name,
    fn,
  } as Deno.TestDefinition);
}

Object.defineProperty(Deno, "test", { value: Object.assign(testInTime, test) });
