/**
 * Nothing that was answered is lost: the server as a process that is killed in
 * the middle of a flood, or whose disk is full.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { headerOf, RawClient } from "../tools/net/raw_client.ts";
import { lastingPort } from "../tools/net/test_server.ts";
import { within } from "../tools/net/within.ts";
import { Process } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";
import { needs } from "../tools/system/skips.ts";

const LOCAL = ["--host", "127.0.0.1"];

/** Everything that comes until the connection breaks; `each` sees it at once. */
async function collect(
  client: RawClient,
  each: (frame: string) => void = () => {},
): Promise<string[]> {
  const frames: string[] = [];
  for (;;) {
    try {
      const frame = await client.frame();
      frames.push(frame);
      each(frame);
    } catch {
      return frames; // the server was killed
    }
  }
}

/** SENDs to #r with the numbers from `first` as their text and as their key. */
function flood(first: number, count: number): string {
  return Array.from({ length: count }, (_, i) => {
    const body = `${first + i}`;
    return `SEND #r\nKey: ${body}\nContent-length: ${body.length}\n\n${body}`;
  }).join("");
}

/** `id body` of FORWARD frames. */
function idsAndBodies(frames: readonly string[]): string[] {
  return frames.filter((frame) => frame.startsWith("FORWARD"))
    .map((frame) => `${headerOf(frame, "Id")} ${frame.split("\n\n")[1]}`);
}

/** The whole history of #r. */
async function wholeHistory(port: number): Promise<string[]> {
  using reader = await RawClient.enter(port, "reader");
  const pages: string[][] = [];
  for (let before = 1e12;;) {
    await reader.send(`HISTORY #r\nLimit: 1000\nBefore: ${before}\n\n`);
    const page: string[] = [];
    for (;;) {
      const frame = await reader.frame();
      if (frame.startsWith("HISTORY")) break;
      page.push(frame);
    }
    if (page.length === 0) return pages.reverse().flat();
    pages.push(idsAndBodies(page));
    before = Number(headerOf(page[0]!, "Id"));
  }
}

/** Comes in, again if there is a token, and joins #r. */
async function enter(port: number, name: string, headers = "") {
  const client = await RawClient.connect(port);
  const answer = await client.ask(`REGISTER ${name}\n${headers}\n`);
  assertMatch(answer, /^REGISTERED /);
  await client.send("JOIN #r\n\n");
  const missed: string[] = [];
  for (;;) {
    const frame = await client.frame();
    if (frame.startsWith("JOINED")) break;
    missed.push(frame);
  }
  return { client, token: headerOf(answer, "Token"), missed };
}

Deno.test("answered messages survive SIGKILL in a flood, and repeated ones are stored once", async () => {
  using folder = tempFolder();
  const file = ["--db", `${folder.path}/chat.db`];
  const rounds = 3;
  const perRound = 3_000;
  const killAfter = 1_000;
  const port = lastingPort();
  let alice = { token: "", answered: 0 };
  const bob = { token: "", heard: [] as string[] };

  for (let round = 0; round < rounds; round++) {
    await using server = new Process([...LOCAL, "--port", `${port}`, ...file]);
    await server.port();
    const last = bob.heard.at(-1)?.split(" ")[0] ?? "0";
    const again = (token: string) =>
      token && `Token: ${token}\nAfter: ${last}\n`;
    const b = await enter(port, "bob", again(bob.token));
    const a = await enter(port, "alice", again(alice.token));
    using listener = b.client;
    using sender = a.client;
    bob.heard.push(...idsAndBodies(b.missed));
    bob.token = b.token;
    assertEquals(a.missed.filter((f) => f.startsWith("FORWARD")), []);

    const enough = Promise.withResolvers<void>();
    let heard = 0;
    const hearing = collect(listener, () => {
      if (++heard === killAfter) enough.resolve();
    });
    const answers = collect(sender);
    // It repeats what was not answered, and goes on.
    const first = alice.answered;
    const sending = sender.send(flood(first, perRound)).catch(() => {});
    await enough.promise;
    await server.stop("SIGKILL");
    await sending;
    bob.heard.push(...idsAndBodies(await hearing));
    const sents = (await answers).filter((frame) => frame.startsWith("SENT"));
    alice = { token: a.token, answered: first + sents.length };
  }
  await using server = new Process([...LOCAL, "--port", `${port}`, ...file]);
  await server.port();
  const last = bob.heard.at(-1)?.split(" ")[0];
  const b = await enter(port, "bob", `Token: ${bob.token}\nAfter: ${last}\n`);
  using _b = b.client;
  bob.heard.push(...idsAndBodies(b.missed));

  const history = await wholeHistory(port);
  const numbers = history.map((line) => Number(line.split(" ")[1]));
  assert(numbers.length >= alice.answered, `${numbers.length} in the history`);
  assertEquals(numbers, Array.from(numbers, (_, i) => i)); // each once, in order
  assertEquals(bob.heard, history);
});

Deno.test(
  needs("prlimit", {
    name:
      "a full disk refuses what it cannot store, loses nothing, and is used again",
    fn: async () => {
      using folder = tempFolder();
      const file = ["--db", `${folder.path}/chat.db`];
      const sent: string[] = [];
      {
        const options = [...LOCAL, "--port", "0", ...file];
        await using server = new Process(options, { fileKb: 1_024 });
        const port = await server.port();
        const { client: alice } = await enter(port, "alice");
        const { client: bob } = await enter(port, "bob");
        using _alice = alice;
        using _bob = bob;
        await alice.next("NOTICE joined");
        const last = Promise.withResolvers<void>();
        const hearing = collect(bob, (frame) => {
          if (frame.endsWith("\n\nafter")) last.resolve();
        });

        let answer = "SENT";
        for (let i = 0; answer.startsWith("SENT"); i++) {
          const body = `${i} `.padEnd(4_000, "x");
          await alice.say("#r", body, `Key: k${i}\n`);
          answer = await alice.frame();
          if (answer.startsWith("SENT")) {
            sent.push(`${headerOf(answer, "Id")} ${body}`);
          }
        }
        assertMatch(
          answer,
          /^ERROR 119 Not stored\nFor: SEND #r\nReason: Cannot store that: the server's disk .+\n\n$/,
        );
        assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
        assertEquals(await wholeHistoryBy(alice), sent);

        // What was stored before is answered as before, beside what cannot be.
        const send = (key: string) =>
          `SEND #r\nKey: ${key}\nContent-length: 4000\n\n${"x".repeat(4_000)}`;
        await alice.send(send("k0") + send("new"));
        const repeated = headerOf(await alice.frame(), "Id");
        assertEquals(repeated, sent[0]!.split(" ", 1)[0]);
        assertMatch(await alice.frame(), /^ERROR 119 /);

        await server.makeRoom();
        await alice.say("#r", "after");
        const after = await alice.frame();
        assertEquals(headerOf(after, "Id"), `${sent.length + 1}`);
        sent.push(`${sent.length + 1} after`);
        await server.out.until(/Storage works again/);
        await within(last.promise, () => "the last message");
        await server.stop("SIGKILL");
        assertEquals(idsAndBodies(await hearing), sent);
      }
      await using server = new Process([...LOCAL, "--port", "0", ...file]);

      assertEquals(await wholeHistory(await server.port()), sent);
    },
  }),
);

/** The history of #r, of fewer messages than one page. */
async function wholeHistoryBy(client: RawClient): Promise<string[]> {
  await client.send("HISTORY #r\nLimit: 1000\n\n");
  const frames: string[] = [];
  for (;;) {
    const frame = await client.frame();
    if (frame.startsWith("HISTORY")) return idsAndBodies(frames);
    frames.push(frame);
  }
}

Deno.test("a second server on the same file says so, and exits 2", async () => {
  using folder = tempFolder();
  const file = ["--db", `${folder.path}/chat.db`];
  await using first = new Process([...LOCAL, "--port", "0", ...file]);
  await first.port();
  await using second = new Process([...LOCAL, "--port", "0", ...file]);

  await second.err.until(/another server uses it; .*--db\n/);
  const code = await second.exitCode();

  assertEquals(code, 2);
  assertEquals(second.err.text.trim().split("\n").length, 1);
});
