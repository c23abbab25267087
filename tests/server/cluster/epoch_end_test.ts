/** What a server appends to the log, without a server of NATS. */
import { assertEquals } from "@std/assert";
import { subjectsOf } from "../../../server/cluster/names.ts";
import { ClaimTable } from "../../../server/cluster/log/claims.ts";
import {
  decodeEnvelope,
  encodeEnvelope,
  encodeItem,
  type Item,
} from "../../../server/cluster/log/codec.ts";
import { Replica } from "../../../server/cluster/log/replica.ts";
import { Writer } from "../../../server/cluster/log/writer.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";

/** A log that the test plays, and one server that appends to it. */
class Played implements AsyncDisposable {
  readonly applied: string[] = [];
  readonly writer: Writer;
  readonly #database = new Database(IN_MEMORY);
  readonly #replica: Replica;
  readonly #log: Uint8Array[] = [];
  #appended = Promise.withResolvers<void>();

  constructor() {
    const database = this.#database;
    database.prepare("INSERT INTO cluster VALUES ('m', 0, '', '')").run();
    const fail = (error: Error) => {
      throw error;
    };
    const replica = this.#replica = new Replica(
      database,
      new ClaimTable(database),
      {
        waiting: (envelope) => this.writer.waiting(envelope),
        ...{ up: () => {}, gone: () => {}, fail, log: () => {} },
      },
    );
    replica.register<{ text: string }, void, void>("said", {
      change: () => {},
      applied: ({ text }) => void this.applied.push(text),
    });
    this.writer = new Writer({
      ...{ subjects: subjectsOf("test"), server: "a", replica, fail },
      ...{ claims: () => [], want: () => {}, log: () => {} },
      nats: { append: (_, bytes) => this.#append(bytes) },
    });
  }

  /** Has the log say this, as another server. */
  say(server: string, counter: number, ...items: Item[]): void {
    const head = { server, epoch: "1", counter };
    this.#log.push(encodeEnvelope(head, items.map(encodeItem)));
  }

  /** Waits for the next entry that is appended. */
  async next(): Promise<void> {
    await this.#appended.promise;
  }

  /** The epoch of the server, as its last entry has it. */
  get epoch(): string {
    return decodeEnvelope(this.#log.at(-1)!)!.epoch;
  }

  /** Applies all of the log that is not applied yet, at once. */
  async apply(): Promise<void> {
    this.#appended = Promise.withResolvers();
    const { sequence: last } = this.#replica.cursor;
    await this.#replica.apply(
      this.#log.slice(last).map((bytes, i) => ({
        sequence: last + i + 1,
        bytes,
      })),
    );
    this.writer.applied();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer.close();
    this.#database.close();
  }

  #append(bytes: Uint8Array): Promise<number> {
    this.#log.push(bytes);
    this.#appended.resolve();
    return Promise.resolve(this.#log.length);
  }
}

const said = (text: string): Item => ({ kind: "said", entry: { text } });

Deno.test("what a late server applies together with the end of its epoch is not sent again", async () => {
  await using played = new Played();
  const { writer } = played;
  const started = writer.start();
  await played.next();
  await played.apply();
  await started;
  const { epoch } = played;

  const first = writer.append(said("one"));
  await played.next();
  played.say("b", 1, { kind: "up", entry: { after: null, claims: [] } });
  played.say("b", 2, { kind: "down", entry: { server: "a", epoch } });
  await played.apply();
  await first;
  await played.next(); // its next epoch
  await played.apply();
  const second = writer.append(said("two"));
  await played.next();
  await played.apply();
  await second;

  assertEquals(played.applied, ["one", "two"]);
});
