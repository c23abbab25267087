/** Which terminal is opened, and what reads it, on each system. */
import { assertEquals } from "@std/assert";
import { readsWithNode } from "../../terminal/input.ts";
import { type Ability, abilityOf } from "../../terminal/open.ts";
import type { System } from "../../platform/system.ts";

const [both, xterm] = [{ input: true, output: true }, "xterm-256color"];

Deno.test("a terminal is drawn on, marked or plain, as its streams and system allow", () => {
  const cases: [
    streams: { input?: boolean; output?: boolean; term?: string | undefined },
    plain: boolean,
    abilities: Partial<Record<System, Ability>>,
  ][] = [
    [{}, false, { linux: "drawn", darwin: "drawn", windows: "drawn" }],
    [{}, true, { linux: "marked", darwin: "marked", windows: "marked" }],
    [{ input: false }, false, { linux: "plain", windows: "plain" }],
    [{ output: false }, false, { linux: "plain", windows: "plain" }],
    [{ output: false }, true, { linux: "plain", windows: "plain" }],
    [{ term: "dumb" }, false, { linux: "plain", windows: "plain" }],
    // No Windows sets it; elsewhere each terminal does.
    [{ term: undefined }, false, {
      ...{ linux: "plain", darwin: "plain", freebsd: "plain" },
      windows: "drawn",
    }],
    [{ term: "" }, false, { linux: "plain", windows: "drawn" }],
    [{ term: undefined }, true, { linux: "plain", windows: "marked" }],
  ];
  for (const [streams, plain, abilities] of cases) {
    for (const [system, ability] of Object.entries(abilities)) {
      assertEquals(
        abilityOf(
          { ...both, term: xterm, ...streams },
          { plain },
          system as System, // a key of the table
        ),
        ability,
        JSON.stringify([streams, plain, system]),
      );
    }
  }
});

Deno.test("only a console of Windows is read as lines by node:tty", () => {
  assertEquals(readsWithNode(true, "windows"), true);
  assertEquals(readsWithNode(false, "windows"), false);
  assertEquals(readsWithNode(true, "linux"), false);
  assertEquals(readsWithNode(true, "darwin"), false);
  assertEquals(readsWithNode(false, "linux"), false);
});
