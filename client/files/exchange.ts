/**
 * Everything about files on one direct connection: what each side offers, asks
 * for and sends, any number of things at once, beside whatever else is said.
 *
 * Whoever reads the connection hands over each record that is about files, and
 * waits until it is taken: so a slow disk slows down the sender. Nothing here
 * ever waits for sending while it takes a record, or two sides that wait for
 * each other would wait forever.
 *
 * @module
 */
import { Failure } from "../view/failure.ts";
import {
  BadRecord,
  type Control,
  type ControlOf,
  DATA,
  decodeControl,
  encodeControl,
  type Entry,
  FileFailure,
  MAX_FILES,
  MAX_PATHS_LENGTH,
  readData,
} from "./records.ts";
import { Receiving } from "./receive.ts";
import { newId, type Say, Sending } from "./send.ts";
import type { SharedFolder } from "./share.ts";
import type { Outgoing } from "./source.ts";
import type { Bytes } from "../../core/scram.ts";

/** So much of one side may be under way at a time: offers, and requests. */
export const MAX_UNDER_WAY = 16;

/** What happens, for whoever shows it and decides. */
export interface ExchangeEvents {
  /** Something is offered, and waits to be accepted or declined. */
  offered(receiving: Receiving): void;
  /**
   * Something of our shared folder was asked for, and is offered; `done` is as
   * from {@linkcode FileExchange.send}.
   */
  served(sending: Sending, done: Promise<void>): void;
}

/** What an exchange needs to know. */
export interface ExchangeOptions extends ExchangeEvents {
  /** To the other side. */
  readonly say: Say;
  /** What may be asked for; undefined: nothing. */
  readonly shared: SharedFolder | undefined;
}

/** What a shared folder has. */
export interface Listing {
  /** Files by their paths; all of item 0. */
  readonly entries: readonly Entry[];
  /** How many more there are. */
  readonly more: number;
}

/** See the top of the file. */
export class FileExchange {
  readonly #options: ExchangeOptions;
  readonly #sendings = new Map<number, Sending>();
  readonly #receivings = new Map<number, Receiving>();
  readonly #requests = new Map<number, Request>();
  readonly #serving = new Set<Promise<void>>();
  #lastTransfer = 0;
  #lastRequest = 0;
  #closed: Error | undefined;

  /** Begins with nothing under way. */
  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** Prepares an offer; {@linkcode send} makes it. */
  offer(
    outgoing: Outgoing,
    { id = newId(), answers }: { id?: string; answers?: number } = {},
  ): Sending {
    return new Sending({
      transfer: ++this.#lastTransfer,
      id,
      outgoing,
      say: this.#options.say,
      ...(answers === undefined ? {} : { answers }),
    });
  }

  /** Makes an offer, and sees it to its end; see {@linkcode Sending.run}. */
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
   * Asks for something of the other side's shared folder.
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
    throw new FileFailure(`"${path}" was asked for, and a list came instead`);
  }

  /**
   * Asks what the other side's shared folder has.
   *
   * @throws {FileFailure} If it has none, or answers something else.
   */
  async list(): Promise<Listing> {
    const answer = await this.#ask((request) => ({ type: "list", request }));
    if (!(answer instanceof Receiving)) return answer;
    const failure = new FileFailure(
      "A list was asked for, and files came instead",
    );
    await answer.cancel(failure);
    throw failure;
  }

  /**
   * Takes a record of the other side; see `isFileRecord`.
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
      case "begin":
      case "end":
      case "withdraw":
        return await this.#hear(control);
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
    const receiving = new Receiving(offer, this.#options.say);
    const { transfer } = offer;
    if (offer.files === 0 || this.#receivings.has(transfer)) {
      throw new BadRecord("an offer of nothing, or twice");
    }
    const others = [...this.#receivings.values()];
    const files = others.reduce((sum, one) => sum + one.files, offer.files);
    if (others.length >= MAX_UNDER_WAY || files > MAX_FILES) {
      return await receiving.cancel(new FileFailure(TOO_MUCH));
    }
    this.#receivings.set(transfer, receiving);
    const forget = () => void this.#receivings.delete(transfer);
    receiving.outcome.then(forget, forget);
  }

  /** Of all that is offered, in UTF-16 units. */
  get #pathsLength(): number {
    return this.#receivings.values()
      .reduce((sum, { pathsLength }) => sum + pathsLength, 0);
  }

  async #hear(
    control: ControlOf<"manifest" | "begin" | "end" | "withdraw">,
  ): Promise<void> {
    const receiving = this.#receivings.get(control.transfer);
    await receiving?.receive(control);
    if (control.type !== "manifest" || !receiving) return;
    if (this.#pathsLength > MAX_PATHS_LENGTH) {
      return await receiving.cancel(new FileFailure(TOO_MUCH));
    }
    if (!receiving.listed) return;
    const request = this.#requests.get(receiving.answers ?? 0);
    if (request) request.resolve(receiving);
    else this.#options.offered(receiving);
  }

  async #ask(asking: (request: number) => Control): Promise<Answer> {
    if (this.#closed) throw this.#closed;
    const request = ++this.#lastRequest;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#requests.set(request, { resolve, reject });
    try {
      await this.#options.say(encodeControl(asking(request)));
      return await promise;
    } finally {
      this.#requests.delete(request);
    }
  }

  #asked(control: ControlOf<"get" | "list">): void {
    const serving = this.#serve(control)
      .finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
  }

  async #serve(
    control: ControlOf<"get" | "list">,
  ): Promise<void> {
    const { request } = control;
    try {
      const { shared } = this.#options;
      if (!shared) throw new FileFailure("Nothing is shared here");
      if (this.#serving.size >= MAX_UNDER_WAY) {
        throw new FileFailure("Too much is asked for at once; try again later");
      }
      if (control.type === "list") {
        const listing = await shared.list();
        const answer = { type: "listing", request, ...listing } as const;
        // A list is long: until it is sent it counts as under way.
        return await this.#options.say(encodeControl(answer));
      }
      const outgoing = await shared.find(control.path);
      const sending = this.offer(outgoing, { answers: request });
      const done = this.send(sending);
      this.#options.served(sending, done);
      await done;
    } catch (error) {
      // Who asked has hung up, or is lost; we may not have read that yet.
      if (this.#closed || error instanceof Failure) return;
      if (!(error instanceof FileFailure)) throw error;
      this.#tell({ type: "refuse", request, reason: error.message });
    }
  }

  #tell(control: Control): void {
    // A broken connection is told by whoever reads from it.
    this.#options.say(encodeControl(control)).catch(() => {});
  }
}

const TOO_MUCH = "Too much is offered at once; try again later";

type Answer = Receiving | Listing;

/** Somebody who waits for an answer. */
interface Request {
  resolve(answer: Answer): void;
  reject(reason: Error): void;
}
