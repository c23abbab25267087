/**
 * Every abnormal way to come and go leaves nothing behind: no name, no place in
 * a room, no timer, no open file. The server's own console is asked.
 */
import { assertEquals } from "@std/assert";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { deriveKeys, Login, verifierOf } from "../client/scram.ts";
import { bodyOf, request } from "./account_tools.ts";
import { RawClient, startTestServer } from "./raw_client.ts";
import { tempFolder } from "./temp.ts";
import { WatchedServer } from "./watched_server.ts";

const OWNER = "owner";
const SALT = "c2FsdHNhbHRzYWx0c2FsdA==";
const KEYS = await deriveKeys("pencil", SALT, 4_096);

/** Makes the account that logs in. */
async function makeOwner(port: number): Promise<void> {
  using client = await RawClient.connect(port);
  await client.ask(request(`SIGNUP ${OWNER}`, await verifierOf(KEYS)));
}

/** A socket that has sent `text`, and can be reset. */
async function sending(port: number, text: string): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  socket.on("error", () => {}); // the server may be quicker
  await once(socket, "connect");
  if (text !== "") {
    await new Promise<void>((resolve) => socket.write(text, () => resolve()));
  }
  return socket;
}

/** Sends, and is reset at once, whatever is on its way. */
async function resetAfter(port: number, text: string): Promise<void> {
  const socket = await sending(port, text);
  const closed = once(socket, "close");
  socket.resetAndDestroy();
  await closed;
}

/** Says LOGIN, and what proves it. */
async function prove(client: RawClient): Promise<void> {
  const login = new Login(OWNER);
  const answer = await client.ask(request(`LOGIN ${OWNER}`, login.first));
  const proof = await login.prove(bodyOf(answer), KEYS);
  await client.send(request(`PROVE ${OWNER}`, proof));
}

const SEND = "SEND #default\nContent-length: 5\n\nhello";

/** How somebody called `name` comes and goes. */
const WAYS: readonly [
  what: string,
  act: (port: number, name: string) => Promise<void>,
][] = [
  ["is reset after connecting", (port) => resetAfter(port, "")],
  [
    "is reset while registering",
    (port, name) => resetAfter(port, `REGISTER ${name}\n\n`),
  ],
  [
    "is reset while joining",
    (port, name) => resetAfter(port, `REGISTER ${name}\n\nJOIN #gone\n\n`),
  ],
  ["half-closes after a SEND", async (port, name) => {
    using client = await RawClient.connect(port);
    await client.send(`REGISTER ${name}\n\nJOIN #gone\n\n${SEND}`);
    await client.closeWrite();
    await client.rest();
  }],
  ["registers twice in one moment", async (port, name) => {
    using one = await RawClient.connect(port);
    using two = await RawClient.connect(port);
    await Promise.all(
      [one, two].map((client) =>
        client.send(`REGISTER ${name}\n\nJOIN #gone\n\n`)
      ),
    );
  }],
  ["closes while it proves who it is", async (port) => {
    using client = await RawClient.connect(port);
    await prove(client);
  }],
  [
    "is reset in the middle of a body",
    (port, name) =>
      resetAfter(
        port,
        `REGISTER ${name}\n\nJOIN #gone\n\n${SEND.slice(0, -2)}`,
      ),
  ],
  [
    "is half a classic user",
    (port, name) => resetAfter(port, `REGISTER TOSEND ${name}\n\n`),
  ],
  ["is a classic user that takes no message", async (port, name) => {
    using user = await RawClient.classic(port, name);
    await user.out.send(SEND.replace("#default", "ALL"));
  }],
];

for (const [what, act] of WAYS) {
  Deno.test(`nobody is left of one who ${what}, and no timer`, async () => {
    using folder = tempFolder();
    await using server = startTestServer({ db: `${folder.path}/chat.db` });
    await makeOwner(server.port);

    for (let i = 0; i < 10; i++) await act(server.port, `u${i}`);
    using observer = await RawClient.enter(server.port, "observer");
    while ((await observer.ask("WHO ALL\n\n")).split("\n").length > 5);

    assertEquals(
      (await server.console.run("users")).split("\n").length,
      2, // how many, and the observer
    );
    assertEquals(await server.console.run("rooms"), "  #default  0");
    checkOrderOfComingAndGoing(server.log);
  });
}

/** Whoever the log says left a room, it has said before to have joined it. */
function checkOrderOfComingAndGoing(log: readonly string[]): void {
  const inside = new Set<string>();
  for (const line of log) {
    const [, who, deed, room] =
      /^(\w+) (joined|left) room (\[\w+\])/.exec(line) ?? [];
    const place = `${who} ${room}`;
    if (deed === "joined") inside.add(place);
    if (deed === "left") assertEquals(inside.delete(place), true, line);
  }
  assertEquals([...inside], []);
}

Deno.test("who is reset before the server looks keeps nobody else waiting", async () => {
  await using server = await WatchedServer.start(["--db", ":memory:"]);

  Deno.kill(server.pid, "SIGSTOP");
  for (let i = 0; i < 50; i++) await resetAfter(server.port, "");
  Deno.kill(server.pid, "SIGCONT");
  using client = await RawClient.enter(server.port, "alice");

  assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
  assertEquals(server.errors, "");
});

Deno.test("nobody is left of ten thousand who come and go abnormally, and no open file", async () => {
  using folder = tempFolder();
  await using server = await WatchedServer.start([
    "--no-limits",
    ...["--db", `${folder.path}/chat.db`],
  ]);
  await makeOwner(server.port);
  await server.untilNobodyIsHere();
  const files = await server.openFiles();
  let next = 0;

  await Promise.all(Array.from({ length: 50 }, async () => {
    while (next < 10_000) {
      const i = next++;
      const [what, act] = WAYS[i % WAYS.length]!;
      await act(server.port, `u${i}`).catch((cause) => {
        throw new Error(`Number ${i}, who ${what}`, { cause });
      });
    }
  }));
  await server.untilNobodyIsHere();
  while (await server.openFiles() > files) await server.ask("rooms");

  assertEquals(await server.ask("rooms"), ["  #default  0"]);
  const code = await server.stop();
  assertEquals([code, server.errors], [0, ""]);
});
