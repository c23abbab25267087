/** Calls by a server, and between people, that may not mean well. */
import { assertEquals, assertRejects } from "@std/assert";
import { type Call, Calls } from "../../../client/direct/calls.ts";
import { Failure } from "../../../client/view/failure.ts";
import { MAX_DECLINES } from "../../../core/requests.ts";
import { round } from "../../tools/test_clock.ts";
import { ChatError, type Frame, type Headers } from "../../../protocol.ts";

const HERE = { hostname: "127.0.0.1" };
const KEY = "ab".repeat(32);

/** A request that was sent. */
interface Sent {
  readonly verb: string;
  readonly name: string;
  readonly headers: Headers;
}

/**
 * Calls, with what they ask of a server that answers, or does not;
 * `asked` is the first of it.
 */
function introduced(answers = true, now?: () => number) {
  const sent: Sent[] = [];
  const calls: Call[] = [];
  const { promise: asked, resolve } = Promise.withResolvers<Sent>();
  const introductions = new Calls({
    ...HERE,
    request: (verb, [name = ""], headers) => {
      sent.push({ verb, name, headers });
      resolve(sent[0]!);
      if (answers) return Promise.resolve();
      return Promise.withResolvers<never>().promise;
    },
    refusal: () => undefined,
    ...(now ? { now } : {}),
    rings: (call) => void calls.push(call),
  });
  return { introductions, sent, calls, asked };
}

/** What the server passes on. */
function frame(verb: string, name: string, headers: object): Frame {
  return {
    verb,
    args: [name],
    headers: Object.entries(headers),
    body: new Uint8Array(),
  };
}

function chatCall(index: number): Frame {
  return frame("CALL", "mallory", {
    session: index.toString(16).padStart(32, "0"),
    commit: KEY,
    purpose: "chat",
  });
}

Deno.test("calls without end ring a few times, and are not all answered", () => {
  const { introductions, sent, calls } = introduced(false);

  for (let index = 0; index < 10_000; index++) {
    introductions.receive(chatCall(index));
  }

  assertEquals(calls.length, 16);
  assertEquals(sent.length, MAX_DECLINES);
  for (const call of calls) introductions.decline(call, "enough");
});

Deno.test("calls that are declined go on being declined, some each minute", async () => {
  let now = 0;
  const { introductions, sent, calls } = introduced(true, () => now);
  const counts: number[] = [];

  for (let index = 0; index < 300; index++) {
    if (index === 150) now += 59_999;
    if (index === 200) now += 1;
    introductions.receive(chatCall(index));
    await round(); // in which the server's answer arrives
    if (index % 50 === 49) counts.push(sent.length);
  }

  assertEquals(counts, [34, 60, 60, 60, 110, 120]);
  for (const call of calls) introductions.decline(call, "enough");
  assertEquals(sent.length, 120 + calls.length); // what the user declines counts not
});

Deno.test("a clock of the computer that is set does not decline more calls, or none", () => {
  const { now } = Date;
  const counts: number[] = [];
  try {
    for (const shiftMs of [3_600_000, -3_600_000]) {
      const { introductions, sent } = introduced();
      const answerTo = (index: number) => {
        const session = index.toString(16).padStart(32, "0");
        introductions.receive(frame("ACCEPT", "eve", { session, key: KEY }));
      };
      for (let index = 0; index < MAX_DECLINES; index++) answerTo(index);
      Date.now = () => now() + shiftMs;
      answerTo(MAX_DECLINES);
      counts.push(sent.length);
    }
  } finally {
    Date.now = now;
  }

  assertEquals(counts, [MAX_DECLINES, MAX_DECLINES]);
});

Deno.test("answers to no call, without end, are not all declined", () => {
  const { introductions, sent } = introduced();

  for (let index = 0; index < 1_000; index++) {
    const session = index.toString(16).padStart(32, "0");
    introductions.receive(frame("ACCEPT", "mallory", { session, key: KEY }));
  }

  assertEquals(sent.length, MAX_DECLINES);
});

Deno.test("a caller who hangs up in the moment of the answer is not connected", async () => {
  const { introductions, sent, asked } = introduced();
  const stop = new AbortController();
  const called = introductions.call("bob", { purpose: "chat" }, stop.signal);
  const failed = assertRejects(() => called, ChatError, "hung up");
  const session = `${(await asked).headers["Session"]}`;

  const address = "127.0.0.1:40000";
  const accept = { session, key: KEY, address, from: address };
  introductions.receive(frame("ACCEPT", "bob", accept));
  stop.abort(new ChatError(118, "you hung up"));
  await failed;

  assertEquals(sent.map(({ verb }) => verb), ["CALL", "DECLINE"]);
});

Deno.test("an answer of somebody else, or to another call, is refused", async () => {
  const { introductions, sent, asked } = introduced();
  const stop = new AbortController();
  const called = introductions.call("bob", { purpose: "chat" }, stop.signal);
  const failed = assertRejects(() => called, ChatError, "hung up");
  const session = `${(await asked).headers["Session"]}`;

  const other = "cd".repeat(16);
  introductions.receive(frame("ACCEPT", "eve", { session, key: KEY }));
  introductions.receive(frame("ACCEPT", "bob", { session: other, key: KEY }));
  introductions.receive(frame("ACCEPT", "bob", { session, key: "short" }));
  introductions.receive(frame("DECLINE", "eve", { session }));
  stop.abort(new ChatError(118, "you hung up"));
  await failed;

  assertEquals(sent.map(({ verb, name }) => `${verb} ${name}`), [
    ...["CALL bob", "DECLINE eve", "DECLINE bob", "DECLINE bob"],
    "DECLINE bob", // the last is ours
  ]);
});

Deno.test("an accepted offer that its caller takes back is not told as a call", async () => {
  for (const purpose of ["file", "chat"]) {
    const { introductions, calls } = introduced();
    const session = "0".repeat(32);
    introductions.receive(frame("CALL", "alice", {
      ...{ session, commit: KEY, purpose, name: "a.txt", size: 1 },
    }));
    await using rendezvous = await introductions.accept(calls[0]!);
    const connected = rendezvous.connect();
    const ended = assertRejects(
      () => connected,
      Failure,
      `alice ended the ${purpose === "file" ? "offer" : "call"}: cancelled`,
    );

    introductions.receive(frame("DECLINE", "eve", { session }));
    introductions.receive(
      frame("DECLINE", "alice", { session, reason: "cancelled" }),
    );
    await ended;
  }
});
