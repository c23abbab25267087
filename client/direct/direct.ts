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
import { ChatError, type Frame, lookAlike } from "../../protocol.ts";
import type { Audience, DirectTalk } from "./direct_talk.ts";
import {
  DirectSessions,
  type OutgoingCall,
  withName,
} from "./direct_sessions.ts";
import { Failure } from "../view/failure.ts";
import { FileFailure } from "../files/records.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import type { Transfer } from "../files/transfer.ts";
import { amountText } from "../files/words.ts";
import { Files, type FilesParts, isTold } from "../files/files.ts";
import type { Call, CallsParts, Offer } from "./calls.ts";

/** What {@linkcode Direct} needs. */
export interface DirectParts
  extends Audience, Pick<CallsParts, "request" | "hostname"> {
  /** Our name. */
  me(): string;
  /** Whether the user hides messages of `name`. */
  ignores(name: string): boolean;
  /** Whether users can call us. */
  listens(): boolean;
  /** Shows an error of the server or the other side. */
  explain(error: ChatError): void;
  /** Draws the prompt, which has changed. */
  prompt(): void;
  /** Where files are stored, and which are shared. */
  readonly files: Omit<FilesParts, "show">;
}

/** All direct sessions and calls of one user. */
export class Direct {
  /** The session that plain lines go to, which may be over; or the room. */
  current: DirectTalk | undefined;
  /** The files that are sent and received. */
  readonly files: Files;
  readonly #parts: DirectParts;
  readonly #sessions: DirectSessions;

  constructor(parts: DirectParts) {
    this.#parts = parts;
    this.files = new Files({ ...parts.files, show: parts.show });
    this.#sessions = new DirectSessions({
      request: parts.request,
      hostname: parts.hostname,
      // A user we ignore must not learn that.
      refusal: (name) =>
        parts.listens() && !parts.ignores(name) ? undefined : "takes no calls",
      rings: (call) => this.#rings(call),
      talk: (name, announced) => this.files.transfers.withPeer(name, announced),
      audience: () => parts,
      missed: (_, error) => this.#missed(error),
    });
  }

  /** Handles a frame of another user. */
  receive(frame: Frame): void {
    this.#sessions.calls.receive(frame);
  }

  /** Calls a user. The result is shown when it is known. */
  call(name: string): void {
    const talks = this.#sessions.talks.values();
    const talk = withName(talks.filter(({ forFiles }) => !forFiles), name);
    if (talk) {
      const text = talk.broken
        ? `Reconnecting to ${name}. /hangup ${name} ends that session.`
        : `You already have a direct session with ${name}`;
      return this.#note(text);
    }
    if (withName(this.#chatCalls(), name)) {
      return this.#note(`You are already calling ${name}`);
    }
    this.#note(`Calling ${name}. /hangup ${name} ends the call.`);
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
      this.#error(error.message);
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
   * Accepts a call or an offer of files; without a name, the only one. An offer
   * may be named by its number.
   */
  async accept(name: string): Promise<void> {
    const offered = this.#offerOf(name);
    if (offered !== undefined) return await this.files.accept(offered);
    const call = this.#incomingCall(name, "/accept");
    if (!call) return;
    this.#note(`Connecting to ${call.name} directly`);
    this.#sessions.answer(call);
  }

  /** Declines it; as with {@linkcode accept}. */
  decline(name: string): void {
    const offered = this.#offerOf(name);
    if (offered !== undefined) return this.files.cancel(offered);
    const call = this.#incomingCall(name, "/decline");
    if (!call) return;
    this.#sessions.calls.decline(call, "not now");
  }

  /** Ends a session or an outgoing call; without a name, the only one. */
  async hangUp(name: string): Promise<void> {
    const { talks, outgoing } = this.#sessions;
    const all = [...talks, ...outgoing];
    const one = this.#pick(all, name, "There is no direct session", "/hangup");
    if (!one) return;
    if ("stop" in one) {
      one.stop.abort(new ChatError(118, `you ended the call to ${one.name}`));
    } else {
      await one.end();
      this.#note(`The direct session with ${one.name} is over`);
    }
  }

  /** Sends a message in a session; without a name, in the current or only one. */
  message(name: string, text: string): void {
    this.#wanted(name)?.send(text);
  }

  /** Leads plain lines to a session; without a name, there and back. */
  switch(name: string): void {
    if (this.current && name === "") this.current = undefined;
    else this.current = this.#wanted(name) ?? this.current;
    this.#parts.prompt();
  }

  /** Ends all sessions and calls. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sessions[Symbol.asyncDispose]();
  }

  #rings(call: Call): void {
    const { name, offer } = call;
    const answer = this.#ownAnswer(call);
    if (answer === "yes") return void this.#sessions.answer(call);
    if (answer) return this.#sessions.calls.decline(call, answer.why);
    const ours = withName(this.#chatCalls(), name);
    if (ours && offer.purpose === "chat") return this.#callBoth(call, ours);
    call.ended.addEventListener("abort", () => {
      const { message }: ChatError = call.ended.reason;
      if (message !== "") this.#note(message);
    });
    if (offer.purpose === "file") {
      return this.#sessions.own(this.#tellOffer(call, offer));
    }
    this.#note(
      `${name} calls you from ${call.from}: a direct session, encrypted, ` +
        `without the server. /accept ${name} or /decline ${name}`,
    );
  }

  /** The answer, if the user need not be asked. */
  #ownAnswer({ name, offer }: Call): "yes" | { why: string } | undefined {
    const { shared, accepts } = this.#parts.files;
    const isWanted = offer.purpose === "file" && offer.files === 0;
    if (isWanted && !shared) return { why: "shares nothing" };
    const isTaken = offer.purpose === "file" && accepts?.(name);
    if (!isWanted && !isTaken) {
      return accepts && { why: "waits for something else" };
    }
    const why = this.#sessions.busyReason;
    return why === undefined ? "yes" : { why };
  }

  /** Two users call each other: the call to the greater name is kept. */
  #callBoth(call: Call, ours: OutgoingCall): void {
    if (lookAlike(this.#parts.me()) < lookAlike(call.name)) return;
    ours.stop.abort(new ChatError(118, ""));
    this.#sessions.answer(call);
  }

  /** Outgoing calls that are not for files. */
  #chatCalls(): Iterable<OutgoingCall> {
    const { outgoing } = this.#sessions;
    return outgoing.values().filter(({ forFiles }) => !forFiles);
  }

  /** Shows why a call failed, unless we ended it. */
  #missed(error: ChatError | Failure): void {
    if (error instanceof Failure) this.#error(error.message);
    else if (error.message !== "") this.#parts.explain(error);
  }

  async #list(name: string, talk: PeerFiles): Promise<void> {
    try {
      await this.files.list(talk, name);
    } catch (error) {
      if (!isTold(error)) throw error;
      this.#error(`Cannot list what ${name} shares: ${error.message}`);
    }
  }

  async #tellOffer(
    { name }: Call,
    offer: Offer & { purpose: "file" },
  ): Promise<void> {
    const room = await this.files.transfers.roomFor(offer.size);
    const amount = amountText(offer.files, offer.size);
    this.#note(
      `${name} wants to send you ${offer.name} (${amount}; ${room}). ` +
        `/accept ${name} takes it, /decline ${name} does not.`,
    );
  }

  /** The number of an offer, given by number or by name, or the only one. */
  #offerOf(name: string): number | undefined {
    const { offers } = this.files.transfers;
    const byNumber = offers.find(({ number }) => `${number}` === name);
    if (byNumber) return byNumber.number;
    const isMeant = (who: string) =>
      name === "" || lookAlike(who) === lookAlike(name);
    const [first, second] = offers.filter(({ peer }) => isMeant(peer));
    const { ringing } = this.#sessions.calls;
    const isCall = ringing.some((call) => isMeant(call.name));
    return second || isCall ? undefined : first?.number;
  }

  /** The session with `name`; without a name, the current or only one. */
  #wanted(name: string): DirectTalk | undefined {
    if (name === "" && this.current) return this.current;
    const none = "There is no direct session. /call NAME starts one.";
    return this.#pick([...this.#sessions.talks], name, none, "/direct");
  }

  #incomingCall(name: string, command: string): Call | undefined {
    const { ringing } = this.#sessions.calls;
    return this.#pick(ringing, name, "There is no incoming call", command);
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
    if (all.length === 0) this.#note(none);
    else if (name === "") this.#note(`Which one? ${command} ${names}`);
    else this.#note(`There is none with ${name}, only with ${names}`);
    return undefined;
  }

  #note(text: string): void {
    this.#parts.show({ kind: "note", text });
  }

  #error(text: string): void {
    this.#parts.show({ kind: "error", text });
  }
}

/** What a call is for that lists the files that the other side shares. */
const SHARED_FILES = { title: "/", size: 0, files: 0 };
