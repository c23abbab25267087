/**
 * Loaded before the tests in CI and on Windows: a test that hangs fails by its name,
 * and the others go on.
 *
 * @module
 */
import { SYSTEM } from "../../../platform/system.ts";

/** After so long a test has failed, in milliseconds. With Wine all is slow. */
const DEADLINE_MS = (SYSTEM === "windows" ? 6 : 4) * 60_000;

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
