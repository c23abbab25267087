/**
 * Files for the pages of `client.ts --gui`. What is dropped on a page goes to
 * others directly, and what they offer is written to the disk. The page shows
 * cards with numbers, and is told how each looks whenever that changes.
 *
 * The page has the connection to the server, and this program has those to the
 * peers; core/page_talk.ts has what the two tell each other. Loaded with `--gui`
 * alone.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import type { AnsweredVerb } from "../../core/net/connection.ts";
import { SENT_TO_SELF } from "../../core/text/sentences.ts";
import {
  ChatError,
  type ErrorCode,
  ERRORS,
  type Headers,
  lookAlike,
} from "../../protocol.ts";
import type {
  DroppedFile,
  FromPage,
  ShownTransfer,
} from "../../core/page_talk.ts";
import type { Call } from "../direct/calls.ts";
import { DirectSessions } from "../direct/direct_sessions.ts";
import type { Audience } from "../direct/direct_talk.ts";
import { BadRecord, FileFailure } from "../files/records.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import { Outgoing, type SharedFolder } from "../files/file_source.ts";
import type { Announced, Transfer } from "../files/transfer.ts";
import { Transfers, type TransfersObserver } from "../files/transfers.ts";
import { amountText, endText, servedText, stateText } from "../files/words.ts";
import { EXIT, Failure } from "../view/failure.ts";
import type { Item } from "../view/view.ts";
import type { ByteStream } from "../../core/net/stream.ts";
import { droppedFile, Reads } from "./page_drop.ts";
import { PageLink } from "./page_link.ts";

/** So many files that were received are named by their paths. */
const MAX_NAMED = 3;

/** How files of pages are dealt with. */
export interface PageFilesOptions {
  /** Where received files go. Default: the folder for downloads. */
  readonly folder?: string | undefined;
  /** What others may get. Default: nothing. */
  readonly shared?: SharedFolder | undefined;
  /** Whether others may offer files. Default true. */
  readonly listens?: boolean | undefined;
  /** The only address for direct connections. Default: all of this computer. */
  readonly hostname?: string | undefined;
}

/** Serves the files of any number of pages. */
export function pageFiles(options: PageFilesOptions) {
  const reads = new Reads();
  return {
    /** See {@linkcode Reads.take}. */
    take: (read: number, bytes: AsyncIterable<Uint8Array>) =>
      reads.take(read, bytes),
    /** Serves the page of `me`, until it is gone or `wire` is closed. */
    async attend(wire: ByteStream, me: string): Promise<void> {
      const link = new PageLink(wire);
      await using session = new PageSession({ ...options, link, me, reads });
      try {
        for await (const message of link.heard()) session.hear(message);
      } catch (error) {
        if (!(error instanceof BadRecord)) throw error;
        console.error(
          `Cannot continue with a page: it sent ${error.message}. Reload it.`,
        );
      }
    },
  };
}

/** What a {@linkcode PageSession} needs. */
interface PageSessionOptions extends PageFilesOptions {
  readonly link: PageLink;
  /** The name of the page's user. */
  readonly me: string;
  readonly reads: Reads;
}

/** The files of one page, as long as it is open. */
class PageSession implements AsyncDisposable, TransfersObserver {
  readonly #options: PageSessionOptions;
  readonly #gone = new AbortController();
  readonly #requests = new Map<number, PromiseWithResolvers<void>>();
  readonly #transfers: Transfers;
  readonly #sessions: DirectSessions;
  readonly #cards: Cards;
  readonly #rooms = new WeakMap<Transfer, string>(); // that there is for offers
  readonly #unwanted = new WeakSet<PeerFiles>(); // answered, and then ended
  #lastRequest = 0;

  constructor(options: PageSessionOptions) {
    const { me, folder, shared, listens = true, hostname } = options;
    this.#options = options;
    this.#cards = new Cards(options.link);
    this.#transfers = new Transfers({ me, folder, shared, observer: this });
    this.#sessions = new DirectSessions({
      hostname,
      request: (verb, args, headers) => this.#request(verb, args, headers),
      refusal: () => listens ? undefined : "this user takes no calls",
      rings: (call) => this.#rings(call),
      talk: (name, announced) => this.#transfers.withPeer(name, announced),
      audience: (name) => this.#audience(name),
      missed: (name, { message }) => {
        if (message !== "") this.#tell(name, message, true);
      },
    });
  }

  /** Takes what the page tells. */
  hear(message: FromPage): void {
    switch (message.type) {
      case "frame": {
        const { verb, args, headers } = message;
        const body = new Uint8Array();
        return this.#sessions.calls.receive({ verb, args, headers, body });
      }
      case "answer":
        return this.#answered(message);
      case "send":
        return this.#send(message);
      case "accept":
        return this.#sessions.own(this.#accept(message.transfer));
      case "end":
        return this.#end(message.transfer);
      case "unreadable":
        return this.#options.reads.fail(message.read);
    }
  }

  /** The page is gone: ends everything, and says so to the peers. */
  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Failure(EXIT.failed, "The page was closed");
    this.#gone.abort(gone);
    for (const { reject } of this.#requests.values()) reject(gone);
    await this.#sessions[Symbol.asyncDispose]();
  }

  /** See {@linkcode TransfersObserver}. */
  began(transfer: Transfer, files: PeerFiles): void {
    if (this.#unwanted.has(files)) return this.#transfers.end(transfer);
    const answer = this.#cards.numberOf(files);
    this.#cards.put({ kind: "transfer", shows: transfer }, answer);
    if (transfer.role !== "serve") return;
    this.#tell(transfer.peer, servedText(transfer));
  }

  /** See {@linkcode TransfersObserver}. */
  async asks(offer: Transfer): Promise<void> {
    this.#rooms.set(offer, await this.#transfers.roomFor(offer.contents.size));
    this.moved([offer]);
  }

  /** See {@linkcode TransfersObserver}. */
  refused({ peer }: Transfer, why: string): void {
    this.#tell(peer, why, true);
  }

  /** See {@linkcode TransfersObserver}. */
  ended(transfer: Transfer, tookMs: number): void {
    const { peer, state } = transfer;
    const paths = state.type === "done" ? state.paths : [];
    const named = paths.slice(0, MAX_NAMED).join(", ");
    const left = paths.length - MAX_NAMED;
    const more = left > 0 ? ` and ${left} more` : "";
    const where = named === "" ? "" : `: ${named}${more}`;
    const number = this.#cards.numberOf(transfer);
    if (number !== undefined) this.#cards.drop(number);
    const text = endText(transfer, this.#options.me, tookMs) + where;
    this.#tell(peer, text, state.type === "failed");
  }

  /** See {@linkcode TransfersObserver}. */
  moved(transfers: readonly Transfer[]): void {
    for (const transfer of transfers) {
      const number = this.#cards.numberOf(transfer);
      if (number === undefined) continue; // the user ended it before it began
      const room = this.#rooms.get(transfer);
      this.#cards.show(number, transferLook(transfer, room));
    }
  }

  #rings(call: Call): void {
    const { offer } = call;
    if (offer.purpose !== "file") {
      return this.#sessions.calls.decline(call, "takes files alone");
    }
    if (offer.files === 0) return this.#serve(call);
    const card = { kind: "call", call, offer } as const;
    const number = this.#cards.put(card);
    call.ended.addEventListener("abort", () => {
      const isOpen = this.#cards.get(number) === card; // it was not accepted
      if (isOpen) this.#cards.drop(number);
      const { message }: ChatError = call.ended.reason;
      if (message !== "") this.#tell(call.name, message);
    });
    this.#sessions.own(this.#ask(number, card));
  }

  /** The caller wants what the user shares. */
  #serve(call: Call): void {
    const why = this.#options.shared
      ? this.#sessions.busyReason
      : "this user shares nothing";
    if (why !== undefined) this.#sessions.calls.decline(call, why);
    else this.#sessions.answer(call);
  }

  async #ask(number: number, card: CallCard): Promise<void> {
    const room = await this.#transfers.roomFor(card.offer.size);
    if (this.#cards.get(number) !== card) return; // it no longer rings
    this.#cards.show(number, callLook(card, room));
  }

  async #accept(number: number): Promise<void> {
    const card = this.#cards.get(number);
    if (card?.kind === "call") await this.#answer(number, card);
    if (card?.kind !== "transfer") return;
    const lacking = await this.#transfers.accept(card.shows);
    if (lacking !== undefined) this.#tell(card.shows.peer, lacking, true);
  }

  async #answer(number: number, card: CallCard): Promise<void> {
    const { talk, over } = this.#sessions.answer(card.call);
    this.#cards.put({ kind: "answer", shows: talk }, number);
    this.#cards.show(number, callLook(card));
    await over;
    if (this.#cards.get(number)?.kind !== "answer") return;
    this.#cards.drop(number); // no connection, or the caller left
    const { call: { name }, offer } = card;
    this.#tell(name, `${offer.name} from ${name} did not arrive`, true);
  }

  #end(number: number): void {
    const card = this.#cards.get(number);
    switch (card?.kind) {
      case "call":
        return this.#sessions.calls.decline(card.call, "not now");
      case "answer":
        this.#unwanted.add(card.shows);
        return this.#cards.drop(number);
      case "transfer":
        return this.#transfers.end(card.shows);
    }
  }

  #send({ drop, to, files }: FromPage & { type: "send" }): void {
    const { link, me } = this.#options;
    const forget = () => link.say({ type: "forget", drop });
    try {
      if (lookAlike(to) === lookAlike(me)) {
        throw new FileFailure(SENT_TO_SELF);
      }
      const outgoing = this.#outgoing(drop, files);
      const talk = this.#sessions.talkWith(to);
      const transfer = talk.send(outgoing);
      this.#sessions.use(to, talk, transfer);
      this.#sessions.own(transfer.settled.then(forget));
    } catch (error) {
      if (!(error instanceof FileFailure)) throw error;
      this.#tell(to, error.message, true);
      forget();
    }
  }

  /** @throws {FileFailure} If the files cannot be sent. */
  #outgoing(drop: number, files: readonly DroppedFile[]): Outgoing {
    const { link, reads } = this.#options;
    const outgoing = new Outgoing();
    for (const [file, dropped] of files.entries()) {
      const fill = (place: Uint8Array, from: number) => {
        const piece = { drop, file, from, to: from + place.length };
        const ask = (read: number) =>
          link.say({ type: "read", read, ...piece });
        return reads.fill(place, ask, this.#gone.signal);
      };
      outgoing.add(droppedFile(dropped, fill));
    }
    if (files.length > 0) return outgoing;
    throw new FileFailure("Cannot send an empty list of files");
  }

  /** Has the page ask the server. */
  #request(
    verb: AnsweredVerb,
    args: readonly string[],
    headers: Headers,
  ): Promise<void> {
    const { signal } = this.#gone;
    if (signal.aborted) return Promise.reject(signal.reason);
    const request = ++this.#lastRequest;
    const asked = Promise.withResolvers<void>();
    this.#requests.set(request, asked);
    this.#options.link.say({ type: "request", request, verb, args, headers });
    return asked.promise;
  }

  #answered({ request, code, reason }: FromPage & { type: "answer" }): void {
    const asked = this.#requests.get(request);
    this.#requests.delete(request);
    if (reason === undefined) asked?.resolve();
    else asked?.reject(refusal(code, reason));
  }

  /** What is told besides files, and of the connection. */
  #audience(name: string): Audience {
    return {
      show: (item) => {
        const isNews = item.kind !== "note"; // notes: how the connection is
        this.#tell(name, wordsOf(item), item.kind === "error", isNews);
      },
      flushed: () => this.#options.link.flushed(),
    };
  }

  #tell(peer: string, text: string, failed = false, news = true): void {
    this.#options.link.say({ type: "told", peer, text, failed, news });
  }
}

/** What the server has answered; or that it has not. */
function refusal(code: number | undefined, reason: string): Error {
  return code !== undefined && Object.hasOwn(ERRORS, code)
    // The cast: it is a key, as was just found.
    ? new ChatError(code as ErrorCode, reason)
    : new Failure(EXIT.failed, reason);
}

/** What a direct session shows, for a page that has no place for all of it. */
function wordsOf(item: Item): string {
  if (item.kind === "message") return `${item.from} (direct): ${item.text}`;
  return item.kind === "room" ? item.name : item.text;
}

/** What there is under a number. */
type Card =
  /** A peer calls, to send files. */
  | { readonly kind: "call"; readonly call: Call; readonly offer: Announced }
  /** The user has accepted the call, and its files were not offered yet. */
  | { readonly kind: "answer"; readonly shows: PeerFiles }
  | { readonly kind: "transfer"; readonly shows: Transfer };

/** A {@linkcode Card} of a call. */
type CallCard = Card & { readonly kind: "call" };

/** How a card looks. */
export type Look = Omit<ShownTransfer, "transfer">;

/** What a page shows of files, and what it was told of that. */
export class Cards {
  readonly #link: PageLink;
  readonly #all = new Map<number, Card>();
  readonly #shown = new Map<number, Look>(); // as the page was told last
  #last = 0;

  constructor(link: PageLink) {
    this.#link = link;
  }

  /** The one under a number. */
  get(number: number): Card | undefined {
    return this.#all.get(number);
  }

  /** Puts one where another was, or else under a number of its own. */
  put(card: Card, number: number = ++this.#last): number {
    this.#all.set(number, card);
    return number;
  }

  /** Where a transfer is, or the answer that leads to files. */
  numberOf(shown: Transfer | PeerFiles): number | undefined {
    return this.#all.entries().find(([, card]) =>
      card.kind !== "call" && card.shows === shown
    )?.[0];
  }

  /**
   * Tells how one looks, if the page does not know. A slow page is told less
   * often how far it is, and everything else at once.
   */
  show(transfer: number, look: Look): void {
    const shown = this.#shown.get(transfer);
    if (isDeepStrictEqual(shown, look)) return;
    if (shown?.state === look.state && this.#link.behind) return;
    this.#shown.set(transfer, look);
    this.#link.say({ type: "transfer", transfer, ...look });
  }

  /** Takes one away. */
  drop(number: number): void {
    this.#all.delete(number);
    if (!this.#shown.delete(number)) return; // the page never saw it
    this.#link.say({ type: "over", transfer: number });
  }
}

/**
 * A call as it looks: while it rings, with the `room` that there is, in words;
 * or when it was answered.
 */
function callLook({ call, offer }: CallCard, room?: string): Look {
  const rest = room ?? `connecting to ${call.name}`;
  return {
    sends: false,
    peer: call.name,
    title: offer.name,
    part: 0,
    state: room === undefined ? "waiting" : "offered",
    text: `${amountText(offer.files, offer.size)}; ${rest}`,
  };
}

/** A transfer as it looks; `room` is what there is, if the user is asked. */
function transferLook(
  transfer: Transfer,
  room: string | undefined,
): Look {
  const { sends, peer, contents, state: { type }, moved } = transfer;
  const { title, files, size } = contents;
  const part = size === 0 ? 0 : Math.min(1, moved / size);
  const look = { sends, peer, title, part };
  const text = stateText(transfer);
  if (type === "paused") return { ...look, state: "paused", text };
  if (type !== "new" && type !== "offered") {
    return { ...look, state: "moving", text };
  }
  const amount = amountText(files, size);
  if (room !== undefined) {
    return { ...look, state: "offered", text: `${amount}; ${room}` };
  }
  const words = sends ? `${amount}; ${text}` : amount;
  return { ...look, state: "waiting", text: words };
}
