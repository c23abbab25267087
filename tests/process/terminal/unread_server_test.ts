/**
 * Outputs that nothing reads, or that take nothing: the chat goes on, and the server
 * can be ended.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { RawClient } from "../../tools/net/raw_client.ts";
import { lastingPort } from "../../tools/net/test_server.ts";
import { PATIENCE_MS } from "../../tools/net/within.ts";
import { HERE, Process, RUN } from "../../tools/server_process.ts";
import { needs } from "../../tools/system/skips.ts";
import { tempFolder } from "../../tools/temp.ts";
import { Pty, ptyTest } from "../../tools/system/pty.ts";

/** Quiet: no progress of Deno's own stands before what the server prints. */
const [RUN_IT = "", ...HOW] = RUN;
const SERVER = [
  Deno.execPath(),
  RUN_IT,
  "--quiet",
  ...HOW,
  ...HERE,
  "--no-limits",
];

/** Connects as soon as the server listens. */
async function enter(port: number, name: string): Promise<RawClient> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await RawClient.enter(port, name);
    } catch (error) {
      const isEarly = error instanceof Deno.errors.ConnectionRefused;
      if (!isEarly || Date.now() > deadline) throw error;
    }
  }
}

/** Two lines of the log for each of `count` times, and an answer to each. */
async function fillLog(client: RawClient, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 100) {
    await client.send("JOIN #r\n\nLEAVE #r\n\n".repeat(100));
    await client.frames(200);
  }
}

ptyTest(
  "a server starts, serves and ends on a terminal that nothing reads",
  async () => {
    const port = lastingPort(); // it cannot say its own
    await using terminal = await Pty.run(
      [...SERVER, "--port", `${port}`],
      { isFull: true },
    );

    using alice = await enter(port, "alice");
    await fillLog(alice, 100);
    await terminal.isStuck();
    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
    terminal.kill("SIGTERM");
    assertEquals(await alice.rest(), "NOTICE closing\nRetry-after: 5\n\n");
    assertEquals(await terminal.exitCode(), 0);
  },
);

for (
  const [how, end] of [
    ["SIGTERM", (terminal: Pty) => terminal.kill("SIGTERM")],
    ["stop", (terminal: Pty) => terminal.type("stop\r")],
    ["Ctrl-C", (terminal: Pty) => terminal.type("\x03")],
  ] as const
) {
  ptyTest(
    `a server whose terminal is read no more serves, and ends with ${how}`,
    async () => {
      await using terminal = await Pty.run(SERVER);
      const [, port] = await terminal.until(/Listening on port (\d+)[^]*> $/);
      await terminal.fill();

      using alice = await RawClient.enter(Number(port), "alice");
      await fillLog(alice, 100);
      await terminal.isStuck();
      terminal.type("\x1a"); // Ctrl-Z: the terminal cannot be given back
      terminal.type("users\r");
      using bob = await RawClient.enter(Number(port), "bob");
      assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");

      end(terminal);
      assertEquals(await bob.rest(), "NOTICE closing\nRetry-after: 5\n\n");
      assertEquals(await terminal.exitCode(), 0);
    },
  );
}

ptyTest(
  "a terminal that is read again shows the log, and how much is left out",
  async () => {
    await using terminal = await Pty.run(SERVER);
    const [, port] = await terminal.until(/Listening on port (\d+)[^]*> $/);
    await terminal.fill();
    using alice = await RawClient.enter(Number(port), "alice");
    await fillLog(alice, 15_000); // more than all buffers and the queue hold
    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");

    await terminal.until(/\(\d+ lines left out\)\r\n/);
    terminal.type("users\r");
    await terminal.until(/1 user:\r\n {2}alice [^]*> $/);

    terminal.kill("SIGTERM");
    assertMatch(await terminal.rest(), /Shutting down\r\n/);
    assertEquals(await terminal.exitCode(), 0);
  },
);

Deno.test(needs("signals between programs", {
  name: "a pipe that nothing reads holds up neither the chat nor the end",
  async fn() {
    await using server = new Process([...HERE, "--no-limits"]);
    const port = await server.port();

    using alice = await RawClient.enter(port, "alice");
    await fillLog(alice, 2_000);
    await server.type("users\n");
    using bob = await RawClient.enter(port, "bob");
    assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");

    assertEquals(await server.stop("SIGTERM"), 0);
  },
}));

Deno.test(needs("signals between programs", {
  name: "a pipe that is read in the end has the whole log",
  async fn() {
    await using server = new Process([...HERE, "--no-limits"]);
    const port = await server.port();
    using alice = await RawClient.enter(port, "alice");
    await fillLog(alice, 2_000);
    server.kill("SIGTERM");

    assertEquals(await server.exitCode(), 0);

    assertMatch(
      server.out.text,
      /alice left room \[r\]\n(.*\n)*.* server closing\n$/,
    );
    assertEquals(
      server.out.text.match(/ alice left room \[r\]$/gm)?.length,
      2_000,
    );
  },
}));

Deno.test(needs("prlimit", {
  name: "a log on a full disk misses lines, says how many, and goes on",
  async fn() {
    using folder = tempFolder();
    const log = `${folder.path}/log`;
    const port = lastingPort();
    await using server = new Process(
      [...HERE, "--no-limits", "--port", `${port}`],
      { before: `exec >${log}`, fileKb: 8 },
    );
    using alice = await enter(port, "alice");
    await fillLog(alice, 200);
    using bob = await RawClient.enter(port, "bob");
    assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
    while ((await Deno.stat(log)).size < 8 * 1024); // then it is full

    await server.makeRoom();
    await fillLog(bob, 100);

    // All lines after that are there, and each one before it is there or counted.
    let text = "";
    const hasAll = () => {
      text = Deno.readTextFileSync(log);
      return text.match(/ bob left room \[r\]\n/g)?.length === 100;
    };
    while (!hasAll()) await bob.ask("PING\n\n");
    const counts = text.matchAll(/^\(up to (\d+) lines? left out\)$/gm);
    const lines = text.match(/^.*( registered from |room \[r\]).*\n/gm) ?? [];
    const all = counts.reduce(
      (sum, [, one]) => sum + Number(one),
      lines.length,
    );
    assert(all >= 2 + 2 * (200 + 100), `${all}`);
    assertEquals(await server.stop("SIGTERM"), 0);
  },
}));
