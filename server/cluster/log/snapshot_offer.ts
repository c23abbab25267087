/**
 * Tells servers that ask for a snapshot how far this one is, and gives them one;
 * what makes it is loaded with the first request.
 *
 * @module
 */
import { MIGRATIONS } from "../../journal/schema.ts";
import type { Nats } from "../nats.ts";
import type { Subjects } from "../names.ts";
import type { Replica } from "./replica.ts";
import type {
  SnapshotSource,
  SnapshotSourceOptions,
} from "./snapshot_source.ts";
import { encodeJson } from "./snapshot_wire.ts";

/** Options of {@linkcode SnapshotOffer}. */
export interface SnapshotOfferOptions extends SnapshotSourceOptions {
  readonly nats: Nats;
  readonly subjects: Subjects;
  /** This server's name. */
  readonly server: string;
  readonly replica: Replica;
  /** Whether this server has the same entries as all that it hears. */
  isSame(): boolean;
}

/** See the top of the file. */
export class SnapshotOffer implements AsyncDisposable {
  readonly #options: SnapshotOfferOptions;
  readonly #scope = new DisposableStack();
  #source: Promise<SnapshotSource> | undefined;

  /** Answers from now on. */
  constructor(options: SnapshotOfferOptions) {
    this.#options = options;
    const { nats, subjects, server } = options;
    this.#scope.use(nats.subscribe(subjects.snapshot, ({ reply }) => {
      if (reply && options.isSame()) this.#offer(reply);
    }));
    const own = `${subjects.snapshot}.${server}`;
    this.#scope.use(nats.subscribe(own, ({ bytes, reply }) => {
      if (reply) this.#answer(bytes.slice(), reply);
    }));
  }

  #offer(reply: string): void {
    const { nats, server, replica } = this.#options;
    const { sequence } = replica.cursor;
    const schema = MIGRATIONS.length;
    nats.publish(reply, encodeJson({ server, sequence, schema, gives: true }));
  }

  async #answer(bytes: Uint8Array, reply: string): Promise<void> {
    this.#source ??= import("./snapshot_source.ts").then((module) =>
      new module.SnapshotSource(this.#options)
    );
    const { nats, log } = this.#options;
    try {
      const answer = await (await this.#source).answer(bytes);
      if (answer) nats.publish(reply, answer);
    } catch (error) {
      log(`Cannot send a snapshot: ${(error as Error).message}`);
    }
  }

  /** Answers nothing any more. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#scope.dispose();
    await (await this.#source)?.[Symbol.asyncDispose]();
  }
}
