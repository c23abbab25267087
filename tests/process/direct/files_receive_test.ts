/** `--receive` ends when what it was started for will not arrive. */
import { assert, assertEquals } from "@std/assert";
import { ClientProcess, quietServer } from "../../tools/client_tools.ts";
import { snapshot, writeFiles } from "../../tools/file_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { Relay } from "../../tools/net/relay.ts";
import { tempFolder } from "../../tools/temp.ts";

/** A client that speaks directly on this computer alone. */
function client(name: string, port: number, ...more: string[]): ClientProcess {
  const host = ["--direct-host", "127.0.0.1"];
  return new ClientProcess([name, `127.0.0.1:${port}`, ...host, ...more]);
}

const CALL = `Session: ${"0123456789abcdef".repeat(2)}\n` +
  `Address: 127.0.0.1:9\nCommit: ${"a".repeat(64)}\n` +
  "Purpose: file\nName: notes.pdf\nSize: 5\n\n";

Deno.test("--receive ends with 1 when there is no room for what is offered", async () => {
  using from = tempFolder();
  using to = tempFolder();
  {
    using big = await Deno.create(`${from.path}/big`);
    await big.truncate(2 ** 43); // sparse: 8.8 TB
  }
  await using server = quietServer();
  const where = ["--receive", "--downloads", to.path];
  await using bob = client("bob", server.port, ...where);
  await bob.untilError("Waiting for files");
  const send = ["--send", "bob", `${from.path}/big`];
  await using alice = client("alice", server.port, ...send);

  const [a, b] = await Promise.all([alice.end(), bob.end()]);

  assertEquals([a.code, b.code, b.out], [1, 1, ""]);
  assert(b.err.includes(`! Cannot accept big: it needs 8.8 TB, and `), b.err);
  assert(b.err.endsWith("! Nothing was received\n"), b.err);
  assert(a.err.includes("! big to bob: bob had no room for it"), a.err);
});

Deno.test("--receive ends with 1 when the server has changed the offer", async () => {
  using folder = tempFolder();
  writeFiles(folder.path, { "notes.txt": 19 });
  await using server = quietServer();
  await using relay = new Relay(
    server.port,
    (text) => text.replace("Size: 19\n", "Size: 20\n"),
  );
  const where = ["--receive", "--downloads", `${folder.path}/to`];
  await using bob = client("bob", relay.port, ...where);
  await bob.untilError("Waiting for files");
  const send = ["--send", "bob", `${folder.path}/notes.txt`];
  await using alice = client("alice", server.port, ...send);

  const [a, b] = await Promise.all([alice.end(), bob.end()]);

  assertEquals([a.code, b.code, b.out], [1, 1, ""]);
  assert(b.err.includes("the server changed it, and the offer is"), b.err);
  assert(b.err.endsWith("! Nothing was received\n"), b.err);
});

Deno.test("--receive ends with 1 when the offer is withdrawn before it arrives", async () => {
  await using server = quietServer();
  using alice = await RawClient.enter(server.port, "alice");
  await using bob = client("bob", server.port, "--receive");
  await bob.untilError("Waiting for files");

  await alice.send(`CALL bob\n${CALL}`);
  const accepted = await alice.next("ACCEPT bob");
  const session = headerOf(accepted, "Session");
  await alice.send(
    `DECLINE bob\nSession: ${session}\nReason: cancelled by the caller\n\n`,
  );
  const { code, err } = await bob.end();

  assertEquals(code, 1);
  assert(
    err.includes("alice ended the offer: cancelled by the caller"),
    err,
  );
  assert(err.endsWith("! Nothing was received\n"), err);
});

Deno.test("--receive goes on after a call that it does not accept", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 7 });
  await using server = quietServer();
  using carol = await RawClient.enter(server.port, "carol");
  const where = ["--receive", "--from", "alice", "--downloads", to.path];
  await using bob = client("bob", server.port, ...where);
  await bob.untilError("Waiting for files");

  await carol.send(`CALL bob\n${CALL}`);
  await carol.next("DECLINE bob");
  const send = ["--send", "bob", `${from.path}/a`];
  await using alice = client("alice", server.port, ...send);
  const [a, b] = await Promise.all([alice.end(), bob.end()]);

  assertEquals([a.code, b.code], [0, 0]);
  assertEquals(snapshot(to.path), snapshot(from.path));
});
