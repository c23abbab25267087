/** Servers know each other's users, over real servers of NATS, one of them killed. */
import { assertEquals, assertMatch } from "@std/assert";
import { connectNats, type Nats } from "../../server/cluster/nats.ts";
import { CLOCK } from "../../server/net/clock.ts";
import {
  assertOneChat,
  type Observer,
  TestServer,
} from "../server/cluster/presence_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { within } from "../tools/net/within.ts";
import { Process } from "../tools/server_process.ts";
import { natsTest } from "./nats_servers.ts";

/** Resolves when all servers see the users of all in the room. */
async function untilEqual(
  servers: readonly TestServer<Nats>[],
  room: string,
): Promise<void> {
  const differ = () => {
    const users = servers.flatMap(({ hub }) =>
      [...hub.roomNamed(room)?.members ?? []].map(({ name }) => name)
    );
    const all = users.sort().join(" ");
    return servers.filter((one) => one.namesIn(room).join(" ") !== all);
  };
  const waiting = (async () => {
    while (differ().length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const names = () => differ().map(({ name }) => name).join(" and ");
  await within(waiting, () => `all users of ${room} on ${names()}`);
}

natsTest(
  "three servers of a chat see the same users, also when one of NATS is killed",
  async (nats) => {
    await using stack = new AsyncDisposableStack();
    const servers: TestServer<Nats>[] = [];
    const lines: string[] = []; // what an observer throws, too
    const log = (line: string) => void lines.push(line);
    for (let i = 0; i < 3; i++) {
      const bus = stack.use(
        await connectNats({ servers: nats.from(i), name: `s${i}`, log }),
      );
      const server = new TestServer(`s${i}`, 1, { bus, clock: CLOCK });
      servers.push(stack.use(server));
    }
    const [first, second, third] = servers as [
      TestServer<Nats>,
      TestServer<Nats>,
      TestServer<Nats>,
    ]; // as many as were pushed
    const enter = (server: TestServer<Nats>, from: number): Observer[] =>
      Array.from(
        { length: 20 },
        (_, i) => server.enter(`user${from + i}`, "#r"),
      );

    const users = enter(first, 0);
    enter(second, 20);
    enter(third, 40);
    await untilEqual(servers, "#r");
    await nats.kill(0); // to which the first server is connected
    enter(first, 60);
    enter(second, 80);
    for (const { user } of users) first.hub.exit(user, "logged out");
    await untilEqual(servers, "#r");

    assertOneChat(servers);
    assertEquals(servers.flatMap(({ log }) => log), []);
    const expected = /^(The connection to|Waiting for) NATS/;
    assertEquals(lines.filter((line) => !expected.test(line)), []);
  },
);

natsTest(
  "no user is told of a user who moves to another server, dead or alive",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const servers = [0, 1].map((n) =>
      scope.use(
        new Process([
          ...["--port", "0", "--host", "127.0.0.1", "--db", ":memory:"],
          ...["--nats", nats.from(n).join(), "--server-name", `s${n}`],
        ]),
      )
    );
    const [zero, one] = await Promise.all(
      servers.map((server) => server.port()),
    );
    using bob = await RawClient.enter(one!, "bob", "#one");
    using carol = await RawClient.enter(zero!, "carol", "#one");
    using first = await RawClient.connect(zero!);
    const token = /^Token: (.*)$/m.exec(await first.ask("REGISTER alice\n\n"))
      ?.[1];
    await first.send("JOIN #one\n\n");
    for (const watcher of [bob, carol]) {
      await watcher.next(
        `NOTICE joined\nRoom: #one\nUser: alice`,
      );
    }

    const moved = await RawClient.connect(one!);
    await moved.send(`REGISTER alice\nToken: ${token}\n\n`);
    assertMatch(await moved.frame(), /^REGISTERED alice\n/);
    await moved.send("JOIN #one\n\n");
    const joined = await moved.next("JOINED");
    await first.next("ERROR 117");
    using back = await RawClient.connect(zero!);
    await back.send(`REGISTER alice\nToken: ${token}\n\n`);
    assertMatch(await back.frame(), /^REGISTERED alice\n/);
    await back.send("JOIN #one\n\n");
    await back.next("JOINED");
    moved.close();
    using _dave = await RawClient.enter(one!, "dave", "#one");

    assertMatch(joined, /^JOINED #one\nMembers: 3\n/);
    for (const watcher of [bob, carol]) {
      assertEquals(await untilJoined(watcher, "dave"), []);
    }
  },
);

/** What `watcher` is told of users before `name` has joined #one. */
async function untilJoined(
  watcher: RawClient,
  name: string,
): Promise<string[]> {
  const joined = `NOTICE joined\nRoom: #one\nUser: ${name}\n`;
  for (const told: string[] = [];;) {
    const frame = await watcher.frame();
    if (frame.startsWith(joined)) return told;
    // Of the other server it is told whenever the servers get to know each other.
    if (!frame.startsWith("NOTICE set\n")) told.push(frame);
  }
}
