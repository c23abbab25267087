/**
 * Direct sessions as a user of the terminal sees them: calls, answers, and the
 * sessions that result. The commands are in chat/commands.ts.
 *
 * A call blocks nothing: it rings while the user types other things. A message to
 * a direct session goes nowhere else, also after the session has ended: only the
 * user leads plain lines back to the room.
 *
 * @module
 */
import type { ReconnectingConnection } from "../../core/net/reconnecting.ts";
import { type ChatError, type Frame, lookAlike } from "../../protocol.ts";
import type { Audience, DirectTalk } from "./direct_talk.ts";
import { DirectSessions, withName } from "./direct_sessions.ts";
import { failureOf } from "../view/failure.ts";
import { FileFailure } from "../files/records.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import type { Transfer } from "../files/transfer.ts";
import { amountText, withSeenBlanks } from "../files/words.ts";
import { Files, type FilesParts, isTold } from "../files/files.ts";
import type { Item } from "../view/view.ts";
import type { Call, Offer } from "./calls.ts";

/** Calls and files of a user. */
export interface DirectSettings {
  /** The only address for direct connections. Default: all of this computer. */
  readonly hostname?: string | undefined;
  /** Whether users can call us. Default true. */
  readonly listens?: boolean;
  /** Where files are stored, and which are shared. */
  readonly files?: Omit<FilesParts, "me" | "show"> | undefined;
}

/** The session with the server that a {@linkcode Direct} is part of. */
export interface DirectOwner extends Audience {
  show(item: Item): void;
  /** Our name. */
  readonly name: string;
  readonly server: Pick<ReconnectingConnection, "request">;
  readonly direct: { readonly listening: boolean };
  readonly messages: { ignores(name: string): boolean };
  /** Draws the prompt, which has changed. */
  prompt(): void;
}

/** All direct sessions and calls of one user. */
export class Direct {
  /** The session that plain lines go to, which may be over; or the room. */
  current: DirectTalk | undefined;
  /** The files that are sent and received. */
  readonly files: Files;
  /** Those of each call that was accepted without a question; for one reader. */
  readonly taken: ReadableStream<PeerFiles>;
  readonly #owner: DirectOwner;
  readonly #accepts: FilesParts["accepts"];
  readonly #sessions: DirectSessions;
  /** Of offers that ring, and of calls by users whose names are numbers. */
  readonly #numbers = new WeakMap<Call, number>();
  #taken!: ReadableStreamDefaultController<PeerFiles>; // set by the constructor

  constructor(owner: DirectOwner, { hostname, files }: DirectSettings) {
    this.#owner = owner;
    this.#accepts = files?.accepts;
    this.taken = new ReadableStream({
      start: (taken) => void (this.#taken = taken),
    });
    const show = owner.show.bind(owner);
    this.files = new Files({ ...files, me: owner.name, show });
    this.#sessions = new DirectSessions({
      hostname,
      request: (verb, args, headers) =>
        owner.server.request(verb, args, headers).catch((error) => {
          throw failureOf(error);
        }),
      // A user we ignore must not learn that.
      refusal: (name) =>
        owner.direct.listening && !owner.messages.ignores(name)
          ? undefined
          : "this user takes no calls",
      passed: (name, { purpose }) => {
        if (purpose !== "chat") return; // files tell it themselves
        owner.note(`Calling ${name}. /hangup ${name} ends the call.`);
      },
      rings: (call) => this.#rings(call),
      transfers: this.files.transfers,
      audience: () => owner,
    });
  }

  /** Handles a frame of another user. */
  receive(frame: Frame): void {
    this.#sessions.calls.receive(frame);
  }

  /** Calls a user. The result is shown when it is known. */
  call(name: string): void {
    const known = withName(this.#chats(), name);
    if (known?.ringing) {
      return this.#owner.note(`You are already calling ${name}`);
    }
    if (known) {
      const text = known.broken
        ? `Reconnecting to ${name}. /hangup ${name} ends that session.`
        : `You already have a direct session with ${name}`;
      return this.#owner.note(text);
    }
    this.#sessions.call(name);
  }

  /**
   * Sends files, in the open session or in one of their own. Nothing is sent if a
   * file does not exist.
   */
  async send(
    name: string,
    paths: readonly string[],
  ): Promise<Transfer | undefined> {
    try {
      const outgoing = await this.files.find(paths);
      const talk = this.#sessions.talkWith(name);
      const transfer = this.files.send(talk, outgoing);
      this.#sessions.use(name, talk, transfer);
      return transfer;
    } catch (error) {
      if (!(error instanceof FileFailure)) throw error;
      this.#owner.showError(error.message);
      return undefined;
    }
  }

  /** Gets a shared file; without `path`, lists what `name` shares. */
  get(name: string, path: string | undefined): void {
    const talk = this.#sessions.talkWith(name);
    const use = path === undefined
      ? { contents: SHARED_FILES, settled: this.#list(name, talk) }
      : talk.get(path);
    this.#sessions.use(name, talk, use);
  }

  /**
   * Accepts the call and the offers of a user; without a name, the only one there
   * is. An offer may be named by its number.
   */
  async accept(name: string): Promise<void> {
    for (const one of this.#waiting(name, "/accept")) {
      if ("role" in one) await this.files.accept(one);
      else {
        this.#owner.note(`Connecting to ${one.name} directly`);
        this.#sessions.answer(one, this.#numbers.get(one));
      }
    }
  }

  /** Declines as {@linkcode accept} accepts. */
  decline(name: string): void {
    for (const one of this.#waiting(name, "/decline")) {
      if ("role" in one) this.files.transfers.end(one);
      else {
        this.#sessions.calls.decline(one, "not now");
        this.#owner.note(`You declined ${titleOf(one)} from ${one.name}`);
      }
    }
  }

  /** Ends a session or an outgoing call; without a name, the only one. */
  async hangUp(name: string): Promise<void> {
    const all = [...this.#sessions.talks];
    const { current } = this;
    const isMeant = name === "" || withName(current ? [current] : [], name);
    if (current && isMeant && !all.includes(current)) {
      this.#leave(current); // the other side has ended it
      return this.#owner.note(
        `The direct session with ${current.name} is over`,
      );
    }
    const one = this.#pick(all, name, NO_SESSION, "/hangup");
    if (!one) return;
    const wasOpen = !one.ringing;
    this.#leave(one); // the next line must not wait for the end
    await one.end(`you ended the call to ${one.name}`);
    if (wasOpen) {
      this.#owner.note(`The direct session with ${one.name} is over`);
    }
  }

  /** Plain lines go to the room again, if they went to `one`. */
  #leave(one: DirectTalk): void {
    if (this.current !== one) return;
    this.current = undefined;
    this.#owner.prompt();
  }

  /** Sends a message in a session; without a name, in the current or only one. */
  message(name: string, text: string): void {
    this.#wanted(name)?.send(text);
  }

  /** Leads plain lines to a session; without a name, there and back. */
  switch(name: string): void {
    if (this.current && name === "") this.current = undefined;
    else this.current = this.#wanted(name) ?? this.current;
    this.#owner.prompt();
  }

  /** Ends all sessions and calls. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sessions[Symbol.asyncDispose]();
  }

  #rings(call: Call): void {
    const { name, offer } = call;
    const answer = this.#ownAnswer(call);
    if (answer === "yes") {
      const { talk } = this.#sessions.answer(call);
      const offers = offer.purpose === "file" && offer.files > 0;
      if (offers) this.#taken.enqueue(talk);
      return;
    }
    if (answer) return this.#sessions.calls.decline(call, answer.why);
    const calling = this.#chats().filter((one) => one.ringing);
    const ours = withName(calling, name);
    if (ours && offer.purpose === "chat") return this.#callBoth(call, ours);
    call.ended.addEventListener("abort", () => {
      const { message }: ChatError = call.ended.reason;
      if (message !== "") this.#owner.note(message);
    });
    if (offer.purpose === "file") {
      return this.#sessions.own(this.#tellOffer(call, offer));
    }
    const one = NUMBER.test(name) ? this.#newNumber(call) : name;
    this.#owner.note(
      `${name} calls you from ${call.from}: a direct session, encrypted, ` +
        `without the server. /accept ${one} or /decline ${one}`,
    );
  }

  /** The answer, if the user need not be asked. */
  #ownAnswer({ name, offer }: Call): "yes" | { why: string } | undefined {
    const { shared } = this.files.transfers;
    const isWanted = offer.purpose === "file" && offer.files === 0;
    if (isWanted && !shared) return { why: "this user shares no files" };
    const isTaken = offer.purpose === "file" && this.#accepts?.(name);
    if (!isWanted && !isTaken) {
      return this.#accepts && { why: "this user waits for something else" };
    }
    const why = this.#sessions.busyReason;
    return why === undefined ? "yes" : { why };
  }

  /** Two users call each other: the call to the greater name is kept. */
  #callBoth(call: Call, ours: DirectTalk): void {
    if (lookAlike(this.#owner.name) < lookAlike(call.name)) return;
    this.#sessions.own(ours.end());
    this.#sessions.answer(call);
  }

  /** Sessions, and our calls that ring, that are not for files. */
  #chats(): IteratorObject<DirectTalk> {
    return this.#sessions.talks.values().filter(({ forFiles }) => !forFiles);
  }

  async #list(name: string, talk: PeerFiles): Promise<void> {
    try {
      await this.files.list(talk, name);
    } catch (error) {
      if (!isTold(error)) throw error;
      this.#owner.showError(
        `Cannot list what ${name} shares: ${error.message}`,
      );
    }
  }

  async #tellOffer(
    call: Call,
    offer: Offer & { purpose: "file" },
  ): Promise<void> {
    const { name } = call;
    const room = await this.files.transfers.roomFor(offer.size);
    if (call.ended.aborted) return; // which was told
    const number = this.#newNumber(call);
    const amount = amountText(offer.files, offer.size);
    const title = withSeenBlanks(offer.name);
    this.#owner.note(`${name} offers ${title} (${amount}; ${room})`);
    const isOnly = this.#ofUser(name).length < 2;
    const isNumber = NUMBER.test(name);
    const one = isOnly && !isNumber ? name : number;
    const all = isOnly || isNumber
      ? ""
      : `; /accept ${name} or /decline ${name} for all`;
    this.#owner.note(`Type /accept ${one} or /decline ${one}${all}`);
  }

  /** What was shown of a user's calls and offers; without a name, of all users. */
  #ofUser(name: string): (Call | Transfer)[] {
    const { offers } = this.files.transfers;
    const ringing = this.#sessions.calls.ringing
      .filter((call) => call.offer.purpose === "chat" || this.#numberOf(call));
    return [...ringing, ...offers].filter((one) =>
      name === "" || lookAlike(userOf(one)) === lookAlike(name)
    );
  }

  /** What an answer means; shows a note if that is not clear. */
  #waiting(name: string, command: string): (Call | Transfer)[] {
    const all = this.#ofUser("");
    const numbered = all.find((one) => `${this.#numberOf(one)}` === name);
    const called = all.filter((one) => userOf(one) === name); // "7" is a name too
    const isClear = called.length === 0 || called.includes(numbered!);
    if (numbered && isClear) return [numbered];
    const found = numbered ? [] : this.#ofUser(name);
    if (found.length === 1 || (name !== "" && found.length > 1)) return found;
    const names = [...new Set(all.map(userOf))].join(", ");
    const choices = (numbered ? [numbered, ...called] : all).map((one) => {
      const number = one === numbered ? undefined : this.#numberOf(one);
      const what = number ?? userOf(one);
      return `${command} ${what} (${titleOf(one)} from ${userOf(one)})`;
    });
    this.#owner.note(
      all.length === 0
        ? "There is no call and no offer to answer"
        : name === "" || numbered
        ? `Which one? ${choices.join(", ")}`
        : `There is none with ${name}, only with ${names}`,
    );
    return [];
  }

  #newNumber(call: Call): number {
    const number = ++this.files.transfers.lastNumber;
    this.#numbers.set(call, number);
    return number;
  }

  #numberOf(one: Call | Transfer): number | undefined {
    return "role" in one ? one.number : this.#numbers.get(one);
  }

  /** The session with `name`; without a name, the current or only one. */
  #wanted(name: string): DirectTalk | undefined {
    if (name === "" && this.current) return this.current;
    const open = [...this.#sessions.talks].filter((one) => !one.ringing);
    return this.#pick(open, name, NO_SESSION, "/direct");
  }

  /** The one with `name`, or the only one; shows a note if that is not clear. */
  #pick<T extends { readonly name: string }>(
    all: readonly T[],
    name: string,
    none: string,
    command: string,
  ): T | undefined {
    const found = name === "" ? undefined : withName(all, name);
    if (found) return found;
    if (name === "" && all.length === 1) return all[0];
    const names = all.map((one) => one.name).join(", ");
    if (all.length === 0) this.#owner.note(none);
    else if (name === "") this.#owner.note(`Which one? ${command} ${names}`);
    else this.#owner.note(`There is none with ${name}, only with ${names}`);
    return undefined;
  }
}

const NO_SESSION = "There is no direct session. /call NAME starts one.";

/** The user whose call or offer it is. */
function userOf(one: Call | Transfer): string {
  return "role" in one ? one.peer : one.name;
}

/** What a user calls it. */
function titleOf(one: Call | Transfer): string {
  if ("role" in one) return one.contents.title;
  return one.offer.purpose === "file" ? one.offer.name : "the call";
}

/** A user's name that looks like the number of an offer. */
const NUMBER = /^\d+$/;

/** What a call is for that lists the files that the other side shares. */
const SHARED_FILES = { title: "/", size: 0, files: 0 };
