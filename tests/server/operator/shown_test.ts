/**
 * The cleaning of everything that is shown, as a property: whatever others put
 * into names, rooms, texts, reasons and lists, nothing reaches a terminal that
 * it obeys or hides, and what is harmless arrives as it was said.
 *
 * A failure names its seed; PARLEY_SEED repeats it.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { sanitize, sanitizeName } from "../../../core/text/sanitize.ts";
import { type Item, View } from "../../../client/view/view.ts";
import { FakeServer } from "../../tools/client_tools.ts";
import { newSeed } from "../../tools/net/fault_proxy.ts";
import { FOUL_TEXTS } from "../../fuzz/hostile_frames.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { checkShown } from "../../tools/shown.ts";
import { Pty, ptyTest } from "../../tools/system/pty.ts";

const SEED = newSeed();

/** Pieces of foul texts, of all of Unicode, and of half characters. */
const anything = fc.array(
  fc.oneof(
    fc.constantFrom(...FOUL_TEXTS),
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.string({ unit: "grapheme", maxLength: 8 }),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 4 })
      .map((codes) => String.fromCharCode(...codes)),
  ),
  { maxLength: 6 },
).map((parts) => parts.join(""));

/** What everybody can see, and no terminal obeys. */
const harmless = fc.string({ unit: "grapheme", maxLength: 40 }).filter((text) =>
  !/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|\p{M}{7}/u.test(text)
);

const AT = new Date("2026-11-21T07:32:56.120Z");

/** Everything that a view can be told to show, with `text` in every place. */
function itemsWith(text: string): Item[] {
  return [
    { kind: "message", at: AT, from: text, to: text, text },
    { kind: "message", at: AT, from: text, to: "#default", text, old: true },
    { kind: "event", at: AT, text },
    { kind: "note", text },
    { kind: "error", text },
    { kind: "echo", text },
    { kind: "room", name: text, members: text },
  ];
}

/** On a screen, in colour, and for pipes. */
const VIEWS = [
  () => new View({ plain: true, colors: false, columns: () => Infinity }),
  () => new View({ plain: false, colors: true, columns: () => 40 }),
];

Deno.test("whatever others say, a view shows nothing that a terminal obeys or hides", () => {
  fc.assert(
    fc.property(anything, fc.constantFrom(...VIEWS), (text, create) => {
      const view = create();
      view.me = "alice";
      for (const item of itemsWith(text)) checkShown(view.format(item));
    }),
    { seed: SEED, numRuns: 3_000 },
  );
});

Deno.test("harmless text is shown as it was sent", () => {
  fc.assert(
    fc.property(harmless, (text) => {
      assertEquals(sanitize(text), text);
      const view = VIEWS[0]!();
      const said = view.format({ kind: "note", text });
      assertEquals(said, `* ${text}\n`);
    }),
    { seed: SEED, numRuns: 3_000 },
  );
});

Deno.test("there is always something to see of a name, in one word", () => {
  fc.assert(
    fc.property(anything, (name) => {
      const shown = sanitizeName(name);
      checkShown(shown);
      assert(!/\p{Default_Ignorable_Code_Point}/u.test(shown), "all of it");
      assert(/^\S+$/.test(shown.replace("<no name>", "-")), "it is one word");
      assert(/[^\p{Z}\u2800]/u.test(shown), "it can be seen");
    }),
    { seed: SEED, numRuns: 3_000 },
  );
  assertEquals(sanitizeName("alice"), "alice");
  assertEquals(sanitizeName("\u00a0\u2800"), "<U+00A0><U+2800>");
});

Deno.test("whatever is typed at a server, its console answers harmlessly", async () => {
  await using server = startTestServer();
  const command = fc.tuple(
    fc.constantFrom("", "kick ", "ban ", "unban ", "mute ", "unmute ", "say "),
    anything,
  ).map((words) => words.join(""));

  await fc.assert(
    fc.asyncProperty(command, async (line) => {
      checkShown(await server.console.run(line.replaceAll("stop", "")));
    }),
    { seed: SEED, numRuns: 500 },
  );
});

/** What the client itself draws a screen with. */
// deno-lint-ignore no-control-regex -- these are what is meant
const DRAWING = /\x1b\[(\d*[A-K]|\?\d+[hl])|\x1b\[[\d;]*m|\x07|\r/g;

ptyTest(
  "the screen gets nothing but what the client itself draws",
  async () => {
    using server = new FakeServer();
    const client = [Deno.execPath(), "run", "-A", "client.ts", "alice"];
    await using terminal = await Pty.run(
      [...client, `127.0.0.1:${server.port}`],
      { size: { rows: 20, cols: 60 }, env: { TERM: "xterm-256color" } },
    );
    const reading = terminal.rest();
    using peer = await server.accept();

    assertEquals(await peer.request(), "REGISTER alice");
    await peer.say("REGISTERED alice\nToken: t\n\n");
    for (const text of FOUL_TEXTS) await peer.say(framesWith(text));
    await peer.say("NOTICE joined\nRoom: #default\nUser: last\n\n");
    await peer.say("ERROR 117 Removed\nReason: over \x9b\u202e\n\n");
    const shown = await reading;

    assert(shown.includes("last joined #default"), shown);
    checkShown(shown.replaceAll(DRAWING, ""));
  },
);

/** Frames that have `text` wherever a head and a body allow it. */
function framesWith(text: string): string {
  // deno-lint-ignore no-control-regex -- a head has no such thing
  const inHead = text.replaceAll(/[\x00-\x1f\x7f]/g, "");
  const word = inHead.replaceAll(" ", "");
  const body = `Content-length: ${new TextEncoder().encode(text).length}`;
  return [
    `FORWARD ${word}\nTo: #default\n${body}\n\n${text}`,
    `FORWARD ${word}\nTo: ${word}\n${body}\n\n${text}`,
    `NOTICE joined\nRoom: ${inHead}\nUser: ${inHead}\n\n`,
    `NOTICE offline\nRoom: #default\nUser: bob\nReason: ${inHead}\n\n`,
    `NOTICE server\n${body}\n\n${text}`,
  ].join("");
}
