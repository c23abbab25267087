/**
 * The programs of examples/ as people run them, each with the big one of the
 * other side.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { ClientProcess, quietServer } from "../tools/client_tools.ts";
import { Process } from "../tools/server_process.ts";
import { needs } from "../tools/system/skips.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The small server, and the port it listens on. */
async function smallServer() {
  const script = `${root}examples/server.ts`;
  const server = new Process(["--port", "0"], { script });
  const [, port] = await server.out.until(/^Listening on port (\d+)\./m);
  return Object.assign(server, { at: Number(port) });
}

/** The small client, which has joined #default. */
async function smallClient(name: string, port: number): Promise<ClientProcess> {
  const client = new ClientProcess(
    [name, "127.0.0.1", "--port", `${port}`],
    {},
    { script: "examples/client.ts", permissions: ["--allow-net"] },
  );
  await client.until("joined #default");
  return client;
}

/** The client of this project, which has joined #default. */
async function bigClient(name: string, port: number): Promise<ClientProcess> {
  const client = new ClientProcess([name, `127.0.0.1:${port}`, "--plain"]);
  await client.until("you joined #default");
  return client;
}

Deno.test("the client chats on the small server, in rooms, privately and with all", async () => {
  await using server = await smallServer();
  await using alice = await bigClient("alice", server.at);
  await using bob = await bigClient("bob", server.at);
  await alice.until("bob joined #default");

  await bob.type("hello\n@alice: psst\n@ALL: everybody\n/join lab\n/rooms\n");
  await alice.until("bob -> ALL: everybody");
  await bob.until("you joined #lab");
  await bob.type("/who #default\n/leave\n/history\n/quit\n");
  const { code, err } = await bob.end();
  await alice.until("bob went offline");

  assertEquals([code, err], [0, ""]);
  assert(alice.out.includes("#default bob: hello"), alice.out);
  assertMatch(alice.out, /bob -> you: psst/);
  assertMatch(bob.out, /lab <1>[^]*In #default: 2/);
});

Deno.test("a pipe of many lines arrives through the small server, in order", async () => {
  await using server = await smallServer();
  await using alice = await smallClient("alice", server.at);
  const lines = Array.from({ length: 2_000 }, (_, i) => `line ${i}`);
  const bob = new ClientProcess(["bob", `127.0.0.1:${server.at}`]);

  await bob.type(lines.join("\n"));
  const { code, err } = await bob.end();
  await alice.until("offline #default bob");

  assertEquals([code, err], [0, ""]);
  assertEquals(
    alice.out.match(/(?<=^#default bob: ).*/gm),
    lines,
  );
});

Deno.test("the small client chats on the server, and both clients see the same", async () => {
  await using server = quietServer();
  await using alice = await smallClient("alice", server.port);
  await using bob = await bigClient("bob", server.port);
  await alice.until("joined #default bob");

  await alice.type("hello\n@bob psst\n@ALL everybody\n/WHO #default\n");
  await bob.until("alice -> ALL: everybody");
  await alice.until("bob 127.0.0.1");
  await bob.type("hi \x1b[31m there\n");
  await alice.until("#default bob: hi ");
  const { code, err } = await alice.end();
  await bob.until("alice went offline");

  assertEquals([code, err], [0, ""]);
  assertMatch(bob.out, /#default alice: hello\n[^]*alice -> you: psst\n/);
  assert(
    !alice.out.includes("\x1b"),
    "what a terminal obeys is shown as a mark",
  );
});

Deno.test(
  needs("signals between programs", {
    name: "Ctrl-C of the small client is a goodbye, and that of the server too",
    fn: async () => {
      await using server = await smallServer();
      await using alice = await smallClient("alice", server.at);
      await using bob = await smallClient("bob", server.at);

      bob.kill("SIGINT");
      await alice.until("* offline #default bob 1 logged out");
      await alice.type("still here\n/ROOMS\n");
      await alice.until("* #default 1");
      const code = await server.stop("SIGINT");
      await alice.until("* closing");
      const end = await alice.end();

      assertEquals([code, end.code], [0, 1]);
    },
  }),
);

Deno.test("a client that is killed frees its name, and harms nobody", async () => {
  await using server = await smallServer();
  await using alice = await smallClient("alice", server.at);
  await using bob = await smallClient("bob", server.at);

  bob.kill("SIGKILL");
  await alice.until("* offline #default bob");
  await using again = await smallClient("b0b", server.at);
  await again.type("back\n");
  await alice.until("#default b0b: back");
});

Deno.test("the small client says why the server refuses its name", async () => {
  await using server = await smallServer();
  await using _alice = await smallClient("alice", server.at);
  const other = new ClientProcess(
    ["a1ice", "127.0.0.1", "--port", `${server.at}`],
    {},
    { script: "examples/client.ts", permissions: ["--allow-net"] },
  );

  const { code, out } = await other.end();

  assertEquals(code, 1);
  assertMatch(out, /^! .*in use\n$/);
});
