/**
 * Talking without the server: who calls, who was called, and the conversations
 * that came of it. What a person can type about them is in `direct_commands.ts`.
 *
 * A call does not hold up anything: it rings while other things are typed. What
 * is said in a conversation goes nowhere else, also when it is over: only the
 * person leads plain lines back to the room.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  type Headers,
  lookAlike,
  type RequestVerb,
} from "../../protocol.ts";
import type { Audience, DirectTalk } from "./direct_talk.ts";
import {
  type Calling,
  DirectSessions,
  offerOf,
  withName,
} from "./direct_sessions.ts";
import { Failure } from "../view/failure.ts";
import { FileFailure } from "../files/records.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import type { Transfer } from "../files/transfer.ts";
import { amountText } from "../files/words.ts";
import { Files, type FilesParts } from "../files/files.ts";
import type { Call, Offer } from "./calls.ts";
import { calledName } from "../files/transfers.ts";

/** What {@linkcode Direct} needs. */
export interface DirectParts extends Audience {
  /** Asks the server. */
  request(
    verb: RequestVerb,
    args: readonly string[],
    headers: Headers,
  ): Promise<unknown>;
  /** Who we are. */
  me(): string;
  /** Whether somebody is not to be heard. */
  ignores(name: string): boolean;
  /** Whether we can be called at all. */
  listens(): boolean;
  /** Shows what the server, or the other side, has refused. */
  explain(error: ChatError): void;
  /** The prompt is another. */
  prompt(): void;
  /** Where files go, and what may be got. */
  readonly files: Omit<FilesParts, "show">;
  /**
   * Whether what `name` wants to send is taken without a question. Whatever is
   * not is declined. Default: the person is asked.
   */
  readonly takesFiles?: ((name: string) => boolean) | undefined;
  /** The only address to listen on. Default: all of this computer. */
  readonly hostname?: string | undefined;
}

/** See the top of the file. */
export class Direct {
  /** The conversation that plain lines go to; it may be over. */
  current: DirectTalk | undefined;
  /** The files that are sent and received. */
  readonly files: Files;
  readonly #parts: DirectParts;
  readonly #sessions: DirectSessions;
  #calls: Call[] = []; // that ring here

  /** Nobody calls yet. */
  constructor(parts: DirectParts) {
    this.#parts = parts;
    this.files = new Files({ ...parts.files, show: parts.show });
    this.#sessions = new DirectSessions({
      request: parts.request,
      hostname: parts.hostname,
      refusal: (name) => this.#refusal(name),
      rings: (call) => this.#rings(call),
      talk: (name, announced) => this.files.transfers.withPeer(name, announced),
      audience: () => parts,
      missed: (_, error) => this.#missed(error),
    });
  }

  /** Takes what the server passes on of others. */
  receive(frame: Frame): void {
    this.#sessions.receive(frame);
  }

  /** Calls somebody. What becomes of it is shown when it is known. */
  call(name: string): void {
    const talks = this.#sessions.talks
      .filter(({ forFiles }) => !forFiles);
    const talk = withName(talks, name);
    if (talk?.broken) {
      return this.#note(
        `Connecting to ${name} again; /hangup ${name} ends that session, ` +
          "and makes room for another",
      );
    }
    if (talk) {
      return this.#note(`You have a direct session with ${name} already`);
    }
    if (withName(this.#chatCalls(), name)) {
      return this.#note(`You call ${name} already`);
    }
    this.#note(`Calling ${name}; /hangup ${name} ends that`);
    this.#sessions.call(name);
  }

  /**
   * Sends files, in the session there is or in one of their own. What becomes of
   * them is shown; nothing is sent if there is no such file.
   */
  async send(
    name: string,
    paths: readonly string[],
  ): Promise<Transfer | undefined> {
    try {
      const outgoing = await this.files.find(paths);
      const talk = this.#sessions.talkWith(name);
      const transfer = this.files.send(talk, outgoing);
      const { settled: use } = transfer;
      this.#sessions.use(name, talk, { offer: offerOf(transfer), use });
      return transfer;
    } catch (error) {
      if (!(error instanceof FileFailure)) throw error;
      this.#error(error.message);
      return undefined;
    }
  }

  /** Gets something that somebody shares; without `path`, shows what that is. */
  get(name: string, path: string | undefined): void {
    const talk = this.#sessions.talkWith(name);
    const use = path === undefined
      ? this.#list(name, talk)
      : talk.get(path).settled;
    this.#sessions.use(name, talk, { offer: wanted(path), use });
  }

  /**
   * Answers a call or an offer of files with yes; without a name, the only one
   * there is. An offer can be named by its number.
   */
  async accept(name: string): Promise<void> {
    const offered = this.#offerOf(name);
    if (offered !== undefined) return await this.files.accept(offered);
    const call = this.#pick(this.#calls, name, "Nobody calls you", "/accept");
    if (!call) return;
    this.#note(`Connecting to ${call.name} directly`);
    this.#sessions.answer(call);
  }

  /** Answers it with no; as with {@linkcode accept}. */
  decline(name: string): void {
    const offered = this.#offerOf(name);
    if (offered !== undefined) return this.files.cancel(offered);
    const call = this.#pick(this.#calls, name, "Nobody calls you", "/decline");
    if (!call) return;
    this.#sessions.decline(call, "not now");
  }

  /** Ends a conversation or a call of ours; alone, the only one there is. */
  async hangUp(name: string): Promise<void> {
    const { talks, calling } = this.#sessions;
    const all = [...talks, ...calling];
    const one = this.#pick(all, name, "There is no direct session", "/hangup");
    if (!one) return;
    if ("stop" in one) {
      one.stop.abort(new ChatError(118, `you call ${one.name} no more`));
    } else {
      await one.hangUp();
      this.#note(`The direct session with ${one.name} is over`);
    }
  }

  /** Says something in a conversation; alone, the current or only one. */
  say(name: string, text: string): void {
    const conversation = this.#wanted(name);
    if (conversation) conversation.say(text);
  }

  /** Leads plain lines to a conversation; alone, there and back. */
  switch(name: string): void {
    if (this.current && name === "") this.current = undefined;
    else this.current = this.#wanted(name) ?? this.current;
    this.#parts.prompt();
  }

  /** Leads plain lines back to the room. */
  leave(): void {
    this.current = undefined;
  }

  /** Ends everything, and says so to all others. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sessions[Symbol.asyncDispose]();
  }

  #refusal(name: string): string | undefined {
    if (this.#parts.listens() && !this.#parts.ignores(name)) return undefined;
    return "takes no calls"; // whom it is that we ignore is our own business
  }

  #rings(call: Call): void {
    const { name, offer } = call;
    const answer = this.#ownAnswer(call);
    if (answer === "yes") return void this.#sessions.answer(call);
    if (answer) return this.#sessions.decline(call, answer.why);
    this.#calls.push(call);
    const ours = withName(this.#chatCalls(), name);
    if (ours && offer.purpose === "chat") return this.#callBoth(call, ours);
    call.ended.addEventListener("abort", () => {
      this.#calls = this.#calls.filter((one) => one !== call);
      const { message }: ChatError = call.ended.reason;
      if (message !== "") this.#note(message);
    });
    if (offer.purpose === "file") {
      return this.#sessions.own(this.#tellOffer(call, offer));
    }
    this.#note(
      `${name} calls you from ${call.from}. ` +
        `/accept ${name} talks directly, /decline ${name} does not.`,
    );
  }

  /** What is answered without a question, if the person need not be asked. */
  #ownAnswer({ name, offer }: Call): "yes" | { why: string } | undefined {
    const { files: { shared }, takesFiles } = this.#parts;
    const isWanted = offer.purpose === "file" && offer.files === 0;
    if (isWanted && !shared) return { why: "shares nothing" };
    const isTaken = offer.purpose === "file" && takesFiles?.(name);
    if (!isWanted && !isTaken) {
      return takesFiles && { why: "waits for something else" };
    }
    const why = this.#sessions.busyReason;
    return why === undefined ? "yes" : { why };
  }

  /** We call who calls us. One of the calls is enough: that to the greater. */
  #callBoth(call: Call, ours: Calling): void {
    this.#calls = this.#calls.filter((one) => one !== call);
    if (lookAlike(this.#parts.me()) < lookAlike(call.name)) return;
    ours.stop.abort(new ChatError(118, ""));
    this.#sessions.answer(call);
  }

  /** Calls of ours that are not because of files. */
  #chatCalls(): Calling[] {
    return this.#sessions.calling.filter(({ talk }) => !talk);
  }

  /** Says why nothing came of a call, unless that was our own doing. */
  #missed(error: ChatError | Failure): void {
    if (error instanceof Failure) this.#error(error.message);
    else if (error.message !== "") this.#parts.explain(error);
  }

  async #list(name: string, talk: PeerFiles): Promise<void> {
    try {
      await this.files.list(talk, name);
    } catch (error) {
      if (!(error instanceof FileFailure || error instanceof Failure)) {
        throw error;
      }
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

  /** The number of the offer that is meant by a number, a name or nothing. */
  #offerOf(name: string): number | undefined {
    const { offers } = this.files.transfers;
    const byNumber = offers.find(({ number }) => `${number}` === name);
    if (byNumber) return byNumber.number;
    const isMeant = (who: string) =>
      name === "" || lookAlike(who) === lookAlike(name);
    const [first, second] = offers.filter(({ peer }) => isMeant(peer));
    const isCall = this.#calls.some((call) => isMeant(call.name));
    return second || isCall ? undefined : first?.number;
  }

  /** The conversation that is meant by `name`, or by nothing. */
  #wanted(name: string): DirectTalk | undefined {
    if (name === "" && this.current) return this.current;
    const none = "There is no direct session; /call NAME asks for one";
    return this.#pick(this.#sessions.talks, name, none, "/direct");
  }

  /** The one that is meant; if that is not clear, says so. */
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
    else this.#note(`Nobody called ${name} among: ${names}`);
    return undefined;
  }

  #note(text: string): void {
    this.#parts.show({ kind: "note", text });
  }

  #error(text: string): void {
    this.#parts.show({ kind: "error", text });
  }
}

/** A call because of something that the other side shares. */
function wanted(path = "/"): Offer {
  return { purpose: "file", name: calledName(path), size: 0, files: 0 };
}
