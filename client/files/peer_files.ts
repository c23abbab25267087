/**
 * The files between the user and one peer, for as long as the direct session
 * with the peer lasts: it may have many connections, one after the other.
 *
 * This carries out what the state machine of transfer.ts asks for. It is given
 * a way to send records, and the records that arrive; it knows no connection.
 *
 * The reader of the connection hands over each record about files, and waits
 * until it is taken, so a slow disk slows down the sender. Nothing here waits
 * for sending while it takes a record: two sides that wait for each other would
 * wait forever.
 *
 * @module
 */
import { Failure } from "../view/failure.ts";
import {
  BadRecord,
  type ControlOf,
  DATA,
  decodeControl,
  encodeControl,
  FileFailure,
  MAX_FILES,
  MAX_PATHS_LENGTH,
  readData,
} from "./records.ts";
import type { OfferedItem } from "./names.ts";
import { Receiving } from "./receiving.ts";
import {
  newId,
  Sending,
  type SendingOptions,
  type SendRecord,
} from "./sending.ts";
import type { Listing, Outgoing, SharedFolder } from "./file_source.ts";
import {
  type Announced,
  type Attempt,
  type Effect,
  Transfer,
  type TransferEvent,
  type TransferOptions,
} from "./transfer.ts";
import type { Bytes } from "../../core/scram.ts";

/** So many offers, and so many requests, of one side may be under way. */
export const MAX_UNDER_WAY = 16;

/** All transfers of the user, which those with one peer belong to. */
export interface TransfersOwner {
  /** The user's name. */
  readonly me: string;
  /** What peers may get; undefined: nothing. */
  readonly shared: SharedFolder | undefined;
  /** Where received files go. */
  readonly folder: string;
  /** The number of the newest transfer, from 1. */
  lastNumber: number;
  /** There is a new transfer, of these files. */
  began(transfer: Transfer, files: PeerFiles): void;
  /**
   * An offer waits: apply `accepted` or `cancelled`. It has to agree with what
   * was `announced`, if anything was.
   */
  decide(transfer: Transfer, announced: Announced | undefined): Promise<void>;
  /** The state of a transfer is another. */
  changed(transfer: Transfer): void;
}

/** What answers a request. */
type Answer = Receiving | Listing;

/** Begins a transfer on a connection. */
type Begin = (transfer: Transfer, connection: Connection) => Promise<void>;

/** One connection, and what is under way on it. */
class Connection {
  readonly send: SendRecord;
  readonly begun = new Set<Transfer>();
  readonly sendings = new Map<number, Sending>();
  readonly receivings = new Map<number, Receiving>();
  readonly requests = new Map<number, PromiseWithResolvers<Answer>>();
  /** The requests of the peer that are not answered. */
  readonly serving = new Set<Promise<void>>();
  #lastTransfer = 0;
  #lastRequest = 0;

  constructor(send: SendRecord) {
    this.send = send;
  }

  /** An offer, which {@linkcode run} makes. */
  prepare(outgoing: Outgoing, about: Pick<SendingOptions, "id" | "answers">) {
    const transfer = ++this.#lastTransfer;
    return new Sending({ transfer, outgoing, send: this.send, ...about });
  }

  /** Makes an offer, and carries it to its end; see {@linkcode Sending.run}. */
  async run(sending: Sending): Promise<void> {
    this.sendings.set(sending.transfer, sending);
    try {
      await sending.run();
    } finally {
      this.sendings.delete(sending.transfer);
    }
  }

  /**
   * Asks for something of the peer's shared folder, or what it has.
   *
   * @throws {FileFailure} If there is no such thing.
   */
  async ask(
    asked: { type: "get"; path: string } | { type: "list" },
  ): Promise<Answer> {
    const request = ++this.#lastRequest;
    const answer = Promise.withResolvers<Answer>();
    this.requests.set(request, answer);
    answer.promise.catch(() => {}); // it may be closed while this is sent
    try {
      await this.send(encodeControl({ ...asked, request }));
      return await answer.promise;
    } finally {
      this.requests.delete(request);
    }
  }
}

/** See the top of the file. */
export class PeerFiles {
  readonly #owner: TransfersOwner;
  readonly #peer: string;
  #announced: Announced | undefined; // until the first offer
  /** All that have not ended, the oldest first, and what begins each. */
  readonly #transfers = new Map<Transfer, Begin | undefined>();
  readonly #tasks = new Set<Promise<void>>();
  #connection: Connection | undefined;
  #connected = Promise.withResolvers<void>();
  #over: FileFailure | undefined;
  #used = false;

  /** If the session was opened for files, the call has `announced` them. */
  constructor(owner: TransfersOwner, peer: string, announced?: Announced) {
    this.#owner = owner;
    this.#peer = peer;
    this.#announced = announced;
  }

  /** Whether anything was ever sent or received. */
  get used(): boolean {
    return this.#used;
  }

  /** There is a connection: continues everything. */
  connect(send: SendRecord): void {
    this.#connection = new Connection(send);
    this.#connected.resolve();
    this.#begin();
  }

  /**
   * Takes a record of the peer. Waits while the disk is behind.
   *
   * @throws {BadRecord} If no honest client sends it.
   */
  async receive(record: Bytes): Promise<void> {
    const connection = this.#connection;
    if (!connection) return;
    const { sendings, receivings, requests, serving } = connection;
    if (record[0] === DATA) {
      const { transfer, bytes } = readData(record);
      return await receivings.get(transfer)?.take(bytes);
    }
    const control = decodeControl(record);
    switch (control.type) {
      case "offer":
        return await this.#offerBegins(connection, control);
      case "manifest":
        await receivings.get(control.transfer)?.receive(control);
        return await this.#listed(connection, control.transfer);
      case "begin":
      case "end":
      case "withdraw":
        return await receivings.get(control.transfer)?.receive(control);
      case "get":
      case "list": {
        const task = this.#answer(connection, control)
          .finally(() => serving.delete(task));
        return void serving.add(task);
      }
      case "listing":
        return requests.get(control.request)?.resolve(control);
      case "refuse":
        return requests.get(control.request)
          ?.reject(new FileFailure(control.reason));
      default:
        return sendings.get(control.transfer)?.receive(control);
    }
  }

  /** The connection is gone; there may be another. */
  async disconnect(reason: Failure): Promise<void> {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    this.#connected = Promise.withResolvers();
    const { sendings, receivings, requests, serving } = connection;
    for (const sending of sendings.values()) sending.abort(reason);
    for (const request of requests.values()) request.reject(reason);
    await Promise.all(receivings.values().map((one) => one.abort(reason)));
    await Promise.all(serving);
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
      await Promise.all(this.#transfers.keys().map(({ settled }) => settled));
    }
  }

  /** Offers files, and sends them if they are accepted. */
  send(outgoing: Outgoing): Transfer {
    const id = newId();
    return this.#add(
      { role: "send", id, contents: outgoing },
      async (transfer, connection) => {
        const sending = connection.prepare(outgoing, { id });
        transfer.apply({ type: "offered", attempt: sending });
        sending.accepted.then(() => transfer.apply({ type: "accepted" }));
        await connection.run(sending);
        transfer.apply({ type: "finished", paths: [] });
      },
    );
  }

  /** Gets `path` of what the peer shares. */
  get(path: string): Transfer {
    return this.#add(
      { role: "get", contents: { title: path, files: 0, size: 0 } },
      async (transfer, connection) => {
        const receiving = await connection.ask({ type: "get", path });
        if (!(receiving instanceof Receiving)) {
          throw new FileFailure(`Requested "${path}", but received a list`);
        }
        if (!isCalled(receiving, path)) {
          const why = `"${receiving.title}" was sent instead of "${path}"`;
          await receiving.cancel(new FileFailure(why));
          throw new FileFailure(why);
        }
        transfer.contents = receiving;
        transfer.apply({ type: "offered", attempt: receiving });
      },
    );
  }

  /**
   * What the peer shares.
   *
   * @throws {FileFailure} If the peer shares nothing, or answers something else.
   * @throws {Failure} If the connection breaks.
   */
  async list(): Promise<Listing> {
    while (!this.#connection && !this.#over) await this.#connected.promise;
    if (!this.#connection) throw this.#over;
    const answer = await this.#connection.ask({ type: "list" });
    if (!(answer instanceof Receiving)) return answer;
    const failure = new FileFailure("Requested a list, but received files");
    await answer.cancel(failure);
    throw failure;
  }

  #add(
    parts: Omit<TransferOptions, "number" | "peer" | "changed" | "act">,
    begin?: Begin,
  ): Transfer {
    const transfer = new Transfer({
      ...parts,
      number: ++this.#owner.lastNumber,
      peer: this.#peer,
      changed: (transfer) => this.#changed(transfer),
      act: (...effect) => this.#act(...effect),
    });
    this.#transfers.set(transfer, begin);
    this.#used = true;
    this.#owner.began(transfer, this);
    this.#begin();
    return transfer;
  }

  #changed(transfer: Transfer): void {
    if (transfer.isOver) this.#transfers.delete(transfer);
    this.#owner.changed(transfer);
    if (transfer.isOver) this.#begin(); // there is room for another
  }

  #applyToAll(event: TransferEvent): void {
    for (const transfer of [...this.#transfers.keys()]) transfer.apply(event);
  }

  /** Begins on this connection what was not, as far as there is room. */
  #begin(): void {
    const connection = this.#connection;
    if (!connection) return;
    const { begun } = connection;
    for (const [transfer, begin] of this.#transfers) {
      if (begun.has(transfer)) continue;
      const offers = [...begun].filter((one) =>
        one.role === "send" && !one.isOver
      );
      if (transfer.role === "send" && offers.length >= MAX_UNDER_WAY) continue;
      begun.add(transfer);
      if (begin) this.#run(transfer, begin(transfer, connection));
    }
  }

  #act(transfer: Transfer, effect: Effect, attempt?: Attempt): void {
    const { state } = transfer;
    if (effect === "decide") {
      this.#run(transfer, this.#owner.decide(transfer, undefined));
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

  async #receive(transfer: Transfer, receiving: Receiving): Promise<void> {
    const { me, folder } = this.#owner;
    const { finished } = transfer;
    const people = { sender: this.#peer, receiver: me };
    try {
      const paths = await receiving.accept({ folder, people, finished });
      transfer.apply({ type: "finished", paths });
    } finally {
      transfer.finished = receiving.finished;
    }
  }

  /** An offer begins; its manifest follows. */
  async #offerBegins(
    { receivings, send }: Connection,
    offer: ControlOf<"offer">,
  ): Promise<void> {
    const receiving = new Receiving(offer, send);
    const { transfer } = offer;
    if (offer.files === 0 || receivings.has(transfer)) {
      throw new BadRecord("an offer of nothing, or twice");
    }
    const others = receivings.values();
    const files = others.reduce((sum, one) => sum + one.files, offer.files);
    if (receivings.size >= MAX_UNDER_WAY || files > MAX_FILES) {
      return await receiving.cancel(tooMuch());
    }
    receivings.set(transfer, receiving);
    const forget = () => void receivings.delete(transfer);
    receiving.outcome.then(forget, forget);
  }

  /** Some of a manifest was received, or all of it. */
  async #listed(
    { receivings, requests }: Connection,
    transfer: number,
  ): Promise<void> {
    const receiving = receivings.get(transfer);
    const all = receivings.values();
    const length = all.reduce((sum, one) => sum + one.pathsLength, 0);
    if (length > MAX_PATHS_LENGTH) return await receiving?.cancel(tooMuch());
    if (!receiving?.listed) return;
    const request = requests.get(receiving.answers ?? 0);
    if (request) request.resolve(receiving);
    else this.#offered(receiving);
  }

  #offered(receiving: Receiving): void {
    const { id } = receiving;
    const known = this.#transfers.keys().find((one) => one.id === id);
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
    else {
      this.#run(transfer, this.#owner.decide(transfer, this.#announced));
      this.#announced = undefined;
    }
  }

  /** Answers a request for what is shared. */
  async #answer(
    connection: Connection,
    asked: ControlOf<"get" | "list">,
  ): Promise<void> {
    const { send, serving } = connection;
    const { request } = asked;
    const { shared } = this.#owner;
    const isClosed = () => this.#connection !== connection;
    try {
      if (!shared) throw new FileFailure("Nothing is shared here");
      if (serving.size >= MAX_UNDER_WAY) {
        throw new FileFailure("Too many requests at once; try again later");
      }
      if (asked.type === "list") {
        const listing = await shared.list();
        // A list is long: until it is sent it counts as under way.
        return await send(
          encodeControl({ type: "listing", request, ...listing }),
        );
      }
      const outgoing = await shared.find(asked.path);
      if (!isClosed()) await this.#serve(connection, outgoing, request);
    } catch (error) {
      // The peer ended the session or is lost; that may not have arrived yet.
      if (isClosed() || error instanceof Failure) return;
      if (!(error instanceof FileFailure)) throw error;
      // The reader of the connection finds out that it is broken.
      send(encodeControl({ type: "refuse", request, reason: error.message }))
        .catch(() => {});
    }
  }

  async #serve(
    connection: Connection,
    outgoing: Outgoing,
    request: number,
  ): Promise<void> {
    const about = { id: newId(), answers: request };
    const sending = connection.prepare(outgoing, about);
    const sent = connection.run(sending); // before it can be cancelled
    const state = { type: "running", attempt: sending } as const;
    const transfer = this.#add({ role: "serve", contents: outgoing, state });
    try {
      await sent;
      transfer.apply({ type: "finished", paths: [] });
    } catch (error) {
      const { message } = error as Error; // the cast: nothing else is thrown
      transfer.apply({ type: "failed", error: new FileFailure(message) });
      throw error;
    }
  }
}

function tooMuch(): FileFailure {
  return new FileFailure("Too much is offered at once; try again later");
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
