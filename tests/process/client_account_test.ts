/** The client with accounts, as a process and against servers that lie. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Access } from "../../client/chat/access.ts";
import type { Requester } from "../../core/net/connection.ts";
import { ConnectionError } from "../../core/net/connection_error.ts";
import { ChatError } from "../../protocol.ts";
import { begin, makeAccount } from "../tools/account_tools.ts";
import {
  ClientProcess,
  quietServer,
  recordingTerminal,
  runClient,
} from "../tools/client_tools.ts";
import { FaultProxy } from "../tools/net/fault_proxy.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { needs } from "../tools/system/skips.ts";

/** A file with `text`, which nobody else can read; gone with the scope. */
async function passwordFile(text: string | Uint8Array, mode = 0o600) {
  const path = await Deno.makeTempFile();
  const bytes = typeof text === "string"
    ? new TextEncoder().encode(text)
    : text;
  await Deno.writeFile(path, bytes);
  await Deno.chmod(path, mode);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

Deno.test("--signup and then --login come in with a password from a file", async () => {
  await using server = quietServer();
  await using file = await passwordFile("p\u00e4ss w\u00f6rd\n");
  using bob = await RawClient.enter(server.port, "bob", "#default");
  const where = ["alice", `127.0.0.1:${server.port}`];

  for (const way of ["--signup", "--login"]) {
    const args = [...where, way, "--password-file", file.path];
    const { code, err } = await runClient(args, `${way}\n`);

    assertEquals([code, err], [0, ""]);
    assertMatch(await bob.next("FORWARD alice"), new RegExp(`${way}$`));
  }
  const args = [...where, "--password-file", file.path];
  assertEquals((await runClient(args, "as a guest?\n")).code, 0);
  assertMatch(await bob.next("FORWARD alice"), /as a guest\?$/);
});

const TOO_EASY: readonly [why: string, text: string, told: RegExp][] = [
  ["too short", "secret", /^Cannot use .*: it has 6 characters, and needs at/],
  ["a common one", "Password1", /^Cannot use .*: many people use it, and/],
  ["the name", "alicealice", /^Cannot use .*: it is only your name\. Choose/],
];

for (const [why, text, told] of TOO_EASY) {
  Deno.test(`a password file for a new account whose password is ${why} is refused`, async () => {
    await using server = quietServer();
    await using file = await passwordFile(text);
    const where = ["alice", `127.0.0.1:${server.port}`];
    for (const more of [[], ["--plain"]]) {
      const args = [...where, "--signup", "--password-file", file.path];

      const { code, err } = await runClient([...args, ...more]);

      assertEquals(code, 2);
      assertMatch(err, told);
      assertEquals(err.includes(`(in ${file.path})`), true);
      assertEquals(err.includes(text), false);
    }
    assertEquals((await server.context.accounts.load()).all(), []);

    // A user who has an account signs in with any password.
    await makeAccount(server.port, "alice", text);
    const { code } = await runClient([
      ...[...where, "--login", "--password-file", file.path],
    ]);
    assertEquals(code, 0);
  });
}

Deno.test("a wrong password from a file ends with code 4, and is not shown", async () => {
  await using server = quietServer();
  await makeAccount(server.port, "alice");
  await using file = await passwordFile("secret");
  const args = ["alice", `127.0.0.1:${server.port}`, "--password-file"];

  const answers = [];
  for (const _try of [1, 2, 3]) {
    answers.push(await runClient([...args, file.path]));
  }

  assertEquals(answers.map(({ code }) => code), [4, 4, 4]);
  assertMatch(
    answers[0]!.err,
    /ERROR 111 Wrong password.*\n.*--password-file FILE/,
  );
  assertMatch(answers[2]!.err, /ERROR 112 Locked out[^]*\b15 minutes/);
  for (const { out, err } of answers) {
    assertEquals(`${out}${err}`.includes("secret"), false);
  }
});

Deno.test("wrong passwords of others do not end the client of the owner, nor lose what waits", async () => {
  await using server = quietServer();
  await using proxy = await FaultProxy.open({ target: server.port });
  await makeAccount(server.port, "dora", "secret");
  await using file = await passwordFile("secret");
  using bob = await RawClient.enter(server.port, "bob", "#default");
  const args = ["dora", `127.0.0.1:${proxy.port}`, "--password-file"];
  await using dora = new ClientProcess([...args, file.path]);
  await dora.type("before\n");
  assertMatch(await bob.next("FORWARD dora"), /before$/);

  for (const _try of [1, 2, 3]) {
    using wrong = await RawClient.connect(server.port);
    const { prove } = await begin(wrong, "dora", { password: "wrong" });
    assertMatch(await wrong.ask(prove), /^ERROR 11[12] /);
  }
  proxy.refuses = true;
  proxy.cutAll();
  await bob.next("NOTICE offline");
  await dora.type("my important message\n");
  proxy.refuses = false;

  assertMatch(await bob.next("FORWARD dora"), /my important message$/);
  assertEquals((await dora.end()).code, 0);
});

Deno.test("without a terminal, an account needs --password-file, and is told so", async () => {
  await using server = quietServer();
  await makeAccount(server.port, "alice");
  const address = `127.0.0.1:${server.port}`;

  const guest = await runClient(["alice", address], "x\n");
  assertEquals([guest.code, guest.out], [4, ""]);
  assertMatch(guest.err, /ERROR 110 [^]*--password-file FILE/);
  for (const way of ["--login", "--signup"]) {
    const { code, out, err } = await runClient(["alice", address, way], "x\n");
    assertEquals([code, out], [2, ""]);
    assertMatch(
      err,
      /not a terminal\nPut it into a file and add --password-file FILE/,
    );
  }
});

Deno.test("--signup of a name that is taken says how to log in", async () => {
  await using server = quietServer();
  await makeAccount(server.port, "alice");
  await using file = await passwordFile("secret words");
  const args = ["alice", `127.0.0.1:${server.port}`, "--signup"];

  const { code, err } = await runClient(
    [...args, "--password-file", file.path],
  );

  assertEquals(code, 4);
  assertMatch(err, /ERROR 113 .*\nAdd --login and --password-file FILE/);
});

Deno.test("--login of a name without an account says what to do instead", async () => {
  await using server = quietServer();
  await using file = await passwordFile("secret");
  const args = ["bob", `127.0.0.1:${server.port}`, "--login"];

  const { code, err } = await runClient(
    [...args, "--password-file", file.path],
  );

  assertEquals(
    [code, err],
    [
      4,
      "ERROR 121 No account: Cannot sign in: bob has no account\n" +
      "Add --signup to create the account, or leave out --login to join as a guest.\n",
    ],
  );
});

Deno.test("/signup without a terminal says why it cannot", async () => {
  await using server = quietServer();
  const address = `127.0.0.1:${server.port}`;
  await using client = new ClientProcess(["alice", address, "--plain"]);
  await client.type("/signup\n");

  const { out } = await client.end();

  assertMatch(out, /! Cannot ask for a password: the input is not a terminal/);
});

const SECRET = [...new TextEncoder().encode("secret")];

const UNUSABLE: readonly [
  why: string,
  text: string | Uint8Array,
  said: RegExp,
][] = [
  ["is empty", "", /it is empty/],
  ["has several lines", "secret\nsecret\n", /control characters/],
  ["has 1,026 characters", "secret".repeat(171), /1026 bytes.* is 1024/],
  [
    "has 10,000 characters",
    "secret".repeat(1_667),
    /: it has over 1,024 bytes\n$/,
  ],
  ["is no UTF-8", new Uint8Array([...SECRET, 0xff]), /: it is not UTF-8\n$/],
  ["ends within a character", new Uint8Array([...SECRET, 0xc3]), /not UTF-8/],
];

for (const [why, text, said] of UNUSABLE) {
  Deno.test(`a password file that ${why} is refused, and not shown`, async () => {
    await using file = await passwordFile(text);

    const { code, out, err } = await runClient(
      ["alice", "127.0.0.1:1", "--login", "--password-file", file.path],
    );

    assertEquals([code, out], [2, ""]);
    assertMatch(err, said);
    assertEquals(err.includes("secret"), false);
  });
}

Deno.test(
  needs("mode that says who may read a file", {
    name: "a password file that others can read, or that is none, is refused",
    fn: async () => {
      await using file = await passwordFile("secret", 0o644);
      await using pipe = await passwordFile("");
      await Deno.remove(pipe.path);
      const mkfifo = new Deno.Command("mkfifo", {
        args: ["-m", "644", pipe.path],
      });
      assertEquals((await mkfifo.output()).code, 0);
      // Both ends, so that nobody waits for the other one.
      using _ends = await Deno.open(pipe.path, { read: true, write: true });
      const told = async (path: string) => {
        const args = [
          "alice",
          "127.0.0.1:1",
          "--login",
          "--password-file",
          path,
        ];
        const { code, err } = await runClient(args);
        return [code, ...err.replaceAll(path, "FILE").split("\n").slice(0, -1)];
      };
      const what = "Cannot use the password file FILE";

      assertEquals(await told(file.path), [
        2,
        `${what}: other users can read it`,
        "Run: chmod 600 FILE",
      ]);
      assertEquals(await told(pipe.path), [
        2,
        `${what}: other users can read it`,
      ]);
      assertEquals(await told("/nowhere"), [
        2,
        `${what}: there is no such file`,
      ]);
      assertEquals(await told("/"), [2, `${what}: it is a folder`]);
      assertEquals(await told("/dev/null"), [2, `${what}: it is a device`]);
    },
  }),
);

Deno.test("a password file that is none ends a guest too, before it connects", async () => {
  await using server = quietServer();
  const args = ["al", `127.0.0.1:${server.port}`, "--password-file", "/nosuch"];

  const { code, err } = await runClient(args, "hello\n");

  assertEquals([code, err], [
    2,
    "Cannot use the password file /nosuch: there is no such file\n",
  ]);
});

Deno.test("--login and --signup together are a mistake", async () => {
  const { code, err } = await runClient(["a", "--login", "--signup"]);

  assertEquals([code, err], [
    2,
    "Cannot use --login with --signup: leave one of them out\n",
  ]);
});

/** A server that answers as `answers` say, verb by verb. */
function lying(answers: Record<string, string>): Requester {
  return {
    request: (verb, args = [], _headers, body = "") => {
      const [, nonce] = /r=(.*)$/.exec(`${body}`) ?? [];
      const text = answers[verb]!.replace("NONCE", `${nonce}x`);
      const encoded = new TextEncoder().encode(text);
      const answer = { verb, args, headers: [], body: encoded };
      return Promise.resolve({ ...answer, messages: [] });
    },
  };
}

const LIES: readonly [why: string, answers: Record<string, string>][] = [
  ["does not know the verifier", {
    LOGIN: "r=NONCE,s=c2FsdHNhbHRzYWx0c2FsdA==,i=600000",
    PROVE: `v=${"A".repeat(43)}=`,
  }],
  ["proves nothing at all", {
    LOGIN: "r=NONCE,s=c2FsdHNhbHRzYWx0c2FsdA==,i=600000",
    PROVE: "",
  }],
  ["wants to be hashed for, for hours", {
    LOGIN: "r=NONCE,s=c2FsdHNhbHRzYWx0c2FsdA==,i=999999999",
  }],
  ["wants a password that is easy to guess", {
    LOGIN: "r=NONCE,s=c2FsdHNhbHRzYWx0c2FsdA==,i=1",
  }],
  ["wants a password that is easier to guess than others", {
    LOGIN: "r=NONCE,s=c2FsdHNhbHRzYWx0c2FsdA==,i=599999",
  }],
  ["wants a hash that may be in a table", {
    LOGIN: "r=NONCE,s=AA==,i=600000",
  }],
  ["repeats another challenge", {
    LOGIN: "r=abcdefghijklmnop,s=c2FsdHNhbHRzYWx0c2FsdA==,i=600000",
  }],
];

for (const [why, answers] of LIES) {
  Deno.test(`a server that ${why} is refused`, async () => {
    await using file = await passwordFile("secret");
    const access = new Access({
      way: "login",
      passwordFile: file.path,
      terminal: undefined,
    });
    await access.prepare("alice");

    const failure = await assertRejects(
      () => access.signIn.register(lying(answers), "alice"),
      ConnectionError,
    );

    assertEquals(failure.kind, "protocol");
    assertEquals(failure.message.includes("secret"), false);
  });
}

/** A server that lets everybody in as `token`. */
function lettingIn(token: string): Requester {
  return {
    request: (_verb, args = []) =>
      Promise.resolve({
        verb: "REGISTERED",
        args,
        headers: [["token", token]],
        body: new Uint8Array(),
        messages: [],
      }),
  };
}

Deno.test("Access owns its account until a server lets it in without its token", async () => {
  await using file = await passwordFile("secret words");
  const access = new Access({
    way: "signup",
    passwordFile: file.path,
    terminal: undefined,
  });
  await access.prepare("alice");

  assertEquals(access.signIn.owned, false);
  await access.signIn.register(lettingIn("t1"), "alice");
  assertEquals(access.signIn.owned, true);
  await access.signIn.register(lettingIn("t1"), "alice", { Token: "t1" });
  assertEquals(access.signIn.owned, true);
  await access.signIn.register(lettingIn("t2"), "alice", { Token: "t1" });
  assertEquals(access.signIn.owned, false);
});

Deno.test("a client that does not know whether a SIGNUP was done can sign in with its password", async () => {
  const access = new Access({
    way: "guest",
    passwordFile: undefined,
    terminal: {
      ...recordingTerminal(() => {}),
      askSecret: () => Promise.resolve("secret words"),
    },
  });
  const signing = Promise.withResolvers<void>();
  const asked: string[] = [];
  const server: Requester = {
    request(verb) {
      asked.push(verb);
      if (verb !== "SIGNUP") {
        return Promise.reject(new ChatError(verb === "LOGIN" ? 119 : 110, ""));
      }
      signing.resolve();
      return new Promise(() => {}); // the connection is lost
    },
  };
  access.signUpHere(server, "alice").catch(() => {}); // it waits for ever
  await signing.promise;

  await assertRejects(
    () => access.signIn.register(server, "alice", { Token: "t" }),
    ChatError,
  );

  assertEquals(asked, ["SIGNUP", "REGISTER", "LOGIN"]);
});

Deno.test("a server that answers a login with 110 again and again is left", async () => {
  await using file = await passwordFile("secret");
  const access = new Access({
    way: "guest",
    passwordFile: file.path,
    terminal: undefined,
  });
  const owned = new ChatError(110, "alice has an account", {
    headers: { account: "alice" },
  });

  assertEquals(await access.overcome(owned), true);
  assertEquals(await access.prepare("alice"), true);
  assertEquals(await access.overcome(owned), false);
});
