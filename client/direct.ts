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
} from "../protocol.ts";
import { type Audience, Conversation } from "./conversation.ts";
import { Failure } from "./failure.ts";
import { type Call, type Introduced, Introductions } from "./introductions.ts";

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
  /** The only address to listen on. Default: all of this computer. */
  readonly hostname?: string | undefined;
}

/** A call of ours that rings. */
interface Calling {
  readonly name: string;
  readonly stop: AbortController;
}

/** See the top of the file. */
export class Direct {
  /** The conversation that plain lines go to; it may be over. */
  current: Conversation | undefined;
  readonly #parts: DirectParts;
  readonly #introductions: Introductions;
  readonly #running = new Set<Promise<void>>();
  #calls: Call[] = []; // that ring here
  #calling: Calling[] = []; // that ring there
  #conversations: Conversation[] = []; // the newest last

  /** Nobody calls yet. */
  constructor(parts: DirectParts) {
    this.#parts = parts;
    this.#introductions = new Introductions({
      request: parts.request,
      hostname: parts.hostname,
      refusal: (name) => this.#refusal(name),
      rings: (call) => this.#rings(call),
    });
  }

  /** Takes what the server passes on of others. */
  receive(frame: Frame): void {
    this.#introductions.receive(frame);
  }

  /** Calls somebody. What becomes of it is shown when it is known. */
  call(name: string): void {
    if (this.#find(this.#conversations, name)) {
      return this.#note(`You have a direct session with ${name} already`);
    }
    if (this.#find(this.#calling, name)) {
      return this.#note(`You call ${name} already`);
    }
    const calling = { name, stop: new AbortController() };
    this.#calling.push(calling);
    this.#note(`Calling ${name}; /hangup ${name} ends that`);
    this.#run(async () => {
      try {
        const { signal } = calling.stop;
        const offer = { purpose: "chat" } as const;
        return await this.#introductions.call(name, offer, signal);
      } finally {
        this.#calling = this.#calling.filter((one) => one !== calling);
      }
    });
  }

  /** Answers a call with yes; without a name, the only one there is. */
  accept(name: string): void {
    const call = this.#pick(this.#calls, name, "Nobody calls you", "/accept");
    if (!call) return;
    this.#note(`Connecting to ${call.name} directly`);
    this.#run(() => this.#introductions.accept(call));
  }

  /** Answers a call with no; without a name, the only one there is. */
  decline(name: string): void {
    const call = this.#pick(this.#calls, name, "Nobody calls you", "/decline");
    if (!call) return;
    this.#introductions.decline(call, "not now");
  }

  /** Ends a conversation or a call of ours; alone, the only one there is. */
  async hangUp(name: string): Promise<void> {
    const all = [...this.#conversations, ...this.#calling];
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
    this.#introductions[Symbol.dispose]();
    for (const { stop } of this.#calling) {
      stop.abort(new ChatError(118, ""));
    }
    await Promise.all(this.#conversations.map((one) => one.hangUp()));
    await Promise.all(this.#running);
  }

  #refusal(name: string): string | undefined {
    if (this.#parts.listens() && !this.#parts.ignores(name)) return undefined;
    return "takes no calls"; // whom it is that we ignore is our own business
  }

  #rings(call: Call): void {
    if (call.offer.purpose !== "chat") {
      return this.#introductions.decline(call, "takes no files");
    }
    this.#calls.push(call);
    const { name } = call;
    const ours = this.#find(this.#calling, name);
    if (ours) return this.#callBoth(call, ours);
    call.ended.addEventListener("abort", () => {
      this.#calls = this.#calls.filter((one) => one !== call);
      const { message }: ChatError = call.ended.reason;
      if (message !== "") this.#note(message);
    });
    this.#note(
      `${name} calls you from ${call.from}. ` +
        `/accept ${name} talks directly, /decline ${name} does not.`,
    );
  }

  /** We call who calls us. One of the calls is enough: that to the greater. */
  #callBoth(call: Call, ours: Calling): void {
    this.#calls = this.#calls.filter((one) => one !== call);
    if (lookAlike(this.#parts.me()) < lookAlike(call.name)) return;
    ours.stop.abort(new ChatError(118, ""));
    this.#run(() => this.#introductions.accept(call));
  }

  /** Runs a conversation with whoever is introduced. */
  #run(introduce: () => Promise<Introduced>): void {
    const running = this.#converse(introduce)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #converse(introduce: () => Promise<Introduced>): Promise<void> {
    try {
      const introduced = await introduce();
      const conversation = new Conversation(introduced, this.#parts);
      this.#conversations.push(conversation);
      await conversation.run();
      this.#conversations = this.#conversations.filter((one) =>
        one !== conversation
      );
    } catch (error) {
      if (error instanceof ChatError) this.#refused(error);
      else if (error instanceof Failure) this.#error(error.message);
      else throw error;
    }
  }

  /** Says why nothing came of a call, unless that was our own doing. */
  #refused(error: ChatError): void {
    if (error.message !== "") this.#parts.explain(error);
  }

  /** The conversation that is meant by `name`, or by nothing. */
  #wanted(name: string): Conversation | undefined {
    if (name === "" && this.current) return this.current;
    const none = "There is no direct session; /call NAME asks for one";
    return this.#pick(this.#conversations, name, none, "/direct");
  }

  /** The one that is meant; if that is not clear, says so. */
  #pick<T extends { readonly name: string }>(
    all: readonly T[],
    name: string,
    none: string,
    command: string,
  ): T | undefined {
    const found = name === "" ? undefined : this.#find(all, name);
    if (found) return found;
    if (name === "" && all.length === 1) return all[0];
    const names = all.map((one) => one.name).join(", ");
    if (all.length === 0) this.#note(none);
    else if (name === "") this.#note(`Which one? ${command} ${names}`);
    else this.#note(`Nobody called ${name} among: ${names}`);
    return undefined;
  }

  #find<T extends { readonly name: string }>(
    all: readonly T[],
    name: string,
  ): T | undefined {
    return all.find((one) => lookAlike(one.name) === lookAlike(name));
  }

  #note(text: string): void {
    this.#parts.show({ kind: "note", text });
  }

  #error(text: string): void {
    this.#parts.show({ kind: "error", text });
  }
}
