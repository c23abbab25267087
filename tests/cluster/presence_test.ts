/** Who is where, over real servers of NATS of which one is killed. */
import { assertEquals } from "@std/assert";
import { connectNats, type Nats } from "../../server/cluster/nats.ts";
import { CLOCK } from "../../server/net/clock.ts";
import {
  assertOneChat,
  type Observer,
  TestServer,
} from "../server/cluster/presence_tools.ts";
import { within } from "../tools/net/within.ts";
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
    assertEquals(
      lines.filter((line) => !/^The connection to NATS/.test(line)),
      [],
    );
  },
);
