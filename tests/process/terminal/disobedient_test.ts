/**
 * Terminals that are none, as Git Bash without ConPTY: they say they are, and the
 * mode cannot be set. Also terminals that change, and go away.
 */
import { assertEquals, assertFalse, assertMatch } from "@std/assert";
import { makeAccount } from "../../tools/account_tools.ts";
import { quietServer } from "../../tools/client_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { HERE } from "../../tools/server_process.ts";
import { denoCache, Pty, ptyTest, runAfter } from "../../tools/system/pty.ts";

/** Makes the modes of a terminal as they are where it is none. */
const NO_MODES = `
  import tty from "node:tty";
  const fault = new Error("The handle is invalid. (os error 6)");
  tty.ReadStream.prototype.setRawMode = function () {
    this.emit("error", fault);
    return this;
  };
  Deno.stdin.setRaw = () => {
    throw fault;
  };
`;

/** Makes node:tty fail altogether, beside that. */
const NO_TTY = `${NO_MODES}
  tty.ReadStream = function () {
    throw fault;
  };
  (await import("node:module")).syncBuiltinESMExports?.();
`;

for (const [what, stub] of Object.entries({ NO_MODES, NO_TTY })) {
  ptyTest(
    `a client whose terminal does not obey (${what}) chats line by line`,
    async () => {
      await using server = quietServer();
      using bob = await RawClient.enter(server.port, "bob", "#default");
      const address = `127.0.0.1:${server.port}`;
      await using alice = await runAfter(stub, ["client.ts", "alice", address]);
      await alice.until(/you joined #default/);

      alice.type("héllo 你 👍\n");
      assertMatch(await bob.next("FORWARD"), /\n\nhéllo 你 👍$/);
      await bob.say("#default", "and back");
      await alice.until(/#default bob: and back\r\n/);
      alice.type("/signup\n");
      await alice.until(
        /! Cannot ask for a password: this terminal would show/,
      );
      await alice.until(/Start the client with --signup and --password-file/);
      alice.type("/quit\n");

      assertEquals(await alice.exitCode(), 0);
    },
  );

  ptyTest(
    `a password is never asked for where it would be shown (${what})`,
    async () => {
      await using server = quietServer();
      await makeAccount(server.port, "alice");
      const address = `127.0.0.1:${server.port}`;
      const args = ["client.ts", "alice", address, "--login"];
      await using alice = await runAfter(stub, args);

      await alice.until(
        /Cannot ask for a password: this terminal would show what is typed\r\nPut it into a file and add --password-file FILE\.\r\n/,
      );

      assertEquals(await alice.exitCode(), 2);
    },
  );

  ptyTest(
    `a server whose console does not obey (${what}) reads commands line by line`,
    async () => {
      await using console = await runAfter(stub, ["server.ts", ...HERE]);
      const [, port] = await console.until(/Listening on port (\d+)/);
      using alice = await RawClient.enter(Number(port), "alice");
      await console.until(/alice registered/);

      console.type("users\n");
      await console.until(/1 user:\r\n {2}alice /);
      console.type("stop\n");

      assertEquals(await alice.rest(), "NOTICE closing\nRetry-after: 5\n\n");
      assertEquals(await console.exitCode(), 0);
    },
  );
}

/** Makes the terminal return at once from what it cannot do now: F_SETFL, O_NONBLOCK. */
const NON_BLOCKING = `
  const { symbols } = Deno.dlopen("libc.so.6", {
    fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  });
  for (const fd of [0, 1, 2]) symbols.fcntl(fd, 4, 0o4002);
`;

for (const plain of [[], ["--plain"]]) {
  const how = plain.length > 0 ? " --plain" : "";
  ptyTest(
    `a terminal that another program made non-blocking loses nothing of a client${how}`,
    async () => {
      await using server = quietServer();
      using bob = await RawClient.enter(server.port, "bob", "#default");
      const address = `127.0.0.1:${server.port}`;
      const args = ["client.ts", "alice", address, ...plain];
      await using alice = await runAfter(NON_BLOCKING, args);
      await alice.until(/you joined #default/);
      await bob.next("NOTICE joined");

      await alice.fill();
      for (let i = 0; i < 20; i++) await bob.say("#default", `message ${i}`);
      alice.type("hello\r");
      assertMatch(await bob.next("FORWARD"), /\n\nhello$/);
      for (let i = 0; i < 20; i++) {
        await alice.until(new RegExp(`message ${i}\r\n`));
      }
      alice.type("/quit\r");

      assertEquals(await alice.exitCode(), 0);
    },
  );
}

ptyTest(
  "a client that was stopped from outside takes the terminal again",
  async () => {
    await using server = quietServer();
    await using alice = await runAfter("", [
      ...["client.ts", "alice", `127.0.0.1:${server.port}`],
    ]);
    await alice.until(/you joined #default/);

    alice.kill("SIGSTOP");
    await alice.setMode("icanon", "echo"); // as a shell does
    alice.text = "";
    alice.kill("SIGCONT");

    // What was drawn before the stop may be read only now.
    await alice.untilMode(/ -icanon /);
    await alice.until(/> $/);
    alice.type("/quit\r");
    await alice.rest();
    assertMatch(await alice.mode(), / icanon /);
  },
);

ptyTest(
  "a client whose terminal has no signal for its size follows the size",
  async () => {
    const stub = `
    const { addSignalListener } = Deno;
    Deno.addSignalListener = (signal, act) => {
      if (signal === "SIGWINCH") throw new TypeError("Windows only supports");
      addSignalListener(signal, act);
    };
  `;
    await using server = quietServer();
    const args = ["client.ts", "alice", `127.0.0.1:${server.port}`];
    await using alice = await runAfter(stub, args);
    await alice.until(/> $/);
    alice.text = "";

    await alice.resize({ rows: 10, cols: 20 });

    await alice.until(/alice #default> $/); // drawn again
  },
);

for (const cols of [1, 0]) {
  ptyTest(
    `a terminal of ${cols}×${cols} harms neither client nor console, which go on`,
    async () => {
      const run = ["run", "-qA", "--cached-only"];
      const command = [Deno.execPath(), ...run, "server.ts", ...HERE];
      await using console = await Pty.run(command);
      const [, port] = await console.until(/Listening on port (\d+)[^]*> $/);
      await using alice = await Pty.run(
        [Deno.execPath(), ...run, "client.ts", "alice", `127.0.0.1:${port}`],
        { size: { rows: cols, cols } },
      );
      const line = "漢字 and 👨‍👩‍👧 and text";
      using bob = await RawClient.enter(Number(port), "bob", "#default");
      await bob.next("NOTICE joined");

      await console.resize({ rows: cols, cols });
      alice.type(`${line}\t\x1b[A\x1b[B`);
      console.type("users\tx\x7f\r");
      await alice.until(/t/);
      alice.type("\r");
      assertMatch(await bob.next("FORWARD"), new RegExp(`\n\n${line}`));
      await console.resize({ rows: 24, cols: 80 });
      await console.until(/2[^]*users[^]*:/);

      alice.type("/quit\r");
      assertEquals(await alice.exitCode(), 0);
      console.type("stop\r");
      assertEquals(await console.exitCode(), 0);
    },
  );
}

for (const plain of [[], ["--plain"]]) {
  const how = plain.length > 0 ? " --plain" : "";
  ptyTest(
    `a terminal that goes away within a character ends a client${how}`,
    async () => {
      await using server = quietServer();
      using bob = await RawClient.enter(server.port, "bob", "#default");
      const address = `127.0.0.1:${server.port}`;
      const client = ["run", "-qA", "--cached-only", "client.ts", "alice"];
      await using alice = await Pty.run(
        [Deno.execPath(), ...client, address, ...plain],
      );
      await alice.until(/you joined #default/);
      await bob.next("NOTICE joined");

      alice.type(new Uint8Array([0x78, 0xe4, 0xbd])); // two thirds of 你
      alice.hangUp();

      // By the signal, the end of its input, or what it cannot write any more.
      await alice.exitCode();
      assertMatch(await bob.frame(), /^NOTICE offline[^]*alice/);
    },
  );
}

ptyTest(
  "a console that goes away within a character leaves the server as it was",
  async () => {
    const run = ["run", "-qA", "--cached-only", "server.ts", ...HERE];
    await using console = await Pty.run([Deno.execPath(), ...run]);
    const [, port] = await console.until(/Listening on port (\d+)[^]*> $/);
    using alice = await RawClient.enter(Number(port), "alice");

    console.type(new Uint8Array([0x78, 0xf0, 0x9f]));
    console.hangUp();

    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
    using bob = await RawClient.enter(Number(port), "bob");
    console.kill("SIGTERM");
    assertEquals(await bob.rest(), "NOTICE closing\nRetry-after: 5\n\n");
    assertEquals(await console.exitCode(), 0);
  },
);

ptyTest(
  "half characters and marks of pastes arrive whole, in whatever reads",
  async () => {
    await using server = quietServer();
    using bob = await RawClient.enter(server.port, "bob", "#default");
    const address = `127.0.0.1:${server.port}`;
    const client = ["run", "-qA", "--cached-only", "client.ts", "alice"];
    await using alice = await Pty.run([Deno.execPath(), ...client, address]);
    // deno-lint-ignore no-control-regex -- it asks for the marks
    await alice.until(/\x1b\[\?2004h/);
    await alice.until(/you joined #default/);

    for (const cut of [1, 2, 3]) {
      await alice.typeCut("héllo 你 👍", cut);
      alice.type("\r");
      assertMatch(await bob.next("FORWARD"), /\n\nhéllo 你 👍$/);
    }
    alice.type("\x1b[200~one\r");
    alice.type("two 漢\x1b[20");
    alice.type("1~\r");

    assertMatch(await bob.next("FORWARD"), /\n\none\ntwo 漢$/);
    await alice.until(/alice: one\r\n {2}\| two 漢\r\n/);
    assertFalse(alice.text.includes("\ufffd"));
  },
);

for (const term of [{}, { TERM: "" }, { TERM: "dumb" }]) {
  ptyTest(
    `a terminal without a type is not drawn on: ${JSON.stringify(term)}`,
    async () => {
      await using server = quietServer();
      const path = Deno.env.get("PATH")!;
      await using alice = await Pty.run(
        [
          ...[Deno.execPath(), "run", "-qA", "--cached-only"],
          ...["client.ts", "alice", `127.0.0.1:${server.port}`],
        ],
        { env: { PATH: path, ...denoCache(), ...term }, clearEnv: true },
      );
      await alice.until(/you joined #default/);

      alice.type("/quit\n");
      await alice.rest();

      assertEquals(await alice.exitCode(), 0);
      assertFalse(alice.text.includes("\x1b"), JSON.stringify(alice.text));
    },
  );
}

for (const TZ of ["Invalid/Zone", ":", "", "\ufffd"]) {
  ptyTest(
    `a clock whose zone is ${
      JSON.stringify(TZ)
    } shows some time, and the chat goes on`,
    async () => {
      const run = [Deno.execPath(), "run", "-qA", "--cached-only"];
      const env = { TERM: "xterm-256color", TZ, NO_COLOR: "1" };
      await using console = await Pty.run([...run, "server.ts", ...HERE], {
        env,
      });
      const [, port] = await console.until(/Listening on port (\d+)/);
      await using alice = await Pty.run(
        [...run, "client.ts", "alice", `127.0.0.1:${port}`],
        { env },
      );

      await alice.until(/\d\d:\d\d \* you joined #default/);
      await console.until(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d alice registered/);
      alice.type("hello\r");
      await alice.until(/\d\d:\d\d alice: hello/);
    },
  );
}
