/** A server that is started before NATS can serve it waits, and says for what. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  encodeEnvelope,
  encodeItem,
} from "../../../server/cluster/log/codec.ts";
import { joinCluster } from "../../../server/join.ts";
import { DEFAULT_KEEP } from "../../../server/limits/rates.ts";
import { startServer } from "../../../server/start.ts";
import { openStorage } from "../../../server/storage.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { HERE, Process } from "../../tools/server_process.ts";
import { NatsServers, natsTest, needsNats } from "../nats_servers.ts";

function start(nats: NatsServers, name: string): Process {
  return new Process([
    ...[...HERE, "--server-name", name],
    ...["--nats", nats.addresses.join()],
  ]);
}

Deno.test(needsNats({
  name:
    "the first start waits for the third server of NATS, and at last says that it lacks",
  async fn() {
    await using nats = new NatsServers(() => "", 2);
    nats.run(0);
    nats.run(1);
    await using patient = start(nats, "a");
    await patient.out.until(/Waiting for all servers of NATS.*has not 3 ser/);
    assertEquals(await patient.exitCode(), 2);
    assertStringIncludes(patient.err.text, "NATS has not 3 servers");
    assertEquals(patient.out.text.match(/Waiting for all/g)?.length, 1);

    await using server = start(nats, "a");
    await server.out.until(/Waiting for all servers of NATS/);
    nats.run(2);
    using alice = await RawClient.enter(await server.port(), "alice", "#one");
    await alice.send("SEND #one\nContent-length: 5\n\nhello");
    await alice.next("SENT");
  },
}));

natsTest(
  "a start without most servers of NATS says so, waits for them, and can be stopped",
  async (nats) => {
    {
      await using first = start(nats, "a"); // it makes the stream
      await first.port();
      await first.stop("SIGINT");
    }
    await nats.kill(1);
    await nats.kill(2);
    // The second, if the leader of the log has not noticed yet.
    const words = /JetStream has no leader|most servers.*This server waits for/;
    await using stopped = start(nats, "a");
    await stopped.out.until(words);
    const began = performance.now();
    assertEquals(await stopped.stop("SIGTERM"), 2);
    assert(performance.now() - began < 5_000);

    await using server = start(nats, "a");
    await server.out.until(words);
    nats.run(1);
    using alice = await RawClient.enter(await server.port(), "alice", "#one");
    await alice.send("SEND #one\nContent-length: 5\n\nhello");
    await alice.next("SENT");
  },
);

natsTest(
  "a server starts also if NATS stores only now what its last start has sent",
  async (nats) => {
    const log = () => {};
    await using cluster = await joinCluster({
      ...{ servers: nats.addresses, cluster: "parley", server: "a", log },
      ...{ db: ":memory:", keep: DEFAULT_KEEP, renew: false },
      signal: new AbortController().signal,
    });
    const own = cluster.nats.append.bind(cluster.nats);
    let late: Promise<unknown> | undefined;
    cluster.nats.append = async (subject, bytes, options) => {
      const up = { kind: "up", entry: { after: null, claims: [] } };
      const head = { server: "a", epoch: "before", counter: 1 };
      const sent = encodeEnvelope(head, [encodeItem(up)]);
      await (late ??= own(subject, sent, { ...options, id: "before.1" }));
      return await own(subject, bytes, options);
    };
    const storage = openStorage({ db: ":memory:", log, shared: cluster });
    await using server = startServer({ storage, cluster, log });

    await server.ready;
    assertEquals(cluster.state().refused, 1); // its own first attempt
    assert(cluster.state().isOpen);
  },
);
