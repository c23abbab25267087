/** What a page and its program say: messages, and pieces of files. */
import { assertEquals, assertRejects } from "@std/assert";
import { BadRecord } from "../../../client/files/records.ts";
import { Cards, type Look } from "../../../client/gui/page_session.ts";
import { PageLink } from "../../../client/gui/page_link.ts";
import type { FromPage, ToPage } from "../../../core/page_talk.ts";
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
];

/** A link to a page that sends `messages`, and reads at once. */
function linkTo(
  messages: readonly string[],
  { send = () => Promise.resolve(), ...options }: {
    send?: (message: Uint8Array) => Promise<void>;
    pieceMs?: number;
  } = {},
): PageLink {
  const said = async function* () {
    for (const message of messages) yield bytes(message);
  };
  return new PageLink({ messages: said, send }, options);
}

async function hear(...messages: string[]): Promise<FromPage[]> {
  return await Array.fromAsync(linkTo(messages).heard());
}

Deno.test("messages of a page are read", async () => {
  const said = MESSAGES.map((one) => JSON.stringify(one));

  assertEquals(await hear(...said), MESSAGES);
});

for (
  const line of [
    "",
    '{"type":"accept"',
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
    await assertRejects(() => hear(line), BadRecord);
  });
}

Deno.test("a program with much to send waits for the page, one with little does not", async () => {
  const taken = Promise.withResolvers<void>();
  const link = linkTo([], {
    send: () => taken.promise,
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
  const link = linkTo([], { send: () => Promise.reject(new Error("gone")) });

  const text = "much".repeat(300_000);
  link.say({ type: "told", peer: "bob", text, failed: false, news: true });

  await link.flushed();
});

Deno.test("a slow page is told less often how far it is, and of all else at once", async () => {
  const taken = Promise.withResolvers<void>();
  const told: ToPage[] = [];
  const link = linkTo([], {
    send(message) {
      told.push(JSON.parse(new TextDecoder().decode(message)));
      return taken.promise;
    },
  });
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
  taken.resolve();
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
const PLACE = { drop: 1, file: 0, from: 0 };

/** The first piece that was asked for, with these bytes. */
function piece(bytes: string): string {
  return `{"type":"piece","read":1}\n${bytes}`;
}

Deno.test("a piece that was asked for fills its place", async () => {
  const asked: string[] = [];
  const link = linkTo([piece("he\nlo")], {
    send(message) {
      asked.push(new TextDecoder().decode(message));
      return Promise.resolve();
    },
  });
  const place = new Uint8Array(5);

  const filling = link.read(place, { drop: 2, file: 3, from: 4 }, HERE);
  const others = await Array.fromAsync(link.heard());
  await filling;

  assertEquals(asked, [
    '{"type":"read","read":1,"drop":2,"file":3,"from":4,"to":9}',
  ]);
  assertEquals(place, bytes("he\nlo"));
  assertEquals(others, []);
});

for (
  const [what, said] of [
    ["too few", "hell"],
    ["too many", "hello!"],
    ["no", ""],
  ] as const
) {
  Deno.test(`${what} bytes are no piece, and harm nobody`, async () => {
    const link = linkTo([piece(said)]);
    const place = new Uint8Array(5);
    const filling = link.read(place, PLACE, HERE);

    await Promise.all([
      assertRejects(() => filling, RangeError),
      Array.fromAsync(link.heard()),
    ]);
    assertEquals(place, new Uint8Array(5));
  });
}

Deno.test("bytes that come too late, or that nobody asked for, are dropped", async () => {
  const link = linkTo([piece("x"), '{"type":"piece","read":7}\nx'], {
    pieceMs: 1,
  });
  const place = new Uint8Array(1);
  await assertRejects(() => link.read(place, PLACE, HERE));

  assertEquals(await Array.fromAsync(link.heard()), []);
  assertEquals(place, new Uint8Array(1));
});

Deno.test("a reader that waits for a piece is told when the page goes, or is gone", async () => {
  const link = linkTo([]);
  const going = new AbortController();
  const filling = link.read(new Uint8Array(1), PLACE, going.signal);
  going.abort();

  await assertRejects(() => filling);
  await assertRejects(() => link.read(new Uint8Array(1), PLACE, going.signal));
});
