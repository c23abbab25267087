/**
 * Tools for the tests of files: two users whose records reach each other without a
 * network, and folders with files in them.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  findFiles,
  type Outgoing,
  type SharedFolder,
} from "../../client/files/file_source.ts";
import { PeerFiles } from "../../client/files/peer_files.ts";
import { Receiving } from "../../client/files/receiving.ts";
import type { Transfer } from "../../client/files/transfer.ts";
import { Transfers } from "../../client/files/transfers.ts";
import { CLOCK } from "../../core/net/backoff.ts";
import { EXIT, Failure } from "../../client/view/failure.ts";
import type { Bytes } from "../../core/scram.ts";

/** What {@linkcode peerFiles} can be told. */
export interface PeerFilesParts {
  readonly shared?: SharedFolder | undefined;
  /** Gets each offer, to be accepted or cancelled. */
  offered?(receiving: Receiving, transfer: Transfer): void;
  /** The peer gets something that is shared. */
  served?(transfer: Transfer): void;
}

/** Files of one user, whose offers the test answers. */
export function peerFiles(parts: PeerFilesParts = {}): PeerFiles {
  const transfers = new Transfers({
    me: "bob",
    shared: parts.shared,
    observer: {
      began: (transfer) => {
        if (transfer.role === "serve") parts.served?.(transfer);
      },
      asks: () => Promise.resolve(),
      refused() {},
      ended() {},
      moved() {},
    },
    clock: { ...CLOCK, every: () => ({ [Symbol.dispose]() {} }) },
  });
  transfers.decide = (transfer) => {
    const { state } = transfer;
    const attempt = "attempt" in state ? state.attempt : undefined;
    if (attempt instanceof Receiving) parts.offered?.(attempt, transfer);
    return Promise.resolve();
  };
  return new PeerFiles(transfers, "alice");
}

/** What a {@linkcode Pair} can be told. */
export interface PairOptions {
  /** What bob shares. */
  readonly shared?: SharedFolder;
  /** Sees each record of alice before bob does; may change it. */
  readonly tamper?: (record: Bytes) => Bytes;
  /** Sees each record of bob before alice does; may change it. */
  readonly answers?: (record: Bytes) => Bytes;
}

/** Alice and bob, with a connection that carries one record after the other. */
export class Pair implements AsyncDisposable {
  readonly alice: PeerFiles;
  readonly bob: PeerFiles;
  /** Bytes of records that alice has sent. */
  sent = 0;
  /** The error, if a side sent what no honest client sends. */
  broken: Error | undefined;
  #onSent: (sent: number) => void = () => {};
  readonly #offers: Receiving[] = [];
  #offered = Promise.withResolvers<void>();
  readonly #got = new Map<Transfer, Receiving>(); // what alice asked for
  readonly served: Transfer[] = [];
  readonly #toBob: Wire;
  readonly #toAlice: Wire;

  constructor(
    { shared, tamper = (record) => record, answers = (record) => record }:
      PairOptions = {},
  ) {
    this.#toBob = new Wire((record) => {
      this.sent += record.length;
      this.#onSent(this.sent);
      return this.bob.receive(tamper(record));
    }, (error) => this.#break(error));
    this.#toAlice = new Wire(
      (record) => this.alice.receive(answers(record)),
      (error) => this.#break(error),
    );
    this.alice = peerFiles({
      offered: (receiving, transfer) => {
        this.#got.set(transfer, receiving);
        this.#offered.resolve();
      },
    });
    this.bob = peerFiles({
      shared,
      offered: (receiving) => {
        this.#offers.push(receiving);
        this.#offered.resolve();
      },
      served: (transfer) => void this.served.push(transfer),
    });
    this.alice.connect((record) => this.#toBob.say(record));
    this.bob.connect((record) => this.#toAlice.say(record));
  }

  /** Is told how much alice has sent, before bob gets it. */
  onSent(task: (sent: number) => void): void {
    this.#onSent = task;
  }

  /** What alice offers next. */
  async offered(): Promise<Receiving> {
    await this.#until(() => this.#offers.length > 0);
    return this.#offers.shift()!;
  }

  /** What bob offers when alice asks for `path`. */
  async get(path: string): Promise<Receiving> {
    const transfer = this.alice.get(path);
    const offered = this.#until(() => this.#got.has(transfer));
    await Promise.race([offered, transfer.ended]);
    return this.#got.get(transfer)!;
  }

  async #until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      await this.#offered.promise;
      this.#offered = Promise.withResolvers();
    }
  }

  /** Alice sends what was found; settles with that. */
  async send(outgoing: Outgoing): Promise<void> {
    await this.alice.send(outgoing).ended;
  }

  /** Alice sends `paths`, and bob accepts; both ends settle. */
  async transfer(
    paths: readonly string[],
    folder: string,
  ): Promise<
    [
      sent: PromiseSettledResult<void>,
      got: PromiseSettledResult<readonly string[]>,
    ]
  > {
    const sending = this.send(await findFiles(paths));
    const receiving = await this.offered();
    return await Promise.allSettled([
      sending,
      receiving.accept({ folder, ...PEOPLE }),
    ]);
  }

  /** Breaks the connection, and there will be no other. */
  cut(why = "cut"): void {
    this.#toBob.cut();
    this.#toAlice.cut();
    const reason = new Failure(EXIT.failed, why);
    this.#closing ??= Promise.all([
      this.alice.end(reason),
      this.bob.end(reason),
    ]);
  }

  #closing: Promise<unknown> | undefined;

  #break(error: Error): void {
    this.broken ??= error;
    this.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await this.#closing;
    await Promise.all([this.#toBob.done, this.#toAlice.done]);
  }
}

/** The names of the two. */
export const PEOPLE = { sender: "alice", receiver: "bob" } as const;

/** One direction of a connection: a few records at a time, in their order. */
export class Wire {
  done: Promise<void> = Promise.resolve();
  #waiting = 0;
  #cut = false;
  readonly #take: (record: Bytes) => Promise<void>;
  readonly #broken: (error: Error) => void;

  constructor(
    take: (record: Bytes) => Promise<void>,
    broken: (error: Error) => void,
  ) {
    this.#take = take;
    this.#broken = broken;
  }

  /** As a channel does: resolves when more may be sent. */
  async say(record: Bytes): Promise<void> {
    if (this.#cut) throw new Failure(EXIT.failed, "cut");
    const copy = record.slice(); // the sender goes on using it
    this.#waiting++;
    this.done = this.done.then(async () => {
      this.#waiting--;
      if (!this.#cut) await this.#take(copy).catch(this.#broken);
    });
    if (this.#waiting > 3) await this.done;
  }

  cut(): void {
    this.#cut = true;
  }
}

/** Writes files: their bytes, or how many of them. Makes their folders too. */
export function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | number>>,
): void {
  for (const [path, content] of Object.entries(files)) {
    const location = `${folder}/${path}`;
    Deno.mkdirSync(location.slice(0, location.lastIndexOf("/")), {
      recursive: true,
    });
    Deno.writeFileSync(
      location,
      typeof content === "string"
        ? new TextEncoder().encode(content)
        : noise(content),
    );
  }
}

/** Bytes that do not repeat soon, the same each time. */
export function noise(length: number): Bytes {
  const bytes = new Uint8Array(length);
  let state = length + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Every file below `folder` with its SHA-256; folders with `/`. */
export function snapshot(folder: string, inside = ""): Record<string, string> {
  const found: Record<string, string> = {};
  const names = Array.from(Deno.readDirSync(`${folder}/${inside}`));
  for (const { name, isDirectory } of names) {
    const path = inside + name;
    if (isDirectory) {
      found[`${path}/`] = "";
      Object.assign(found, snapshot(folder, `${path}/`));
    } else found[path] = hashOf(Deno.readFileSync(`${folder}/${path}`));
  }
  return Object.fromEntries(Object.entries(found).sort());
}

/** SHA-256, as sha256sum prints it. */
export function hashOf(bytes: Bytes): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Makes a link; Windows wants to know what to. Wine reports success, but makes none:
 * that is an error here.
 */
export function link(target: string, path: string, type: "file" | "dir"): void {
  Deno.symlinkSync(target, path, { type });
  Deno.lstatSync(path);
}
