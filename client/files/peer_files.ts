/**
 * The files between the user and one peer, for as long as the direct session
 * with the peer lasts: it may have many connections, one after the other.
 *
 * This carries out what the state machine of transfer.ts asks for. It is given
 * a way to send records, and the records that arrive; it knows no connection.
 *
 * @module
 */
import { Failure } from "../view/failure.ts";
import { FileExchange, MAX_UNDER_WAY } from "./exchange.ts";
import { FileFailure } from "./records.ts";
import type { OfferedItem } from "./names.ts";
import { Receiving } from "./receiving.ts";
import { newId, type Sending, type SendRecord } from "./sending.ts";
import type { Listing, SharedFolder } from "./shared_folder.ts";
import type { Outgoing } from "./file_source.ts";
import {
  type Attempt,
  type Effect,
  Transfer,
  type TransferEvent,
  type TransferOptions,
} from "./transfer.ts";
import type { Bytes } from "../../core/scram.ts";

/** What {@linkcode PeerFiles} need. */
export interface PeerFilesOptions {
  /** The user's name. */
  readonly me: string;
  /** The peer's name. */
  readonly peer: string;
  /** What the peer may get; undefined: nothing. */
  readonly shared: SharedFolder | undefined;
  /** Where received files go. */
  folder(): string;
  /** The number of the next transfer. */
  nextNumber(): number;
  /** There is a new transfer. */
  began(transfer: Transfer): void;
  /**
   * An offer waits: apply `accepted` or `cancelled`. The first that is heard of
   * what the peer sends.
   */
  decide(transfer: Transfer): Promise<void>;
  /** The state of a transfer is another. */
  changed(transfer: Transfer): void;
}

/** One connection, and what was begun on it. */
interface Connection {
  readonly exchange: FileExchange;
  readonly begun: Set<Transfer>;
}

/** See the top of the file. */
export class PeerFiles {
  readonly #options: PeerFilesOptions;
  /** All that have not ended, the oldest first. */
  readonly #transfers = new Set<Transfer>();
  readonly #tasks = new Set<Promise<void>>();
  #connection: Connection | undefined;
  #connected = Promise.withResolvers<void>();
  #over: FileFailure | undefined;
  #used = false;

  constructor(options: PeerFilesOptions) {
    this.#options = options;
  }

  /** Whether anything was ever sent or received. */
  get used(): boolean {
    return this.#used;
  }

  /** There is a connection: continues everything. */
  connect(send: SendRecord): void {
    const exchange = new FileExchange({
      send,
      shared: this.#options.shared,
      offered: (receiving) => this.#offered(receiving),
      served: (sending, done) => this.#serve(sending, done),
    });
    this.#connection = { exchange, begun: new Set() };
    this.#connected.resolve();
    this.#begin();
  }

  /** Takes a record of the peer; see {@linkcode FileExchange.receive}. */
  async receive(record: Bytes): Promise<void> {
    await this.#connection?.exchange.receive(record);
  }

  /** The connection is gone; there may be another. */
  async disconnect(reason: Failure): Promise<void> {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    this.#connected = Promise.withResolvers();
    await connection.exchange.close(reason);
    this.#applyToAll({ type: "disconnected" });
  }

  /** There will be no other: ends everything. Partial files stay. */
  async end(reason: Failure): Promise<void> {
    const error = new FileFailure(reason.message, { cause: reason });
    this.#over = error;
    this.#applyToAll({ type: "failed", error });
    await this.disconnect(reason);
    this.#connected.resolve();
    await Promise.all(this.#tasks);
  }

  /** Resolves when no transfer is left. */
  async idle(): Promise<void> {
    while (this.#transfers.size > 0) {
      const all = [...this.#transfers];
      await Promise.all(all.map(({ settled }) => settled));
    }
  }

  /** Offers files, and sends them if they are accepted. */
  send(outgoing: Outgoing): Transfer {
    const id = newId();
    return this.#add({
      role: "send",
      id,
      contents: outgoing,
      begin: (transfer) => this.#offer(transfer, outgoing, id),
    });
  }

  /** Gets `path` of what the peer shares. */
  get(path: string): Transfer {
    return this.#add({
      role: "get",
      contents: { title: path, files: 0, size: 0 },
      begin: (transfer) => this.#request(transfer, path),
    });
  }

  /**
   * What the peer shares.
   *
   * @throws {FileFailure} If the peer shares nothing.
   * @throws {Failure} If the connection breaks.
   */
  async list(): Promise<Listing> {
    while (!this.#connection && !this.#over) await this.#connected.promise;
    if (!this.#connection) throw this.#over;
    return await this.#connection.exchange.list();
  }

  #add(parts: Omit<TransferOptions, "number" | "peer" | "changed" | "act">) {
    const transfer = new Transfer({
      ...parts,
      number: this.#options.nextNumber(),
      peer: this.#options.peer,
      changed: (transfer) => this.#changed(transfer),
      act: (...effect) => this.#act(...effect),
    });
    this.#transfers.add(transfer);
    this.#used = true;
    this.#options.began(transfer);
    this.#begin();
    return transfer;
  }

  #changed(transfer: Transfer): void {
    if (transfer.isOver) this.#transfers.delete(transfer);
    this.#options.changed(transfer);
    if (transfer.isOver) this.#begin(); // there is room for another
  }

  #applyToAll(event: TransferEvent): void {
    for (const transfer of [...this.#transfers]) transfer.apply(event);
  }

  /** Begins on this connection what was not, as far as there is room. */
  #begin(): void {
    const begun = this.#connection?.begun;
    for (const transfer of begun ? this.#transfers : []) {
      if (begun!.has(transfer)) continue;
      const offers = [...begun!].filter((one) =>
        one.role === "send" && !one.isOver
      );
      if (transfer.role === "send" && offers.length >= MAX_UNDER_WAY) continue;
      begun!.add(transfer);
      const beginning = transfer.begin();
      if (beginning) this.#run(transfer, beginning);
    }
  }

  #act(transfer: Transfer, effect: Effect, attempt?: Attempt): void {
    const { state } = transfer;
    if (effect === "decide") {
      this.#run(transfer, this.#options.decide(transfer));
    } else if (effect === "receive" && attempt instanceof Receiving) {
      this.#run(transfer, this.#receive(transfer, attempt));
    } else if (effect === "cancel" && attempt && state.type === "failed") {
      this.#run(transfer, attempt.cancel(state.error));
    }
  }

  /** Has `task` awaited in the end; what fails in it may end the transfer. */
  #run(transfer: Transfer, task: Promise<void>): void {
    const running = task.catch((error) => {
      if (error instanceof FileFailure) {
        transfer.apply({ type: "failed", error });
      } else if (!(error instanceof Failure)) throw error; // or: disconnected
    }).finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  async #offer(
    transfer: Transfer,
    outgoing: Outgoing,
    id: string,
  ): Promise<void> {
    const { exchange } = this.#connection!; // it was begun because of that
    const sending = exchange.offer(outgoing, { id });
    transfer.apply({ type: "offered", attempt: sending });
    sending.accepted.then(() => transfer.apply({ type: "accepted" }));
    await exchange.send(sending);
    transfer.apply({ type: "finished", paths: [] });
  }

  async #request(transfer: Transfer, path: string): Promise<void> {
    const receiving = await this.#connection!.exchange.get(path);
    if (!isCalled(receiving, path)) {
      const why = `"${receiving.title}" was sent instead of "${path}"`;
      await receiving.cancel(new FileFailure(why));
      throw new FileFailure(why);
    }
    transfer.contents = receiving;
    transfer.apply({ type: "offered", attempt: receiving });
  }

  async #receive(transfer: Transfer, receiving: Receiving): Promise<void> {
    const { me, peer } = this.#options;
    const { finished } = transfer;
    const folder = this.#options.folder();
    const people = { sender: peer, receiver: me };
    try {
      const paths = await receiving.accept({ folder, people, finished });
      transfer.apply({ type: "finished", paths });
    } finally {
      transfer.finished = receiving.finished;
    }
  }

  #offered(receiving: Receiving): void {
    const { id } = receiving;
    const known = [...this.#transfers].find((one) => one.id === id);
    if (known && !continues(known, receiving)) {
      const why = "It was offered before with other contents";
      return void receiving.cancel(new FileFailure(why));
    }
    const state = { type: "offered", attempt: receiving } as const;
    const transfer = known ??
      this.#add({ role: "receive", id, contents: receiving, state });
    // The sender may withdraw it before it is accepted.
    this.#run(transfer, receiving.outcome.then(() => {}));
    if (known) known.apply({ type: "offered", attempt: receiving });
    else this.#run(transfer, this.#options.decide(transfer));
  }

  #serve(sending: Sending, done: Promise<void>): void {
    const state = { type: "running", attempt: sending } as const;
    const transfer = this.#add({
      role: "serve",
      contents: sending.outgoing,
      state,
    });
    done.then(
      () => transfer.apply({ type: "finished", paths: [] }),
      ({ message }) =>
        transfer.apply({ type: "failed", error: new FileFailure(message) }),
    );
  }
}

/** Whether what is offered is called what was asked for. */
function isCalled({ items }: Receiving, path: string): boolean {
  const [item, ...others] = items;
  const wanted = path.split(/[\\/]/).findLast((part) => part !== "");
  return others.length === 0 && item?.title === wanted;
}

/** Whether an offer is that of `transfer`, after a break. */
function continues(transfer: Transfer, { items }: Receiving): boolean {
  const { role, state, contents } = transfer;
  const identity = (items: readonly OfferedItem[]) =>
    JSON.stringify(items.map((one) => [one.title, one.size, one.files.length]));
  return role === "receive" && "attempt" in state && !state.attempt &&
    identity(contents.items ?? []) === identity(items);
}
