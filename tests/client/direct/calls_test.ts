/** Calls by a server, and between people, that may not mean well. */
import { assertEquals, assertRejects } from "@std/assert";
import { type Call, Calls } from "../../../client/direct/calls.ts";
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
function introduced(answers = true) {
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

  assertEquals(calls.length, 8);
  assertEquals(sent.length, 100);
  for (const call of calls) introductions.decline(call, "enough");
});

Deno.test("calls that are declined and answered can be declined without end", async () => {
  const { introductions, sent, calls } = introduced();

  for (let index = 0; index < 300; index++) {
    introductions.receive(chatCall(index));
    await round(); // in which the server's answer arrives
  }

  assertEquals(sent.length, 300 - 8);
  for (const call of calls) introductions.decline(call, "enough");
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
