/**
 * Every abnormal way to come and go leaves nothing behind: no name, no place in
 * a room, no timer, no open file. The server's own console is asked.
 */
import { assertEquals } from "@std/assert";
import { makeOwner, resetAfter, WAYS } from "./abnormal.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";
import { WatchedServer } from "../../tools/watched_server.ts";
import { needs } from "../../tools/system/skips.ts";

for (const [what, act] of WAYS) {
  Deno.test(`nothing is left of a client that ${what}, not even a timer`, async () => {
    using folder = tempFolder();
    await using server = startTestServer({ db: `${folder.path}/chat.db` });
    await makeOwner(server.port);

    for (let i = 0; i < 10; i++) await act(server.port, `u${i}`);
    using _observer = await RawClient.enter(server.port, "observer");
    await server.onlyConnected(1);

    assertEquals(
      (await server.console.run("users")).split("\n").length,
      2, // how many, and the observer
    );
    assertEquals(await server.console.run("rooms"), "  #default  0");
    checkOrderOfComingAndGoing(server.log);
  });
}

/** Each user that leaves a room in the log has joined it there before. */
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

Deno.test(needs("signals between programs", {
  name: "a connection that is reset before it is accepted delays no other",
  fn: async () => {
    await using server = await WatchedServer.start(["--db", ":memory:"]);

    Deno.kill(server.pid, "SIGSTOP");
    for (let i = 0; i < 50; i++) await resetAfter(server.port, "");
    Deno.kill(server.pid, "SIGCONT");
    using client = await RawClient.enter(server.port, "alice");

    assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
    assertEquals(server.errors, "");
  },
}));

Deno.test(needs("/proc", {
  name:
    "nothing is left of ten thousand abnormal connections, not even an open file",
  fn: async () => {
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
  },
}));
