/** What a page and its program say: lines however they are cut, and pieces. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { BadRecord } from "../../../client/files/records.ts";
import { Cards, type Look } from "../../../client/gui/page_session.ts";
import { Reads } from "../../../client/gui/page_drop.ts";
import { PageLink } from "../../../client/gui/page_link.ts";
import type { FromPage, ToPage } from "../../../core/page_talk.ts";
import { replay } from "../../tools/direct_tools.ts";
import { bytes } from "../../tools/net/raw_client.ts";

const MESSAGES: readonly FromPage[] = [
  {
    type: "frame",
    verb: "CALL",
    args: ["bob"],
    headers: [["name", "é\u{1f600}.txt"], ["address", ""]],
  },
  { type: "answer", request: 1 },
  { type: "answer", request: 2, code: 102, reason: "Unable to send" },
  {
    type: "send",
    drop: 1,
    to: "bob",
    files: [{ item: 0, path: "ü/", size: 0 }],
  },
  { type: "accept", transfer: 7 },
  { type: "end", transfer: 8 },
  { type: "unreadable", read: 9 },
];

async function hear(
  said: Uint8Array<ArrayBuffer>,
  pieceBytes?: number,
): Promise<FromPage[]> {
  const options = pieceBytes === undefined ? {} : { pieceBytes };
  return await Array.fromAsync(new PageLink(replay(said, options)).heard());
}

Deno.test("messages of a page are read, wherever their bytes are cut", async () => {
  const said = bytes(
    MESSAGES.map((one) => `${JSON.stringify(one)}\n`).join(""),
  );

  for (const pieceBytes of [1, 2, 3, 7, 64, 65_536]) {
    assertEquals(await hear(said, pieceBytes), MESSAGES);
  }
});

Deno.test("an unfinished line is not heard", async () => {
  assertEquals(await hear(bytes('{"type":"accept","transfer":7}')), []);
});

for (
  const line of [
    '{"type":"accept"}',
    '{"type":"accept","transfer":-1}',
    '{"type":"accept","transfer":"7"}',
    '{"type":"frame","verb":"CALL","args":[1],"headers":[]}',
    '{"type":"frame","verb":"CALL","args":[],"headers":[["a"]]}',
    '{"type":"frame","verb":"CALL","args":[],"headers":["ab"]}',
    '{"type":"send","drop":1,"to":"bob","files":[null]}',
    '{"type":"send","drop":1,"to":"bob","files":[{"item":0,"path":"a","size":0.5}]}',
  ]
) {
  Deno.test(`no page says ${line}`, async () => {
    await assertRejects(() => hear(bytes(`${line}\n`)), BadRecord);
  });
}

Deno.test("a program with much to send waits for the page, one with little does not", async () => {
  const taken = Promise.withResolvers<void>();
  const link = new PageLink({
    ...replay(new Uint8Array()),
    write: (bytes) => taken.promise.then(() => bytes.length),
  });
  const say = (text: string) =>
    link.say({ type: "told", peer: "bob", text, failed: false, news: true });
  const happened: string[] = [];

  say("little");
  await link.flushed();
  say("much".repeat(300_000));
  say("more");
  const waiting = link.flushed().then(() => happened.push("flushed"));
  await Promise.resolve();
  happened.push("taken");
  taken.resolve();
  await waiting;

  assertEquals(happened, ["taken", "flushed"]);
});

Deno.test("no program waits for a page that is gone", async () => {
  const link = new PageLink({
    ...replay(new Uint8Array()),
    write: () => Promise.reject(new Error("gone")),
  });

  const text = "much".repeat(300_000);
  link.say({ type: "told", peer: "bob", text, failed: false, news: true });

  await link.flushed();
});

Deno.test("a line without end is not waited for", async () => {
  const endless = {
    ...replay(new Uint8Array()),
    read: (buffer: Uint8Array) => Promise.resolve(buffer.fill(0x20).length),
  };

  await assertRejects(
    () => Array.fromAsync(new PageLink(endless).heard()),
    BadRecord,
    "a line without end",
  );
});

Deno.test("a slow page is told less often how far it is, and of all else at once", async () => {
  const taken = Promise.withResolvers<number>();
  const told: ToPage[] = [];
  const slow = {
    ...replay(new Uint8Array()),
    write(line: Uint8Array) {
      told.push(JSON.parse(new TextDecoder().decode(line)));
      return taken.promise;
    },
  };
  const link = new PageLink(slow);
  const cards = new Cards(link);
  const look: Look = {
    ...{ sends: true, peer: "bob", title: "x".repeat(40_000) },
    ...{ state: "moving", text: "", part: 0 },
  };

  cards.show(1, look);
  cards.show(1, look);
  cards.show(2, look); // with that, more than 64 KiB are not taken yet
  cards.show(1, { ...look, part: 0.5 });
  cards.show(1, { ...look, state: "paused" });
  cards.show(3, look);
  cards.drop(2);
  taken.resolve(0);
  while (link.behind) await Promise.resolve();
  cards.show(3, { ...look, part: 0.5 });

  assertEquals(
    told.map((one) =>
      one.type === "transfer" ? [one.transfer, one.state, one.part] : one.type
    ),
    [
      ...[[1, "moving", 0], [2, "moving", 0], [1, "paused", 0]],
      ...[[3, "moving", 0], "over", [3, "moving", 0.5]],
    ],
  );
});

const HERE = new AbortController().signal;

/** Asks for as many bytes as fit into `place`. */
function ask(reads: Reads, place: Uint8Array, gone = HERE): Promise<void> {
  return reads.fill(place, () => {}, gone);
}

async function* pieces(...all: string[]): AsyncGenerator<Uint8Array> {
  for (const piece of all) yield bytes(piece);
}

Deno.test("a piece that was asked for fills its place", async () => {
  const reads = new Reads();
  const place = new Uint8Array(5);

  const filling = ask(reads, place);
  const wasAsked = await reads.take(1, pieces("he", "", "llo"));
  await filling;

  assert(wasAsked);
  assertEquals(place, bytes("hello"));
});

for (
  const [what, ...said] of [["too few", "hell"], ["too many", "hell", "o!"]]
) {
  Deno.test(`${what} bytes are no piece, and harm nobody`, async () => {
    const reads = new Reads();
    const filling = ask(reads, new Uint8Array(5));

    await Promise.all([
      assertRejects(() => filling, RangeError),
      reads.take(1, pieces(...said)),
    ]);
  });
}

Deno.test("bytes that come too late, or that nobody asked for, are told apart", async () => {
  const reads = new Reads();
  const place = new Uint8Array(1);
  const filling = ask(reads, place);
  reads.fail(1);
  await assertRejects(() => filling);

  const late = await reads.take(1, pieces("x"));
  const unknown = await reads.take(2, pieces("x"));

  assertEquals([late, unknown], [true, false]);
  assertEquals(place, new Uint8Array(1));
});

Deno.test("a page that hands nothing over is not waited for", async () => {
  const reads = new Reads({ handOverMs: 1 });

  await assertRejects(() => ask(reads, new Uint8Array(1)));
});

Deno.test("a reader that waits for a piece is told when the page goes, or is gone", async () => {
  const reads = new Reads();
  const going = new AbortController();
  const filling = ask(reads, new Uint8Array(1), going.signal);
  going.abort();

  await assertRejects(() => filling);
  await assertRejects(() => ask(reads, new Uint8Array(1), going.signal));
});
