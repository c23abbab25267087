/** What depends on the system alone. */
import { assertEquals } from "@std/assert";
import { endSignals, type System } from "../../platform/system.ts";

/** The signals that end a program, by system. */
const SIGNALS: readonly [System, Record<string, number>][] = [
  ["linux", { SIGINT: 2, SIGTERM: 15 }],
  ["darwin", { SIGINT: 2, SIGTERM: 15 }],
  ["freebsd", { SIGINT: 2, SIGTERM: 15 }],
  ["windows", { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGBREAK: 21 }],
];

for (const [system, signals] of SIGNALS) {
  Deno.test(`endSignals() on ${system}`, () => {
    assertEquals(endSignals(system), signals);
  });
}
