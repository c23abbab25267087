/**
 * A terminal that nothing reads: whatever the client does, a signal ends it, and it
 * ends by itself when it is asked to.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { makeAccount } from "../../tools/account_tools.ts";
import { ClientProcess, quietServer } from "../../tools/client_tools.ts";
import { writeFiles } from "../../tools/file_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { tempFolder } from "../../tools/temp.ts";
import {
  denoCache,
  Pty,
  type PtyOptions,
  ptyTest,
} from "../../tools/system/pty.ts";

function client(args: string[], options?: PtyOptions): Promise<Pty> {
  // Quiet: no progress of Deno's own stands before what the client prints.
  const run = ["run", "-qA", "--cached-only", "client.ts", ...args];
  return Pty.run([Deno.execPath(), ...run], options);
}

const PLAIN = [[], ["--plain"]];

/** What a client is doing when its terminal is read no more. */
const STATES: Record<
  string,
  (port: number, more: string[]) => Promise<AsyncDisposable & { pty: Pty }>
> = {
  "before its first question": async (port, more) => {
    const args = [...more, "--port", `${port}`];
    const pty = await client(args, { isFull: true });
    await pty.isStuck();
    return held(pty);
  },

  "asking for a name": async (port, more) => {
    const pty = await client([...more, "--port", `${port}`]);
    await pty.until(/Name: $/);
    await pty.fill();
    pty.type("bad name!\r");
    await pty.isStuck();
    return held(pty);
  },

  "asking for a password": async (port, more) => {
    await makeAccount(port, "alice");
    const pty = await client([
      "alice",
      `127.0.0.1:${port}`,
      "--login",
      ...more,
    ]);
    await pty.until(/Password for alice: $/);
    await pty.fill();
    return held(pty);
  },

  "after a password": async (port, more) => {
    await makeAccount(port, "alice");
    const pty = await client([
      "alice",
      `127.0.0.1:${port}`,
      "--login",
      ...more,
    ]);
    await pty.until(/Password for alice: $/);
    await pty.fill();
    pty.type("wrong\r");
    await pty.isStuck();
    return held(pty);
  },

  "in a room under a flood": async (port, more) => {
    const pty = await client(["alice", `127.0.0.1:${port}`, ...more]);
    await pty.until(/you joined #default/);
    await pty.fill();
    const bob = await RawClient.enter(port, "bob", "#default");
    const text = "x".repeat(1_000);
    const send = `SEND #default\nContent-length: 1000\n\n${text}`;
    for (let sent = 0; sent < 2_000; sent += 100) {
      await bob.send(send.repeat(100));
    }
    pty.type("typed over it ".repeat(20));
    await pty.isStuck();
    return held(pty, bob);
  },
};

function held(pty: Pty, other?: Disposable) {
  return {
    pty,
    async [Symbol.asyncDispose]() {
      other?.[Symbol.dispose]();
      await pty[Symbol.asyncDispose]();
    },
  };
}

for (const [state, begin] of Object.entries(STATES)) {
  for (const more of PLAIN) {
    for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129]] as const) {
      const how = more.length > 0 ? " --plain" : "";
      ptyTest(
        `${signal} ends a client${how} ${state}, on a terminal that nothing reads`,
        async () => {
          await using server = quietServer();
          await using client = await begin(server.port, more);

          client.pty.kill(signal);

          assertEquals(await client.pty.exitCode(), code);
        },
      );
    }
  }
}

for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  ptyTest(
    `${signal} ends a client --gui on a terminal that nothing reads`,
    async () => {
      using folder = tempFolder(); // no browser is opened without a display
      const env = { TERM: "xterm", HOME: folder.path, ...denoCache() };
      await using gui = await client(
        ["--gui", "--downloads", folder.path],
        { isFull: true, clearEnv: true, env },
      );
      await gui.isStuck();

      gui.kill(signal);

      assertEquals(await gui.exitCode(), code);
    },
  );
}

/** A room with bob, and with alice, whose terminal nothing reads. */
async function unreadRoom(more: string[] = []) {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(quietServer());
  const address = `127.0.0.1:${server.port}`;
  const alice = opened.use(await client(["alice", address, ...more]));
  await alice.until(/you joined #default/);
  await alice.fill();
  const bob = opened.use(
    await RawClient.enter(server.port, "bob", "#default"),
  );
  const closing = opened.move();
  return {
    alice,
    bob,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

for (const more of PLAIN) {
  const how = more.length > 0 ? " --plain" : "";
  ptyTest(
    `/quit ends a client${how} whose terminal nothing reads`,
    async () => {
      await using room = await unreadRoom(more);
      const { alice, bob } = room;
      await bob.say("#default", "a line that alice does not see");
      await alice.isStuck();

      alice.type("/quit\r");

      assertEquals(await alice.exitCode(), 0);
    },
  );
}

ptyTest(
  "Ctrl-Z on a terminal that nothing reads changes nothing, and Ctrl-C ends the client",
  async () => {
    await using room = await unreadRoom();
    const { alice, bob } = room;

    alice.type("\x1a");
    await alice.isStuck();
    alice.type("still here\r");
    assertMatch(await bob.next("FORWARD"), /still here$/);
    alice.type("\x03");

    assertEquals(await alice.exitCode(), 130);
  },
);

ptyTest(
  "a terminal that is read again shows what came meanwhile, and the line so far",
  async () => {
    await using room = await unreadRoom();
    const { alice, bob } = room;
    for (let i = 0; i < 50; i++) await bob.say("#default", `message ${i}`);
    for (const key of "hello") alice.type(key);

    await alice.until(/message 0\r\n[^]*message 49\r\n[^]*> hello$/);
    const mode = await alice.mode();
    assertMatch(mode, / -icanon /);
    alice.type("\r/quit\r");
    const end = await alice.rest();
    assertEquals(await alice.exitCode(), 0);
    assert(end.endsWith("\x1b[?2004l\x1b[0m\x1b[?25h"), JSON.stringify(end));
    assertMatch(await alice.mode(), / icanon /);
  },
);

ptyTest(
  "a file arrives although nothing reads the terminal that shows its progress",
  async () => {
    using folder = tempFolder();
    writeFiles(folder.path, { "notes.txt": 300_000 });
    await using server = quietServer();
    const address = `127.0.0.1:${server.port}`;
    const here = ["--direct-host", "127.0.0.1"];
    const to = `${folder.path}/to`;
    const receive = ["--receive", "--downloads", to, ...here];
    await using bob = await client(["bob", address, ...receive]);
    await bob.until(/Waiting for files/);
    await bob.fill();

    const send = ["--send", "bob", `${folder.path}/notes.txt`, ...here];
    await using alice = new ClientProcess(["alice", address, ...send]);

    assertEquals((await alice.end()).code, 0);
    assertEquals(await bob.exitCode(), 0);
    assertEquals((await Deno.stat(`${to}/notes.txt`)).size, 300_000);
  },
);

for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  ptyTest(
    `${signal} ends a client that receives a file, on a terminal that nothing reads`,
    async () => {
      using folder = tempFolder();
      writeFiles(folder.path, { "notes.txt": 50_000_000 });
      await using server = quietServer();
      const address = `127.0.0.1:${server.port}`;
      const here = ["--direct-host", "127.0.0.1"];
      const downloads = ["--downloads", `${folder.path}/to`];
      await using bob = await client(["bob", address, ...downloads, ...here]);
      await bob.until(/you joined #default/);
      const send = ["--send", "bob", `${folder.path}/notes.txt`, ...here];
      await using _alice = new ClientProcess(["alice", address, ...send]);
      await bob.until(/\/accept/);
      bob.type("/accept\r");
      await bob.until(/notes\.txt[^]*%/);
      await bob.fill();

      await bob.isStuck();
      bob.kill(signal);

      assertEquals(await bob.exitCode(), signal === "SIGTERM" ? 143 : 129);
    },
  );
}
