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
import { abortable } from "@std/async/abortable";
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
import type { FromPage, ShownTransfer } from "../../core/page_talk.ts";
import type { Call } from "../direct/calls.ts";
import { DirectSessions } from "../direct/direct_sessions.ts";
import type { Audience } from "../direct/direct_talk.ts";
import { BadRecord, FileFailure } from "../files/records.ts";
import { Outgoing, type SharedFolder } from "../files/file_source.ts";
import type { Announced, Transfer } from "../files/transfer.ts";
import { Transfers, type TransfersObserver } from "../files/transfers.ts";
import {
  amountText,
  endText,
  missingText,
  renamedText,
  servedText,
  stateText,
} from "../files/words.ts";
import { EXIT, Failure } from "../view/failure.ts";
import type { SocketWire } from "../../web/serve/socket.ts";
import { droppedFile } from "./page_drop.ts";
import { PageLink } from "./page_link.ts";

/** So many files that were received are named by their paths. */
const MAX_NAMED = 3;

/** So many files that did not arrive, or changed names, are listed. */
const MAX_LISTED = 100;

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

/** Serves the files of a page of `me`, until it is gone or `wire` is closed. */
export function pageFiles(
  options: PageFilesOptions,
): (wire: SocketWire, me: string) => Promise<void> {
  return async (wire, me) => {
    const link = new PageLink(wire);
    await using session = new PageSession({ ...options, link, me });
    try {
      for await (const message of link.heard()) session.hear(message);
    } catch (error) {
      if (!(error instanceof BadRecord)) throw error;
      console.error(
        `Cannot continue with a page: it sent ${error.message}. Reload it.`,
      );
    }
  };
}

/** What a {@linkcode PageSession} needs. */
interface PageSessionOptions extends PageFilesOptions {
  readonly link: PageLink;
  /** The name of the page's user. */
  readonly me: string;
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
  readonly #unwanted = new WeakSet<object>(); // answered, and then ended
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
      transfers: this.#transfers,
      audience: (name) => this.#audience(name),
    });
  }

  /** Takes what the page tells. */
  hear(message: FromPage): void {
    switch (message.type) {
      case "frame":
        return this.#sessions.calls.receive({ ...message, body: NO_BODY });
      case "answer":
        return this.#answered(message);
      case "send":
        return this.#send(message);
      case "accept":
        return this.#cards.get(message.transfer)?.accept();
      case "end":
        return this.#cards.get(message.transfer)?.end();
    }
  }

  /** The page is gone: ends everything, and says so to the peers. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#gone.abort(new Failure(EXIT.failed, "The page was closed"));
    await this.#sessions[Symbol.asyncDispose]();
  }

  /** See {@linkcode TransfersObserver}. */
  began(transfer: Transfer, files: object): void {
    if (this.#unwanted.has(files)) return this.#transfers.end(transfer);
    const answer = this.#cards.numberOf(files);
    this.#cards.put({
      shows: transfer,
      accept: () => this.#sessions.own(this.#accept(transfer)),
      end: () => this.#transfers.end(transfer),
    }, answer);
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
    const number = this.#cards.numberOf(transfer);
    if (number !== undefined) this.#cards.drop(number);
    const text = endText(transfer, this.#options.me, tookMs);
    if (state.type !== "done") return this.#tell(peer, text, true);
    const { paths, missing, renamed } = state;
    const where = firstOf(paths, paths.length, MAX_NAMED, ", ");
    this.#tell(peer, where === "" ? text : `${text}: ${where}`);
    if (missing.count > 0) {
      const reasons = missing.first.map((why) => missingText(transfer, why));
      this.#tell(peer, firstOf(reasons, missing.count), true);
    }
    if (renamed.count === 0) return;
    const names = firstOf(renamed.first, renamed.count);
    this.#tell(peer, `${renamedText(transfer)} ${names}`, false, false);
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
    const number = this.#cards.put({
      shows: call,
      accept: () => this.#sessions.own(this.#answer(number, call, offer)),
      end: () => this.#sessions.calls.decline(call, "not now"),
    });
    call.ended.addEventListener("abort", () => {
      const isOpen = this.#cards.get(number)?.shows === call; // not accepted
      if (isOpen) this.#cards.drop(number);
      const { message }: ChatError = call.ended.reason;
      if (message !== "") this.#tell(call.name, message);
    });
    this.#sessions.own(this.#ask(number, call, offer));
  }

  /** The caller wants what the user shares. */
  #serve(call: Call): void {
    const why = this.#options.shared
      ? this.#sessions.busyReason
      : "this user shares no files";
    if (why !== undefined) this.#sessions.calls.decline(call, why);
    else this.#sessions.answer(call);
  }

  async #ask(number: number, call: Call, offer: Announced): Promise<void> {
    const room = await this.#transfers.roomFor(offer.size);
    if (this.#cards.get(number)?.shows !== call) return; // it no longer rings
    this.#cards.show(number, callLook(call, offer, room));
  }

  async #accept(transfer: Transfer): Promise<void> {
    const lacking = await this.#transfers.accept(transfer);
    if (lacking !== undefined) this.#tell(transfer.peer, lacking, true);
  }

  async #answer(number: number, call: Call, offer: Announced): Promise<void> {
    const { talk, over } = this.#sessions.answer(call);
    const end = () => {
      this.#unwanted.add(talk);
      this.#cards.drop(number);
    };
    this.#cards.put({ shows: talk, accept() {}, end }, number);
    this.#cards.show(number, callLook(call, offer));
    await over;
    if (this.#cards.get(number)?.shows !== talk) return;
    this.#cards.drop(number); // no connection, or the caller left
    const { name } = call;
    this.#tell(name, `${offer.name} from ${name} did not arrive`, true);
  }

  #send(message: FromPage & { type: "send" }): void {
    const { drop, to } = message;
    const { link, me } = this.#options;
    const forget = () => link.say({ type: "forget", drop });
    try {
      if (lookAlike(to) === lookAlike(me)) {
        throw new FileFailure(SENT_TO_SELF);
      }
      const outgoing = this.#outgoing(message);
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
  #outgoing(
    { drop, files, leftOut = [] }: FromPage & { type: "send" },
  ): Outgoing {
    const { link } = this.#options;
    const { signal } = this.#gone;
    const outgoing = new Outgoing();
    for (const [file, dropped] of files.entries()) {
      outgoing.add(
        droppedFile(
          dropped,
          (buffer, from) => link.read(buffer, { drop, file, from }, signal),
        ),
      );
    }
    for (const why of leftOut) outgoing.omitted.add(why);
    if (outgoing.files > 0) return outgoing;
    const [why = "Cannot send an empty list of files"] = outgoing.omitted.first;
    throw new FileFailure(why);
  }

  /** Has the page ask the server. */
  #request(
    verb: AnsweredVerb,
    args: readonly string[],
    headers: Headers,
  ): Promise<void> {
    const request = ++this.#lastRequest;
    const asked = Promise.withResolvers<void>();
    this.#requests.set(request, asked);
    this.#options.link.say({ type: "request", request, verb, args, headers });
    return abortable(asked.promise, this.#gone.signal);
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
      cancelAdvice: "press Cancel",
      show: ({ from, text }) => this.#tell(name, `${from} (direct): ${text}`),
      note: (text) => this.#tell(name, text, false, false), // of the connection
      showError: (text) => this.#tell(name, text, true),
      explain: ({ message }) => this.#tell(name, message, true),
      flushed: () => this.#options.link.flushed(),
    };
  }

  #tell(peer: string, text: string, failed = false, news = true): void {
    this.#options.link.say({ type: "told", peer, text, failed, news });
  }
}

/** The first of `lines`, and how many of the `count` are not among them. */
function firstOf(
  lines: readonly string[],
  count: number,
  most = MAX_LISTED,
  separator = "; ",
): string {
  const named = lines.slice(0, most);
  const more = count - named.length;
  return named.join(separator) + (more > 0 ? ` and ${more} more` : "");
}

/** What the server has answered; or that it has not. */
function refusal(code: number | undefined, reason: string): Error {
  return code !== undefined && Object.hasOwn(ERRORS, code)
    // The cast: it is a key, as was just found.
    ? new ChatError(code as ErrorCode, reason)
    : new Failure(EXIT.failed, reason);
}

/** What there is under a number, and what the user's answers to it do. */
interface Card {
  /**
   * A peer that calls to send files; when the call was answered, the files that
   * will be offered; or a transfer.
   */
  readonly shows: object;
  accept(): void;
  end(): void;
}

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
  numberOf(shown: object): number | undefined {
    return this.#all.entries().find(([, card]) => card.shows === shown)?.[0];
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
function callLook({ name }: Call, offer: Announced, room?: string): Look {
  const rest = room ?? `connecting to ${name}`;
  return {
    sends: false,
    peer: name,
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
  const { title, files, size, leftOut } = contents;
  const part = size === 0 ? 0 : Math.min(1, moved / size);
  const look = { sends, peer, title, part };
  const text = stateText(transfer);
  if (type === "paused") return { ...look, state: "paused", text };
  if (type !== "offered") {
    return { ...look, state: "moving", text };
  }
  const amount = amountText(files, size, leftOut);
  if (room !== undefined) {
    return { ...look, state: "offered", text: `${amount}; ${room}` };
  }
  const words = sends ? `${amount}; ${text}` : amount;
  return { ...look, state: "waiting", text: words };
}

const NO_BODY = new Uint8Array();
