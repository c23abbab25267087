/**
 * All transfers on one connection, in both directions: which record is about
 * which of them, and what either side may ask for.
 *
 * The reader of the connection hands over each record about files, and waits
 * until it is taken, so a slow disk slows down the sender. Nothing here waits
 * for sending while it takes a record: two sides that wait for each other would
 * wait forever.
 *
 * @module
 */
import { Failure } from "../view/failure.ts";
import type { Outgoing } from "./file_source.ts";
import { Receiving } from "./receiving.ts";
import {
  BadRecord,
  type Control,
  type ControlOf,
  DATA,
  decodeControl,
  encodeControl,
  FileFailure,
  MAX_FILES,
  MAX_PATHS_LENGTH,
  readData,
} from "./records.ts";
import { newId, Sending, type SendRecord } from "./sending.ts";
import type { Listing, SharedFolder } from "./shared_folder.ts";
import type { Bytes } from "../../core/scram.ts";

/** So many offers, and so many requests, of one side may be under way. */
export const MAX_UNDER_WAY = 16;

/** What an exchange works with. */
export interface ExchangeOptions {
  /** Sends a record to the peer. */
  readonly send: SendRecord;
  /** What the peer may get; undefined: nothing. */
  readonly shared: SharedFolder | undefined;
  /** An offer waits to be accepted or cancelled. */
  offered(receiving: Receiving): void;
  /** The peer gets something that is shared; `done` settles at its end. */
  served(sending: Sending, done: Promise<void>): void;
}

/** See the top of the file. */
export class FileExchange {
  readonly #options: ExchangeOptions;
  readonly #sendings = new Map<number, Sending>();
  readonly #receivings = new Map<number, Receiving>();
  readonly #requests = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #serving = new Set<Promise<void>>();
  #lastTransfer = 0;
  #lastRequest = 0;
  #closed: Error | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** Prepares an offer; {@linkcode send} makes it. */
  offer(
    outgoing: Outgoing,
    { id = newId(), answers }: { id?: string; answers?: number } = {},
  ): Sending {
    const { send } = this.#options;
    const transfer = ++this.#lastTransfer;
    return new Sending({ transfer, id, outgoing, send, answers });
  }

  /** Makes an offer, and carries it to its end; see {@linkcode Sending.run}. */
  async send(sending: Sending): Promise<void> {
    if (this.#closed) throw this.#closed;
    this.#sendings.set(sending.transfer, sending);
    try {
      await sending.run();
    } finally {
      this.#sendings.delete(sending.transfer);
    }
  }

  /**
   * Asks for something of the peer's shared folder.
   *
   * @returns Its offer, still to be accepted.
   * @throws {FileFailure} If there is no such thing.
   */
  async get(path: string): Promise<Receiving> {
    const answer = await this.#ask((request) => ({
      type: "get",
      request,
      path,
    }));
    if (answer instanceof Receiving) return answer;
    throw new FileFailure(`Requested "${path}", but received a list`);
  }

  /**
   * Asks what the peer's shared folder has.
   *
   * @throws {FileFailure} If it has none, or answers something else.
   */
  async list(): Promise<Listing> {
    const answer = await this.#ask((request) => ({ type: "list", request }));
    if (!(answer instanceof Receiving)) return answer;
    const failure = new FileFailure(
      "Requested a list, but received files",
    );
    await answer.cancel(failure);
    throw failure;
  }

  /**
   * Takes a record of the peer; see `isFileRecord`.
   *
   * @throws {BadRecord} If no honest client sends it.
   */
  async receive(record: Bytes): Promise<void> {
    if (record[0] === DATA) {
      const { transfer, bytes } = readData(record);
      return await this.#receivings.get(transfer)?.take(bytes);
    }
    const control = decodeControl(record);
    switch (control.type) {
      case "offer":
        return await this.#offered(control);
      case "manifest":
        await this.#receivings.get(control.transfer)?.receive(control);
        return await this.#listed(control.transfer);
      case "begin":
      case "end":
      case "withdraw":
        return await this.#receivings.get(control.transfer)?.receive(control);
      case "get":
      case "list":
        return this.#asked(control);
      case "listing":
        return this.#requests.get(control.request)?.resolve(control);
      case "refuse":
        return this.#requests.get(control.request)
          ?.reject(new FileFailure(control.reason));
      default:
        return this.#sendings.get(control.transfer)?.receive(control);
    }
  }

  /** Ends everything for `reason`: the connection is gone. */
  async close(reason: Error): Promise<void> {
    this.#closed = reason;
    for (const sending of this.#sendings.values()) sending.abort(reason);
    for (const request of this.#requests.values()) request.reject(reason);
    const receivings = [...this.#receivings.values()];
    await Promise.all(receivings.map((one) => one.abort(reason)));
    await Promise.all(this.#serving);
  }

  async #offered(offer: ControlOf<"offer">): Promise<void> {
    const receiving = new Receiving(offer, this.#options.send);
    const { transfer } = offer;
    if (offer.files === 0 || this.#receivings.has(transfer)) {
      throw new BadRecord("an offer of nothing, or twice");
    }
    const others = [...this.#receivings.values()];
    const files = others.reduce((sum, one) => sum + one.files, offer.files);
    if (others.length >= MAX_UNDER_WAY || files > MAX_FILES) {
      return await receiving.cancel(tooMuch());
    }
    this.#receivings.set(transfer, receiving);
    const forget = () => void this.#receivings.delete(transfer);
    receiving.outcome.then(forget, forget);
  }

  /** Some of a manifest was received, or all of it. */
  async #listed(transfer: number): Promise<void> {
    const receiving = this.#receivings.get(transfer);
    const all = this.#receivings.values();
    const length = all.reduce((sum, one) => sum + one.pathsLength, 0);
    if (length > MAX_PATHS_LENGTH) return await receiving?.cancel(tooMuch());
    if (!receiving?.listed) return;
    const request = this.#requests.get(receiving.answers ?? 0);
    if (request) request.resolve(receiving);
    else this.#options.offered(receiving);
  }

  async #ask(asking: (request: number) => Control): Promise<Answer> {
    if (this.#closed) throw this.#closed;
    const request = ++this.#lastRequest;
    const answer = Promise.withResolvers<Answer>();
    this.#requests.set(request, answer);
    answer.promise.catch(() => {}); // it may be closed while this is sent
    try {
      await this.#options.send(encodeControl(asking(request)));
      return await answer.promise;
    } finally {
      this.#requests.delete(request);
    }
  }

  #asked(control: ControlOf<"get" | "list">): void {
    const serving = this.#serve(control)
      .finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
  }

  async #serve(control: ControlOf<"get" | "list">): Promise<void> {
    const { request } = control;
    const { send, shared, served } = this.#options;
    try {
      if (!shared) throw new FileFailure("Nothing is shared here");
      if (this.#serving.size >= MAX_UNDER_WAY) {
        throw new FileFailure("Too many requests at once; try again later");
      }
      if (control.type === "list") {
        const listing = await shared.list();
        // A list is long: until it is sent it counts as under way.
        return await send(
          encodeControl({ type: "listing", request, ...listing }),
        );
      }
      const outgoing = await shared.find(control.path);
      const sending = this.offer(outgoing, { answers: request });
      const done = this.send(sending);
      served(sending, done);
      await done;
    } catch (error) {
      // The peer ended the session or is lost; that may not have arrived yet.
      if (this.#closed || error instanceof Failure) return;
      if (!(error instanceof FileFailure)) throw error;
      // The reader of the connection finds out that it is broken.
      send(encodeControl({ type: "refuse", request, reason: error.message }))
        .catch(() => {});
    }
  }
}

function tooMuch(): FileFailure {
  return new FileFailure("Too much is offered at once; try again later");
}

/** What answers a request. */
type Answer = Receiving | Listing;
