/**
 * The files of one page: what is dropped there goes to others directly, and what
 * they offer comes to our disk. What the page shows of it, cards with numbers,
 * is told to it in words whenever it changes.
 *
 * The page has the connection to the server, and we those to the others; see
 * page_talk.ts for what both tell each other.
 *
 * @module
 */
import {
  ChatError,
  type ErrorCode,
  ERRORS,
  type Headers,
  lookAlike,
  type RequestVerb,
} from "../../protocol.ts";
import type { Audience } from "../direct/direct_talk.ts";
import { DirectSessions, offerOf } from "../direct/direct_sessions.ts";
import { EXIT, Failure } from "../terminal/failure.ts";
import { FileFailure } from "../files/failure.ts";
import type { SharedFolder } from "../files/share.ts";
import { OutgoingList } from "../files/source.ts";
import type { FileTalk } from "../files/talk.ts";
import { doneText, failedText, servedText } from "../files/words.ts";
import type { Call } from "../direct/calls.ts";
import {
  answerLook,
  type CallCard,
  callLook,
  Cards,
  transferLook,
} from "./page_cards.ts";
import { type AskedPage, DropSource, type Reads } from "./page_drop.ts";
import type { PageLink } from "./page_link.ts";
import type { FromPage } from "../../core/page_talk.ts";
import {
  type Done,
  type Transfer,
  Transfers,
  type TransfersWatcher,
} from "../files/transfers.ts";
import type { Item } from "../terminal/view.ts";

/** So many files that were received are named by their paths. */
const MAX_NAMED = 3;

/** What a {@linkcode PageVisit} needs. */
export interface PageVisitParts {
  /** To the page. */
  readonly link: PageLink;
  /** Who sits before it. */
  readonly me: string;
  /** What it is asked for. */
  readonly reads: Reads;
  /** Where files go that we receive. Default: the folder for downloads. */
  readonly folder?: string | undefined;
  /** What others may get. Default: nothing. */
  readonly shared?: SharedFolder | undefined;
  /** Whether others may offer files. Default true. */
  readonly listens?: boolean | undefined;
  /** The only address for direct connections. Default: all of this computer. */
  readonly hostname?: string | undefined;
}

/** See the top of the file. */
export class PageVisit implements AsyncDisposable, TransfersWatcher {
  readonly #parts: PageVisitParts;
  readonly #gone = new AbortController();
  readonly #requests = new Map<number, PromiseWithResolvers<void>>();
  readonly #transfers: Transfers;
  readonly #sessions: DirectSessions;
  readonly #cards: Cards;
  readonly #rooms = new WeakMap<Transfer, string>(); // that there is for offers
  readonly #unwanted = new WeakSet<FileTalk>(); // answered, and then ended
  #lastRequest = 0;

  /** Nothing is under way yet. */
  constructor(parts: PageVisitParts) {
    const { me, folder, shared, listens = true, hostname } = parts;
    this.#parts = parts;
    this.#cards = new Cards(parts.link);
    this.#transfers = new Transfers({ me, folder, shared, watcher: this });
    this.#sessions = new DirectSessions({
      hostname,
      request: (verb, args, headers) => this.#request(verb, args, headers),
      refusal: () => listens ? undefined : "takes no calls",
      rings: (call) => this.#rings(call),
      talk: (name, told) => this.#transfers.talk(name, told),
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
        return this.#sessions.receive({ verb, args, headers, body });
      }
      case "answer":
        return this.#answered(message);
      case "send":
        return this.#send(message);
      case "accept":
        return this.#sessions.own(this.#accept(message.transfer));
      case "end":
        return this.#sessions.own(this.#end(message.transfer));
      case "unreadable":
        return this.#parts.reads.fail(message.read);
    }
  }

  /** The page is gone: ends everything, and says so to the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Failure(EXIT.failed, "The page is gone");
    this.#gone.abort(gone);
    for (const { reject } of this.#requests.values()) reject(gone);
    await this.#sessions[Symbol.asyncDispose]();
  }

  /** See {@linkcode TransfersWatcher}. */
  began(transfer: Transfer): void {
    const { talk } = transfer;
    if (this.#unwanted.has(talk)) {
      return this.#sessions.own(this.#transfers.end(transfer));
    }
    this.#cards.put({ kind: "transfer", transfer }, this.#cards.answerOf(talk));
    this.moved([transfer]);
  }

  /** See {@linkcode TransfersWatcher}. */
  async asks(transfer: Transfer): Promise<void> {
    const { size } = transfer.job;
    this.#rooms.set(transfer, await this.#transfers.roomFor(size));
    this.moved([transfer]);
  }

  /** See {@linkcode TransfersWatcher}. */
  serves({ job }: Transfer): void {
    this.#tell(job.peer, servedText(job));
  }

  /** See {@linkcode TransfersWatcher}. */
  refuses({ job }: Transfer, why: string): void {
    this.#tell(job.peer, why, true);
  }

  /** See {@linkcode TransfersWatcher}. */
  done(transfer: Transfer, { paths, tookMs }: Done): void {
    const { job } = transfer;
    const more = paths.length > MAX_NAMED
      ? ` and ${paths.length - MAX_NAMED} more`
      : "";
    const where = paths.length === 0
      ? ""
      : `: ${paths.slice(0, MAX_NAMED).join(", ")}${more}`;
    this.#remove(transfer);
    this.#tell(job.peer, `${doneText(job, tookMs)}${where}`);
  }

  /** See {@linkcode TransfersWatcher}. */
  failed(transfer: Transfer, error: Error): void {
    const { job } = transfer;
    const { me } = this.#parts;
    this.#remove(transfer);
    this.#tell(job.peer, failedText(job, { error, me }), true);
  }

  /** See {@linkcode TransfersWatcher}. */
  moved(transfers: readonly Transfer[]): void {
    for (const transfer of transfers) {
      const number = this.#cards.numberOf(transfer);
      if (number === undefined) continue; // it was ended before it began
      const room = this.#rooms.get(transfer);
      this.#cards.show(number, transferLook(transfer, room));
    }
  }

  #rings(call: Call): void {
    const { offer } = call;
    if (offer.purpose !== "file") {
      return this.#sessions.decline(call, "takes files alone");
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

  /** Somebody wants what we share. */
  #serve(call: Call): void {
    const why = this.#parts.shared
      ? this.#sessions.busyReason
      : "shares nothing";
    if (why !== undefined) this.#sessions.decline(call, why);
    else this.#sessions.answer(call);
  }

  async #ask(number: number, card: CallCard): Promise<void> {
    const room = await this.#transfers.roomFor(card.offer.size);
    if (this.#cards.get(number) !== card) return; // it rings no more
    this.#cards.show(number, callLook(card, room));
  }

  async #accept(number: number): Promise<void> {
    const card = this.#cards.get(number);
    if (card?.kind === "call") await this.#answer(number, card);
    if (card?.kind !== "transfer") return;
    const { transfer } = card;
    const lacking = await this.#transfers.accept(transfer);
    if (lacking === undefined) this.#rooms.delete(transfer);
    else this.#tell(transfer.job.peer, lacking, true);
  }

  async #answer(number: number, card: CallCard): Promise<void> {
    const { talk, over } = this.#sessions.answer(card.call);
    this.#cards.put({ kind: "answer", talk }, number);
    this.#cards.show(number, answerLook(card));
    await over;
    if (this.#cards.get(number)?.kind !== "answer") return;
    this.#cards.drop(number); // they did not meet, or the other side left
    const { call: { name }, offer } = card;
    this.#tell(name, `${offer.name} of ${name} has not come`, true);
  }

  async #end(number: number): Promise<void> {
    const card = this.#cards.get(number);
    switch (card?.kind) {
      case "call":
        return this.#sessions.decline(card.call, "not now");
      case "answer":
        this.#unwanted.add(card.talk);
        return this.#cards.drop(number);
      case "transfer":
        return await this.#transfers.end(card.transfer);
    }
  }

  #send({ drop, to, files }: FromPage & { type: "send" }): void {
    const { link, me } = this.#parts;
    const forget = () => link.say({ type: "forget", drop });
    try {
      if (lookAlike(to) === lookAlike(me)) {
        throw new FileFailure("Cannot send to yourself");
      }
      const outgoing = this.#outgoing(drop, files);
      const talk = this.#sessions.talkWith(to);
      const { job } = this.#transfers.send(talk, outgoing);
      this.#sessions.use(to, talk, { offer: offerOf(job), use: job.settled });
      this.#sessions.own(job.settled.then(forget));
    } catch (error) {
      if (!(error instanceof FileFailure)) throw error;
      this.#tell(to, error.message, true);
      forget();
    }
  }

  /** @throws {FileFailure} If that cannot be sent. */
  #outgoing(
    drop: number,
    files: (FromPage & { type: "send" })["files"],
  ): OutgoingList<DropSource> {
    const { link, reads } = this.#parts;
    const page: AskedPage = {
      ask: (read, piece) => link.say({ type: "read", read, ...piece }),
      gone: this.#gone.signal,
    };
    const outgoing = new OutgoingList<DropSource>();
    for (const [file, dropped] of files.entries()) {
      const fill = (place: Uint8Array, from: number) => {
        const piece = { drop, file, from, to: from + place.length };
        return reads.fill(place, piece, page);
      };
      outgoing.add(new DropSource(dropped, fill));
    }
    if (files.length > 0) return outgoing;
    throw new FileFailure("Cannot send that: it is no file");
  }

  /** Has the page ask the server. */
  #request(
    verb: RequestVerb,
    args: readonly string[],
    headers: Headers,
  ): Promise<void> {
    const { signal } = this.#gone;
    if (signal.aborted) return Promise.reject(signal.reason);
    const request = ++this.#lastRequest;
    const asked = Promise.withResolvers<void>();
    this.#requests.set(request, asked);
    this.#parts.link.say({ type: "request", request, verb, args, headers });
    return asked.promise;
  }

  #answered({ request, code, reason }: FromPage & { type: "answer" }): void {
    const asked = this.#requests.get(request);
    this.#requests.delete(request);
    if (reason === undefined) asked?.resolve();
    else asked?.reject(refusal(code, reason));
  }

  /** What is said besides files, and of the connection. */
  #audience(name: string): Audience {
    return {
      show: (item) => {
        const [text, failed] = [wordsOf(item), item.kind === "error"];
        const news = item.kind !== "note"; // how the connection is
        this.#parts.link.say({ type: "told", peer: name, text, failed, news });
      },
      flushed: () => this.#parts.link.flushed(),
    };
  }

  #tell(peer: string, text: string, failed = false): void {
    this.#parts.link.say({ type: "told", peer, text, failed, news: true });
  }

  #remove(transfer: Transfer): void {
    this.#rooms.delete(transfer);
    const number = this.#cards.numberOf(transfer);
    if (number !== undefined) this.#cards.drop(number);
  }
}

/** What the server has answered; or that it has not. */
function refusal(code: number | undefined, reason: string): Error {
  return code !== undefined && Object.hasOwn(ERRORS, code)
    // The cast: it is a key, as was just found.
    ? new ChatError(code as ErrorCode, reason)
    : new Failure(EXIT.failed, reason);
}

/** What a conversation shows, for a page that has no place for all of it. */
function wordsOf(item: Item): string {
  if (item.kind === "message") {
    return `${item.from} says directly: ${item.text}`;
  }
  return item.kind === "room" ? item.name : item.text;
}
