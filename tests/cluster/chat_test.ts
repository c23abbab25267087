/** Three servers of Parley are one chat. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { RawClient } from "../tools/net/raw_client.ts";
import { Process } from "../tools/server_process.ts";
import { type NatsServers, natsTest } from "./nats_servers.ts";

/** A server of Parley that uses the server of NATS of that number first. */
function start(
  nats: NatsServers,
  server: number,
  ...more: readonly string[]
): Process {
  return new Process([
    ...["--port", "0", "--host", "127.0.0.1", "--db", ":memory:"],
    ...["--nats", nats.from(server).join(), "--server-name", `s${server}`],
    ...more,
  ]);
}

/** The value of a header of a frame. */
function valueOf(frame: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1] ?? "";
}

natsTest(
  "users of three servers are in one chat, and one that dies frees its names",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const servers = [0, 1, 2].map((n) => scope.use(start(nats, n)));
    const ports = await Promise.all(servers.map((server) => server.port()));
    const alice = scope.use(await RawClient.connect(ports[0]!));
    const bob = scope.use(await RawClient.connect(ports[1]!));

    await alice.send("REGISTER alice\n\n");
    await alice.next("REGISTERED");
    await bob.comeIn("bob", "#one");
    await alice.send("JOIN #one\n\n");
    await alice.next("JOINED");
    await bob.next("NOTICE joined");

    // A message, its id, and the history are the same everywhere.
    await alice.send("SEND #one\nKey: k1\nContent-length: 5\n\nhello");
    const sent = await alice.next("SENT");
    const forward = await bob.next("FORWARD");
    assertEquals(valueOf(forward, "Id"), valueOf(sent, "Id"));
    assertEquals(valueOf(sent, "Recipients"), "1");

    // A name is that of one user, and what looks like it, too.
    const other = scope.use(await RawClient.connect(ports[2]!));
    await other.send("REGISTER alice\n\n");
    assertMatch(await other.next("ERROR"), /^ERROR 104/);
    const classic = scope.use(await RawClient.connect(ports[2]!));
    await classic.send("REGISTER TOSEND a1ice\n\n");
    assertMatch(await classic.next("ERROR"), /^ERROR 100/);

    // The server of a user dies: the others are told, and the name is free.
    servers[0]!.kill("SIGKILL");
    await bob.next("NOTICE offline");
    await other.send("REGISTER alice\n\n");
    await other.next("REGISTERED");
    await other.send("HISTORY #one\n\n");
    assertEquals(
      valueOf(await other.next("FORWARD"), "Id"),
      valueOf(sent, "Id"),
    );

    await servers[1]!.type("cluster\n");
    const [shown] = await servers[1]!.out.until(
      /s1 \(this server\)[^]*Hash.*\n/,
    );
    assertMatch(shown, /s2 +at \d+ +up to date +heard/);
    assertMatch(shown, /NATS 2\.\d+\.\d+: the log ends at \d+; leader n\d/);
  },
);

natsTest(
  "a server that cannot follow the log stops in words, with its own exit code",
  async (nats) => {
    await using server = start(nats, 0, "--cluster", "other");
    await server.port();
    const { connectNats } = await import("../../server/cluster/nats.ts");
    await using connection = await connectNats({
      ...{ servers: nats.addresses, name: "test", log: () => {} },
    });
    const newer = new TextEncoder().encode("PRLY\u007f....and more");
    await connection.js.publish("other.log.x", newer);

    assertEquals(await server.exitCode(), 3);
    assert(/update this server/.test(server.err.text), server.err.text);
    assert(/Shutting down/.test(server.out.text));
  },
);
