/** What NATS can have that is not as it must be: it is told, and corrupts nothing. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { StreamConfig } from "@nats-io/jetstream";
import {
  decodeEnvelope,
  encodeEnvelope,
  encodeItem,
  LOG_VERSION,
} from "../../server/cluster/log/codec.ts";
import { connectNats, type Nats } from "../../server/cluster/nats.ts";
import { openLog } from "../../server/cluster/log/open_log.ts";
import type { ReplicatedLog } from "../../server/cluster/log/replicated_log.ts";
import type { ClusterError } from "../../server/cluster/cluster_error.ts";
import { Database } from "../../server/journal/database.ts";
import { StartError } from "../../server/journal/start_error.ts";
import { within } from "../tools/net/within.ts";
import { type Manager, NatsServers, natsTest } from "./nats_servers.ts";

const STREAM = "PARLEY_test";
const KEEP = { forMs: Infinity, bytes: Infinity };

/** A server's log, in this process. */
class Server implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly failed: Promise<ClusterError>;
  readonly texts: string[] = [];
  readonly nats: Nats;
  readonly #opened: {
    log: ReplicatedLog;
    append: (text: string) => Promise<void>;
  };

  static async start(
    servers: NatsServers,
    name: string,
    database = new Database(":memory:"),
    renew = false,
  ): Promise<Server> {
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    const nats = await connectNats({ servers: servers.addresses, name, log });
    const { promise: failed, resolve: fail } = Promise.withResolvers<
      ClusterError
    >();
    const texts: string[] = [];
    try {
      const replicated = await openLog({
        ...{ nats, database, db: ":memory:", keep: KEEP, cluster: "test" },
        ...{ server: name, log, fail, renew },
      });
      const append = replicated.register("room-shared", {
        change: ({ room }) => room,
        applied: (_entry, room) => void texts.push(room),
      });
      await replicated.start({ addresses: [] });
      const opened = {
        log: replicated,
        append: (room: string) => append({ room }),
      };
      return new Server(nats, opened, { lines, texts, failed });
    } catch (error) {
      await nats[Symbol.asyncDispose]();
      throw error;
    }
  }

  constructor(
    nats: Nats,
    opened: { log: ReplicatedLog; append: (text: string) => Promise<void> },
    told: Pick<Server, "lines" | "texts" | "failed">,
  ) {
    this.nats = nats;
    this.#opened = opened;
    this.lines = told.lines;
    this.texts = told.texts;
    this.failed = told.failed;
  }

  get log(): ReplicatedLog {
    return this.#opened.log;
  }

  append(text: string): Promise<void> {
    return this.#opened.append(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log[Symbol.asyncDispose]();
    await this.nats[Symbol.asyncDispose]();
  }
}

/** Deletes the stream, and makes one with other settings. */
async function remake(
  { jsm }: Manager,
  change: Partial<StreamConfig>,
): Promise<void> {
  const { config } = await jsm.streams.info(STREAM);
  await jsm.streams.delete(STREAM);
  await jsm.streams.add({ ...config, ...change });
}

natsTest(
  "a stream with other settings is refused, each in words",
  async (nats) => {
    {
      // A server that runs is told of the first of them that it sees.
      await using first = await Server.start(nats, "a");
      await first.append("#one");
    }
    await using manager = await nats.manage();
    const { config } = await manager.jsm.streams.info(STREAM);
    const wrong: readonly [string, Partial<StreamConfig>][] = [
      ["num_replicas is 1 and must be 3", { num_replicas: 1 }],
      ['storage is "memory"', { storage: "memory" }],
      ["max_msgs is 1000", { max_msgs: 1_000 }],
      ["allow_direct is false", { allow_direct: false }],
      ["deny_purge is false", { deny_purge: false }],
      ['discard is "new"', { discard: "new", max_bytes: 100_000_000 }],
      ["metadata is", { metadata: {} }],
    ];

    for (const [words, change] of wrong) {
      await remake(manager, { ...config, ...change });
      const error = await assertRejects(
        () => Server.start(nats, "b"),
        StartError,
      );
      assertStringIncludes(error.message, words);
    }

    await remake(manager, config);
    await using running = await Server.start(nats, "b");
    await remake(manager, { metadata: { parley: "another" } });
    const failed = await within(running.failed, () => "the running server");
    assertStringIncludes(failed.message, "made anew");
  },
);

natsTest(
  "foreign bytes have no effect, and a newer entry stops the server",
  async (nats) => {
    await using a = await Server.start(nats, "a");
    await using b = await Server.start(nats, "b");
    await a.append("#one");
    const epoch = a.log.epoch!;
    const head = { server: "a", epoch, counter: 3 };
    const shared = { kind: "room-shared", entry: { room: "#forged" } };
    const bytes = encodeEnvelope(head, [encodeItem(shared)]);
    const foreign: Uint8Array[] = [
      new Uint8Array(),
      new TextEncoder().encode("{}"),
      bytes.subarray(0, 9),
      bytes.subarray(0, -1),
      encodeEnvelope({ ...head, counter: 1 }, [encodeItem(shared)]), // known
      encodeEnvelope({ ...head, counter: 9 }, [encodeItem(shared)]), // too far
      encodeEnvelope({ ...head, epoch: "other" }, [encodeItem(shared)]),
      encodeEnvelope({ ...head, server: "c" }, [encodeItem(shared)]),
      encodeEnvelope({ ...head, server: "d", counter: 1 }, [
        encodeItem({ kind: "up", entry: null }),
        encodeItem({ kind: "down", entry: 7 }),
        encodeItem({ kind: "claim", entry: null }),
      ]),
    ];
    await using manager = await nats.manage();
    const { js } = manager;
    for (const one of foreign) await js.publish("test.log.x", one);
    for (const subject of ["test.rep.a", "test.hb.a", "test.hb.z"]) {
      for (const one of foreign) a.nats.publish(subject, one);
    }
    await a.append("#two");
    await b.append("#three");
    await a.append("#four");

    assertEquals(a.texts, ["#one", "#two", "#three", "#four"]);
    assertEquals(a.log.status.refused, 8);
    for (
      const words of ["of the log is of another", "test.rep.a", "test.hb.a"]
    ) {
      assert(a.lines.some((line) => line.includes(words)), words);
    }

    const newer = encodeEnvelope(head, []);
    newer[4] = LOG_VERSION + 1;
    await js.publish("test.log.x", newer);
    for (const one of [a, b]) {
      const { message } = await within(one.failed, () => "the servers");
      assertStringIncludes(message, "update this server");
    }
  },
);

natsTest(
  "an entry of a kind that is not known stops the server before it",
  async (nats) => {
    await using a = await Server.start(nats, "a");
    await a.append("#one");
    const { sequence } = a.log.status;
    const items = ["room-shared", "of the future"].map((kind) =>
      encodeItem({ kind, entry: { room: "#two" } })
    );
    const head = { server: "a", epoch: a.log.epoch!, counter: 3 };
    await using manager = await nats.manage();
    await manager.js.publish("test.log.a", encodeEnvelope(head, items));

    const { message } = await within(a.failed, () => "the server");
    assertStringIncludes(message, `from ${sequence + 1} on`);
    assertStringIncludes(message, '"of the future"');
    assertEquals(a.texts, ["#one"]);
    assertEquals(a.log.status.sequence, sequence);
  },
);

natsTest(
  "two servers of one name are told, before or after they start",
  async (nats) => {
    await using a = await Server.start(nats, "a");
    const error = await assertRejects(
      () => Server.start(nats, "a"),
      StartError,
    );
    assertStringIncludes(error.message, 'the name "a"');
    await a.append("#one");

    // One that could not be asked, since its process was stopped, comes back.
    const items = [encodeItem({
      kind: "up",
      entry: { after: a.log.epoch, claims: [] },
    })];
    const head = { server: "a", epoch: "another", counter: 1 };
    await using manager = await nats.manage();
    await manager.js.publish("test.log.a", encodeEnvelope(head, items));
    a.append("#two").catch(() => {});
    const { message } = await within(a.failed, () => "the first server");
    assertStringIncludes(message, "--server-name");
  },
);

natsTest(
  "a server that has read other entries stops, and the majority goes on",
  async (nats) => {
    const database = new Database(":memory:");
    await using a = await Server.start(nats, "a");
    await using b = await Server.start(nats, "b");
    await a.append("#one");
    {
      await using c = await Server.start(nats, "c", database);
      await c.append("#two");
    }
    database.prepare("UPDATE cluster SET hash = 'x', before = 'y'").run();
    const error = await assertRejects(() => Server.start(nats, "c", database));
    assertStringIncludes((error as Error).message, "another one than");
    // One that finds it later, since it can compare only with the others.
    database.prepare("UPDATE cluster SET sequence = 0, hash = '', before = ''")
      .run();
    database.prepare("DELETE FROM epochs").run();
    database.prepare("UPDATE cluster SET hash = 'x'").run();
    await using c = await Server.start(nats, "c", database);
    const { message } = await within(c.failed, () => "the odd server");
    assertStringIncludes(message, "other entries than the others");
    await a.append("#three");
    await b.append("#four");
  },
);

natsTest(
  "a file of a server alone is not used, and a lost stream is not made anew",
  async (nats) => {
    const alone = new Database(":memory:");
    alone.prepare("INSERT INTO bans VALUES ('name', 'x', 1, '', NULL)").run();
    const error = await assertRejects(
      () => Server.start(nats, "a", alone),
      StartError,
    );
    assertStringIncludes(error.message, "a server alone has written it");

    const database = new Database(":memory:");
    await using a = await Server.start(nats, "a", database);
    await a.append("#one");
    await using manager = await nats.manage();
    await manager.jsm.streams.delete(STREAM);
    const lost = await assertRejects(
      () => Server.start(nats, "b", database),
      StartError,
    );
    assertStringIncludes(lost.message, "Cannot find the stream");
    const { message } = await within(a.failed, () => "the running server");
    assertStringIncludes(message, "is gone from NATS");
  },
);

natsTest(
  "a lost log goes on from the file of one server, when its operator says so",
  async (nats) => {
    const ahead = new Database(":memory:");
    const behind = new Database(":memory:");
    {
      await using a = await Server.start(nats, "a", ahead);
      {
        await using b = await Server.start(nats, "b", behind);
        await a.append("#one");
        await b.append("#two");
      }
      await a.append("#which b never reads");
      const none = await assertRejects(
        () => Server.start(nats, "c", new Database(":memory:"), true),
        StartError,
      );
      assertStringIncludes(none.message, "nothing of a log");
    }
    const there = await assertRejects(
      () => Server.start(nats, "a", ahead, true),
      StartError,
    );
    assertStringIncludes(there.message, "it is there");
    const sequence = sequenceOf(ahead);
    await using manager = await nats.manage();
    await manager.jsm.streams.delete(STREAM);
    await using a = await Server.start(nats, "a", ahead, true);
    await a.append("#three");
    assertEquals(a.log.status.sequence, sequence + 2); // and its epoch
    assertEquals(sequenceOf(behind) < sequence, true);
    // The log does not reach back to the other one: it loads a snapshot.
    await using b = await Server.start(nats, "b", behind);
    assert(b.lines.some((line) => /Loaded the snapshot of a/.test(line)));
    await b.append("#four");
  },
);

function sequenceOf(database: Database): number {
  const row = database.prepare("SELECT sequence FROM cluster").get();
  return Number(row?.["sequence"]);
}

natsTest(
  "a log that begins after what a running server has read stops it",
  async (nats) => {
    await using a = await Server.start(nats, "a");
    await a.append("#one");
    await using manager = await nats.manage();
    await remake(manager, { first_seq: 100 });

    const { message } = await within(a.failed, () => "the server");
    assertStringIncludes(message, "The log begins at 100");
    assertStringIncludes(message, "Start it again");
  },
);

Deno.test("an envelope comes back as it was, and none that is cut does", () => {
  const drafts = ["#a", "#a", "bob", "#a"].map((to, n) => ({
    to,
    body: new TextEncoder().encode("x".repeat(n)),
    ...(n % 2 ? { key: `k${n}` } : {}),
  }));
  const items = [
    { kind: "messages", entry: { from: "al", at: 1, keysSince: 2, drafts } },
    { kind: "room-shared", entry: { room: "#é" } },
  ];
  const head = { server: "a", epoch: "e", counter: 7 };
  const bytes = encodeEnvelope(head, items.map(encodeItem));

  assertEquals(decodeEnvelope(bytes), { ...head, items });
  const whole = new Set([bytes.length]);
  for (let n = 1; n <= items.length; n++) {
    whole.add(
      encodeEnvelope(head, items.slice(0, n - 1).map(encodeItem)).length,
    );
  }
  for (let length = 0; length < bytes.length; length++) {
    const cut = decodeEnvelope(bytes.subarray(0, length));
    assertEquals(cut !== undefined, whole.has(length), `${length}`);
  }
});
