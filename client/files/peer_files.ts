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
  type ControlOf,
  DATA,
  decodeControl,
  encodeControl,
  FileFailure,
  Lines,
  readData,
} from "./records.ts";
import type { OfferedItem } from "./names.ts";
import { MAX_UNDER_WAY, PeerConnection } from "./peer_connection.ts";
import { Receiving } from "./receiving.ts";
import { newId, type Sending, type SendRecord } from "./sending.ts";
import type { Listing, Outgoing } from "./file_source.ts";
import {
  type Announced,
  Transfer,
  type TransferEnd,
  type TransferEvent,
  type TransferOptions,
  type TransferState,
} from "./transfer.ts";
import type { Transfers } from "./transfers.ts";
import type { Bytes } from "../../core/scram.ts";

/** Begins a transfer on a connection. */
type Begin = (transfer: Transfer, connection: PeerConnection) => Promise<void>;

/** See the top of the file. */
export class PeerFiles {
  /** Whether anything was ever sent or received. */
  used = false;
  readonly #owner: Transfers;
  readonly #peer: string;
  #announced: Announced | undefined; // until the first offer
  /** All that have not ended, the oldest first, and what begins each. */
  readonly #transfers = new Map<Transfer, Begin | undefined>();
  readonly #tasks = new Set<Promise<void>>();
  #connection: PeerConnection | undefined;
  #connected = Promise.withResolvers<PeerConnection>();
  readonly #offeredFirst = Promise.withResolvers<Transfer | undefined>();

  /**
   * If the session was opened for files, the call has `announced` them, and the
   * first offer has to agree with that.
   */
  constructor(owner: Transfers, peer: string, announced?: Announced) {
    this.#owner = owner;
    this.#peer = peer;
    this.#announced = announced;
  }

  /** The first offer of the peer; undefined if the session ended without one. */
  get offered(): Promise<Transfer | undefined> {
    return this.#offeredFirst.promise;
  }

  /** There is a connection: continues everything. */
  connect(send: SendRecord): void {
    this.#connection = new PeerConnection(send);
    this.#connected.resolve(this.#connection);
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
        return await connection.takeOffer(control);
      case "manifest": {
        const receiving = await connection.takeManifest(control);
        if (!receiving) return;
        const request = requests.get(receiving.offer.answers ?? 0);
        return request ? request.resolve(receiving) : this.#offered(receiving);
      }
      case "begin":
      case "missing":
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
    await this.disconnect(reason); // first, or partial files would be removed
    const error = new FileFailure(reason.message, { cause: reason });
    this.#applyToAll({ type: "failed", error });
    this.#connected.promise.catch(() => {}); // list() may not have been called
    this.#connected.reject(error);
    this.#offeredFirst.resolve(undefined);
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
        const { sending, sent } = connection.offer(outgoing, { id });
        transfer.apply({ type: "offered", attempt: sending });
        sending.accepted.then(() => transfer.apply({ type: "accepted" }));
        await sent;
        transfer.apply(await sentOutcome(outgoing, sending));
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
          const failure = new FileFailure(why);
          await receiving.cancel(failure);
          throw failure;
        }
        const { state } = transfer;
        if (state.type === "failed") return await receiving.cancel(state.error);
        transfer.contents = receiving;
        transfer.apply({ type: "offered", attempt: receiving });
        await this.#owner.decide(transfer);
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
    const connection = this.#connection ?? await this.#connected.promise;
    const answer = await connection.ask({ type: "list" });
    if (!(answer instanceof Receiving)) return answer;
    const failure = new FileFailure("Requested a list, but received files");
    await answer.cancel(failure);
    throw failure;
  }

  #add(
    parts: Omit<TransferOptions, "number" | "peer" | "changed">,
    begin?: Begin,
    number = ++this.#owner.lastNumber,
  ): Transfer {
    const transfer = new Transfer({
      ...parts,
      number,
      peer: this.#peer,
      changed: (transfer, before) => this.#changed(transfer, before),
    });
    this.#transfers.set(transfer, begin);
    this.used = true;
    this.#owner.began(transfer, this);
    this.#begin();
    return transfer;
  }

  /** Tells that the state is another, and does what it asks for. */
  #changed(transfer: Transfer, before: TransferState): void {
    const { state, isOver } = transfer;
    if (isOver) this.#transfers.delete(transfer);
    this.#owner.changed(transfer);
    if (isOver) this.#begin(); // there is room for another
    if (state.type === "running" && state.attempt instanceof Receiving) {
      this.#run(transfer, this.#receive(transfer, state.attempt));
    }
    const attempt = "attempt" in before ? before.attempt : undefined;
    if (attempt && state.type === "failed") {
      this.#run(transfer, attempt.cancel(state.error));
    }
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
    const destination = { folder, sender: this.#peer, receiver: me };
    try {
      const finished = transfer.finished;
      const paths = await receiving.accept(destination, finished);
      const { missing, renamed } = receiving;
      transfer.apply({
        ...{ type: "done", missing, renamed },
        paths: paths.filter((path) => path !== ""),
      });
    } finally {
      transfer.finished = receiving.finished;
    }
  }

  #offered(receiving: Receiving): void {
    const { id } = receiving.offer;
    const known = this.#transfers.keys().find((one) => one.id === id);
    if (known && !continues(known, receiving)) {
      const why = "It was offered before with other contents";
      return void receiving.cancel(new FileFailure(why));
    }
    const state = { type: "offered", attempt: receiving } as const;
    const about = { role: "receive", id, contents: receiving, state } as const;
    const transfer = known ??
      this.#add(about, undefined, this.#announced?.number);
    this.#offeredFirst.resolve(transfer);
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
    connection: PeerConnection,
    asked: ControlOf<"get" | "list">,
  ): Promise<void> {
    const { send, serving } = connection;
    const { request } = asked;
    const { shared } = this.#owner;
    const isClosed = () => this.#connection !== connection;
    try {
      if (!shared) throw new FileFailure("This user shares no files");
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
    connection: PeerConnection,
    outgoing: Outgoing,
    request: number,
  ): Promise<void> {
    const about = { id: newId(), answers: request };
    const { sending, sent } = connection.offer(outgoing, about);
    const state = { type: "running", attempt: sending } as const;
    const transfer = this.#add({ role: "serve", contents: outgoing, state });
    await sent.catch((error: Error) => {
      const failure = new FileFailure(error.message);
      transfer.apply({ type: "failed", error: failure });
      throw error;
    });
    transfer.apply(await sentOutcome(outgoing, sending));
  }
}

/** What there is of files that were sent. */
async function sentOutcome(
  outgoing: Outgoing,
  { disk }: Sending,
): Promise<TransferEnd> {
  const renamed = disk ? await outgoing.renamedOn(disk) : new Lines();
  const { missing } = outgoing;
  return { type: "done", paths: [], missing, renamed };
}

/** Whether what is offered is called what was asked for, in any form of letters. */
function isCalled({ items }: Receiving, path: string): boolean {
  const [item, ...others] = items;
  const wanted = path.split(/[\\/]/).findLast((part) => part !== "");
  return others.length === 0 && wanted !== undefined &&
    item?.title.normalize("NFC") === wanted.normalize("NFC");
}

/** Whether an offer is that of `transfer`, after a break. */
function continues(transfer: Transfer, { items }: Receiving): boolean {
  const { role, state, contents } = transfer;
  const identity = (items: readonly OfferedItem[]) =>
    JSON.stringify(items.map((one) => [one.title, one.size, one.files.length]));
  return role === "receive" && "attempt" in state && !state.attempt &&
    identity(contents.items ?? []) === identity(items);
}
