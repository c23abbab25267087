/** A private room whose members are on several servers. */
import { assertEquals, assertMatch } from "@std/assert";
import { bodyOf, signedUp } from "../../tools/account_tools.ts";
import type { RawClient } from "../../tools/net/raw_client.ts";
import { Process } from "../../tools/server_process.ts";
import { natsTest } from "../nats_servers.ts";

/** Asks again until the server has heard what another one has done. */
async function until(
  client: RawClient,
  request: string,
  answer: string,
): Promise<string> {
  for (;;) {
    await client.send(`${request}\n\nPING\n\n`);
    let found = "";
    for (;;) {
      const frame = await client.frame();
      if (frame === "PONG\n\n") break;
      if (frame.startsWith(answer)) found = frame;
    }
    if (found !== "") return found;
  }
}

natsTest(
  "members of a private room are on two servers, and a user of a third knows nothing of it",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const servers = [0, 1, 2].map((n) =>
      scope.use(
        new Process([
          ...["--port", "0", "--host", "127.0.0.1", "--db", ":memory:"],
          ...["--nats", nats.from(n).join(), "--server-name", `s${n}`],
        ]),
      )
    );
    const ports = await Promise.all(servers.map((server) => server.port()));
    const alice = scope.use(await signedUp(ports[0]!, "alice"));
    const bob = scope.use(await signedUp(ports[1]!, "bob"));
    const carol = scope.use(await signedUp(ports[2]!, "carol"));

    await alice.send("JOIN #group\nPrivate: yes\n\n");
    const made = await alice.next("JOINED");
    const room = /#group\.\w{4}/.exec(made)![0];
    const invite = `INVITE bob\nRoom: ${room}`;
    await until(alice, invite, "INVITED bob\n");
    assertEquals(
      await bob.next("NOTICE invited"),
      `NOTICE invited\nRoom: ${room}\nUser: bob\nBy: alice\n\n`,
    );
    await bob.send(`JOIN ${room}\n\n`);
    assertMatch(await bob.next("JOINED"), /\nPrivate: yes\nOwner: alice\n/);
    await alice.next("NOTICE joined");
    await bob.say(room, "hello");
    await alice.next("FORWARD bob");

    // The user of the third server is answered as for a room that is not there.
    await until(carol, "WHO ALL", "WHO"); // her server is up to date with hers
    for (const verb of ["JOIN", "WHO", "HISTORY", "LEAVE"]) {
      const answers: string[] = [];
      for (const name of [room, "#group.zzzz"]) {
        await carol.send(`${verb} ${name}\n\n`);
        const answer = await carol.next("ERROR 109");
        answers.push(answer.replaceAll(name, "#ROOM"));
      }
      assertEquals(answers[0], answers[1]);
    }
    await carol.send("ROOMS\n\n");
    assertEquals(bodyOf(await carol.next("ROOMS")), "#default 0\n");

    // Taken out on one server, bob gets nothing more on the other.
    await alice.send(`SET ${room}\nRemove: bob\n\n`);
    await alice.next("CHANGED");
    await bob.next("NOTICE removed");
    await alice.say(room, "without bob");
    await alice.next("SENT");
    await bob.send(`HISTORY ${room}\n\n`);
    assertMatch(await bob.frame(), /^ERROR 109 /);

    // The owner may be on another server than the one that made the room.
    await until(alice, invite, "INVITED bob\n");
    await bob.next("NOTICE invited");
    await alice.send(`SET ${room}\nOwner: bob\n\n`);
    await bob.next("NOTICE owner");
    await bob.send(`SET ${room}\nClosed: yes\n\n`);
    assertEquals(
      await alice.next("NOTICE closed"),
      `NOTICE closed\nRoom: ${room}\nBy: bob\n\n`,
    );
    await alice.send(`HISTORY ${room}\n\n`);
    assertMatch(await alice.next("ERROR"), /^ERROR 109 /);
  },
);
