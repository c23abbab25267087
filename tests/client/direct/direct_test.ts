/** Calls and offers as a user of the terminal is told of them. */
import { assertEquals } from "@std/assert";
import { Direct } from "../../../client/direct/direct.ts";
import { round } from "../../tools/test_clock.ts";

Deno.test("an offer that ends before it was shown is not offered any more", async () => {
  const room = Promise.withResolvers<number>();
  const notes: string[] = [];
  const note = (text: string) => void notes.push(text);
  await using direct = new Direct({
    name: "bob",
    note,
    ...{ show() {}, showError: note, explain() {}, prompt() {} },
    flushed: () => Promise.resolve(),
    server: { request: () => Promise.withResolvers<never>().promise },
    cancelAdvice: "/cancel",
    direct: { listening: true },
    messages: { ignores: () => false },
  }, {
    hostname: "127.0.0.1",
    files: { folder: ".", freeBytes: () => room.promise },
  });
  const hear = (verb: string, headers: object) =>
    direct.receive({
      verb,
      args: ["alice"],
      headers: Object.entries({ session: "0".repeat(32), ...headers }),
      body: new Uint8Array(),
    });

  const commit = "ab".repeat(32);
  hear("CALL", { commit, purpose: "file", name: "a.txt", size: 1 });
  hear("DECLINE", { reason: "cancelled by the caller" });
  room.resolve(10);
  await round();

  assertEquals(notes, ["alice ended the offer: cancelled by the caller"]);
});
