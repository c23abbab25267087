/** What a server appends to the log, without a server of NATS. */
import { assertEquals } from "@std/assert";
import { ClaimTable } from "../../../server/cluster/log/claims.ts";
import { decodeEnvelope } from "../../../server/cluster/log/codec.ts";
import { Replica } from "../../../server/cluster/log/replica.ts";
import { SEND_EVERY_MS, Writer } from "../../../server/cluster/log/writer.ts";
import { subjectsOf } from "../../../server/cluster/names.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";

/** A server whose log is a list, and whose clock stands. */
class Server implements AsyncDisposable {
  /** The kinds of entries in each message of the stream. */
  readonly sent: string[][] = [];
  readonly writer: Writer;
  readonly #database = new Database(IN_MEMORY);
  #now = 0;
  #sleeping: { until: number; wake(): void } | undefined;
  #slept = Promise.withResolvers<void>();

  constructor() {
    const database = this.#database;
    database.prepare("INSERT INTO cluster VALUES ('m', 0, '', '')").run();
    const fail = (error: Error) => {
      throw error;
    };
    const log = () => {};
    const replica = new Replica(database, new ClaimTable(database), {
      waiting: (envelope) => this.writer.waiting(envelope),
      ...{ up: log, gone: log, fail, log },
    });
    replica.register("ban", { change: () => {}, applied: () => {} });
    this.writer = new Writer({
      ...{ subjects: subjectsOf("test"), server: "a", replica, fail, log },
      nats: {
        append: async (_subject, bytes) => {
          const { items = [] } = decodeEnvelope(bytes) ?? {};
          this.sent.push(items.map(({ kind }) => kind));
          const sequence = this.sent.length;
          await replica.apply([{ sequence, bytes }]);
          this.writer.applied();
          return sequence;
        },
      },
      claims: () => [],
      want: () => {},
      clock: {
        now: () => this.#now,
        sleep: (ms) =>
          new Promise((wake) => {
            this.#sleeping = { until: this.#now + ms, wake };
            this.#slept.resolve();
          }),
      },
    });
  }

  append(): Promise<unknown> {
    return this.writer.append({ kind: "ban", entry: {} });
  }

  /** Resolves when the writer waits for the clock. */
  async sleeps(): Promise<void> {
    await this.#slept.promise;
    this.#slept = Promise.withResolvers();
  }

  pass(ms: number): void {
    this.#now += ms;
    if (this.#now >= (this.#sleeping?.until ?? Infinity)) {
      this.#sleeping?.wake();
      this.#sleeping = undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pass(SEND_EVERY_MS); // it may wait for that
    await this.writer.close();
    this.#database.close();
  }
}

Deno.test("what is appended soon after a message of the stream is in the next, together", async () => {
  await using server = new Server();
  await server.writer.start();
  server.pass(SEND_EVERY_MS);
  await server.append();

  const two = [server.append(), server.append()];
  await server.sleeps();
  assertEquals(server.sent, [["up"], ["ban"]]);
  server.pass(SEND_EVERY_MS);
  await Promise.all(two);

  assertEquals(server.sent, [["up"], ["ban"], ["ban", "ban"]]);
});

Deno.test("what is appended after a pause is sent at once", async () => {
  await using server = new Server();
  await server.writer.start();
  server.pass(SEND_EVERY_MS);

  await server.append();
  server.pass(SEND_EVERY_MS);
  await server.append();

  assertEquals(server.sent, [["up"], ["ban"], ["ban"]]);
});
