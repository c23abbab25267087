/**
 * One connection of a session about files, what is under way on it, and how much
 * the peer may have under way.
 *
 * @module
 */
import type { Listing, Outgoing } from "./file_source.ts";
import { Receiving } from "./receiving.ts";
import {
  BadRecord,
  type ControlOf,
  encodeControl,
  FileFailure,
  MAX_FILES,
  MAX_FOLDERS,
  MAX_PATHS_LENGTH,
} from "./records.ts";
import { Sending, type SendingOptions, type SendRecord } from "./sending.ts";
import type { Transfer } from "./transfer.ts";

/** So many offers, and so many requests, of one side may be under way. */
export const MAX_UNDER_WAY = 16;

/** What answers a request. */
type Answer = Receiving | Listing;

/** See the top of the file. */
export class PeerConnection {
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

  /** Makes an offer; `sent` settles as {@linkcode Sending.run} does. */
  offer(outgoing: Outgoing, about: Pick<SendingOptions, "id" | "answers">) {
    const { send, sendings } = this;
    const transfer = ++this.#lastTransfer;
    const sending = new Sending({ transfer, outgoing, send, ...about });
    sendings.set(transfer, sending);
    const sent = sending.run().finally(() => sendings.delete(transfer));
    return { sending, sent };
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

  /**
   * Takes an offer, whose manifest follows; or refuses it, if it is too much.
   *
   * @throws {BadRecord} If no honest client makes it.
   */
  async takeOffer(offer: ControlOf<"offer">): Promise<void> {
    const { receivings } = this;
    const receiving = new Receiving(offer, this.send);
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

  /**
   * Takes some of a manifest, and refuses its offer if it becomes too much.
   *
   * @returns The offer if it is whole; undefined before that.
   * @throws {BadRecord} If no honest client sends it.
   */
  async takeManifest(
    manifest: ControlOf<"manifest">,
  ): Promise<Receiving | undefined> {
    const { transfer } = manifest;
    await this.receivings.get(transfer)?.receive(manifest);
    const receiving = this.receivings.get(transfer); // unless it has failed
    if (!receiving) return undefined;
    const excess = this.#excessOf(receiving);
    if (!excess) return receiving.listed ? receiving : undefined;
    await receiving.cancel(excess);
    return undefined;
  }

  /** Why an offer is refused, alone or together with the others. */
  #excessOf(receiving: Receiving): FileFailure | undefined {
    if (receiving.folders > MAX_FOLDERS) {
      return new FileFailure(
        `It has more than ${MAX_FOLDERS} folders: pack them first`,
      );
    }
    let [length, folders] = [0, 0];
    for (const one of this.receivings.values()) {
      length += one.pathsLength;
      folders += one.folders;
    }
    const isOver = length > MAX_PATHS_LENGTH || folders > MAX_FOLDERS;
    return isOver ? tooMuch() : undefined;
  }
}

function tooMuch(): FileFailure {
  return new FileFailure("Too much is offered at once; try again later");
}
