/** Direct sessions between two real clients and a real server. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { ClientProcess, quietServer } from "./client_tools.ts";

/** A client with nothing but lines, which listens on this computer alone. */
function client(name: string, port: number, ...more: string[]): ClientProcess {
  const host = ["--direct-host", "127.0.0.1"];
  return new ClientProcess(
    [name, `127.0.0.1:${port}`, "--plain", ...host, ...more],
  );
}

/** Alice has called, and bob accepted: the digits of both. */
async function connect(
  alice: ClientProcess,
  bob: ClientProcess,
): Promise<string[]> {
  await Promise.all([alice, bob].map((one) => one.until("you joined")));
  await alice.type("/call bob\n");
  await bob.until("alice calls you from 127.0.0.1:");
  await bob.type("/accept\n");
  await Promise.all([alice, bob].map((one) => one.until("Compare these")));
  return [alice, bob].map((one) =>
    /aloud: (\d{3} \d{3})\./.exec(one.out)?.[1] ?? ""
  );
}

Deno.test("two people talk directly, see the same digits, and hang up", async () => {
  await using server = quietServer();
  await using alice = client("alice", server.port);
  await using bob = client("bob", server.port);

  const [hers, his] = await connect(alice, bob);
  await alice.type("/direct hi bob\n");
  await bob.until("alice -> you (direct): hi bob");
  await bob.type("/direct\nhi alice\n");
  await alice.until("bob -> you (direct): hi alice");
  await bob.type("/hangup\n");
  await alice.until("bob has hung up");
  await bob.until("The direct session with alice is over");
  await bob.type("is anybody there?\n");
  await bob.until("Not said: the direct session with alice is over");

  assertMatch(hers!, /^\d{3} \d{3}$/);
  assertEquals(hers, his);
  const [a, b] = await Promise.all([alice.end(), bob.end()]);
  assertEquals([a.code, b.code], [0, 0]);
  assertStringIncludes(a.out, "you -> bob (direct): hi bob");
  assert(!a.out.includes("is anybody there"));
});
