/**
 * Two people talk directly. What is said arrives once and in order, though the
 * connection may break: a message is kept until the other side has it, and said
 * again on the next channel.
 *
 *     kind     1 byte     1: a message; 2: all messages up to this one are there
 *     number   4 bytes    from 1, highest byte first
 *     text     UTF-8, of a message
 *
 * Files travel beside it, in records of their own; see `records.ts`.
 *
 * @module
 */
import { MAX_BODY_BYTES } from "../../protocol.ts";
import type { Channel } from "./channel.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { BadRecord, isFileRecord } from "../files/records.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import type { EstablishedCall } from "./calls.ts";
import { release } from "./record_buffer.ts";
import { NoConnection } from "./rendezvous.ts";
import type { Bytes } from "../../core/scram.ts";
import type { Item } from "../view/view.ts";

/** So long a broken connection is tried to be made again, in milliseconds. */
export const RECONNECT_WITHIN_MS: number = 2 * 60_000;

/**
 * Who hangs up before there is a connection waits so long for it, in
 * milliseconds: else the other side, which may have it already, would take it
 * for lost, and try to get it back.
 */
const BEGIN_MS = 1_000;

/** So many messages may wait for the other side to have them. */
export const MAX_UNACKNOWLEDGED = 1_000;

/** What a {@linkcode DirectTalk} may be told. */
export interface DirectTalkOptions {
  /** The files between us. */
  readonly talk: PeerFiles;
  /** Whether it was only called for because of files. Default false. */
  readonly forFiles?: boolean;
  /** How long it may be broken. Default {@linkcode RECONNECT_WITHIN_MS}. */
  readonly reconnectWithinMs?: number;
}

/** Where conversations are shown. */
export interface Audience {
  /** Shows it. */
  show(item: Item): void;
  /** Waits while what was shown is too far behind. */
  flushed(): Promise<void>;
}

const MESSAGE = 1;
const ACKNOWLEDGED = 2;
const HEAD_BYTES = 5;

/** See the top of the file. */
export class DirectTalk {
  /** With whom. */
  readonly name: string;
  /** The files between us. */
  readonly talk: PeerFiles;
  /** Whether it was only called for because of files. */
  readonly forFiles: boolean;
  readonly #call: EstablishedCall;
  readonly #audience: Audience;
  readonly #reconnectWithinMs: number;
  #channel: Channel | undefined; // while there is one
  readonly #begun = Promise.withResolvers<void>(); // or never will
  #lastSent = 0; // by us, the number of the last message
  #unacknowledged: Bytes[] = []; // what we said, and they may not have
  #lastReceived = 0; // the number of the last one of theirs
  #over = false;
  #broken = false;
  #end = ending("you have hung up"); // why it is over

  /** Before {@linkcode DirectTalk.run}. */
  constructor(
    introduced: EstablishedCall,
    audience: Audience,
    options: DirectTalkOptions,
  ) {
    this.name = introduced.name;
    this.#call = introduced;
    this.#audience = audience;
    this.talk = options.talk;
    this.forFiles = options.forFiles ?? false;
    this.#reconnectWithinMs = options.reconnectWithinMs ?? RECONNECT_WITHIN_MS;
  }

  /** Whether nothing can be said any more. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether its connection is lost, and may come back or not. */
  get broken(): boolean {
    return this.#broken;
  }

  /**
   * Whether more can be begun in it: one that is for the files of whoever called
   * ends with them, and one that is broken may be with a program that was ended.
   */
  get lasting(): boolean {
    const isTheirs = this.#call.agreement.role === "called";
    const isOpen = !this.#over && !this.#broken;
    return isOpen && !(this.forFiles && isTheirs);
  }

  /** Connects, and talks until one of them hangs up or is lost for good. */
  async run(): Promise<void> {
    try {
      const channel = await this.#call.rendezvous.connect();
      if (this.#over) await channel[Symbol.asyncDispose]();
      else {
        await this.#greet();
        await this.#converse(channel);
      }
    } catch (error) {
      this.#explain(error);
    } finally {
      this.#over = true;
      this.#begun.resolve();
      await this.talk.end(this.#end);
      await this.#call.rendezvous[Symbol.asyncDispose]();
      this.#tellUnacknowledged();
    }
  }

  /** Says it, now or on the next channel. */
  say(text: string): void {
    const body = encoder.encode(text);
    const { name } = this;
    if (this.#over) {
      const over = `the direct session with ${name} is over`;
      return this.#error(`Not said: ${over}. /direct leads back to the room.`);
    }
    if (body.length > MAX_BODY_BYTES) {
      const limit = `the limit is ${MAX_BODY_BYTES}. Say it in parts.`;
      return this.#error(`Cannot say ${body.length} bytes: ${limit}`);
    }
    if (this.#unacknowledged.length >= MAX_UNACKNOWLEDGED) {
      const why = `${MAX_UNACKNOWLEDGED} messages wait for ${name} already`;
      return this.#error(`Cannot say it: ${why}`);
    }
    const record = recordOf(MESSAGE, ++this.#lastSent, body);
    this.#unacknowledged.push(record);
    this.#send(record);
    this.#show({ from: "you", to: name, text });
  }

  /** Takes leave. */
  async hangUp(): Promise<void> {
    this.#over = true;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, BEGIN_MS);
    await Promise.race([this.#begun.promise, late]);
    clearTimeout(timer);
    await this.#channel?.[Symbol.asyncDispose]();
    await this.#call.rendezvous[Symbol.asyncDispose]();
  }

  async #greet(): Promise<void> {
    const digits = await this.#call.agreement.digits();
    const { name } = this;
    if (this.forFiles) {
      return this.#note(
        `Directly connected with ${name}. If nobody sits between you, the ` +
          `digits there are the same: ${digits.slice(0, 3)} ${digits.slice(3)}`,
      );
    }
    this.#note(
      `Direct session with ${name}. Compare these digits aloud: ` +
        `${digits.slice(0, 3)} ${digits.slice(3)}. If ${name} has others, ` +
        "somebody listens: /hangup.",
    );
    this.#note(
      "/direct TEXT says something there; /direct alone switches to it",
    );
  }

  /** On one channel after the other, until the conversation is over. */
  async #converse(first: Channel): Promise<void> {
    for (let channel = first;;) {
      try {
        await this.#listen(channel);
        if (this.#over) return;
        this.#end = ending(`${this.name} has hung up`);
        const isNews = !this.forFiles || !this.talk.used; // files tell theirs
        if (isNews) this.#note(this.#end.message);
        return;
      } catch (error) {
        if (this.#over) return;
        if (!(error instanceof Failure && error.passing)) throw error;
        this.#note(`${error.message}. Connecting to ${this.name} again`);
      }
      this.#broken = true;
      channel = await this.#connectAgain();
      this.#broken = false;
      this.#note(`Directly connected with ${this.name} again`);
    }
  }

  /** Takes what comes on `channel`, until it ends. */
  async #listen(channel: Channel): Promise<void> {
    this.#channel = channel;
    this.#begun.resolve();
    this.talk.connect((record) => channel.send(record));
    try {
      for (const record of this.#unacknowledged) this.#send(record);
      for await (const record of channel) {
        if (isFileRecord(record)) await this.#receiveFile(record);
        else this.#receive(record);
        await this.#audience.flushed();
      }
    } finally {
      this.#channel = undefined;
      // At once: what is being sent to who does not read ends with the channel.
      await Promise.all([
        this.talk.disconnect(lost()),
        channel[Symbol.asyncDispose](),
      ]);
    }
  }

  async #connectAgain(): Promise<Channel> {
    const giveUpAt = Date.now() + this.#reconnectWithinMs;
    for (;;) {
      try {
        return await this.#call.rendezvous.connect();
      } catch (error) {
        if (!(error instanceof NoConnection) || Date.now() >= giveUpAt) {
          throw error;
        }
      }
    }
  }

  async #receiveFile(record: Bytes): Promise<void> {
    try {
      await this.talk.receive(record);
      release(record);
    } catch (cause) {
      if (!(cause instanceof BadRecord)) throw cause;
      throw new Failure(
        EXIT.protocol,
        `Direct session ended: ${this.name} sent what no client sends, ` +
          cause.message,
        { cause },
      );
    }
  }

  #receive(record: Bytes): void {
    if (record.length < HEAD_BYTES) return; // of a newer version, perhaps
    const number = new DataView(record.buffer).getUint32(1);
    if (record[0] === ACKNOWLEDGED) return this.#forget(number);
    if (record[0] !== MESSAGE) return;
    this.#send(recordOf(ACKNOWLEDGED, number));
    if (number <= this.#lastReceived) return; // said again
    this.#lastReceived = number;
    const text = decoder.decode(record.subarray(HEAD_BYTES));
    this.#show({ from: this.name, to: "you", text });
  }

  /** What they have need not be said again. */
  #forget(upTo: number): void {
    this.#unacknowledged = this.#unacknowledged.filter((record) =>
      new DataView(record.buffer).getUint32(1) > upTo
    );
  }

  /** Sends it now, if there is a channel; whoever listens finds out if not. */
  #send(record: Bytes): void {
    this.#channel?.send(record).catch((error) => {
      if (!(error instanceof Failure)) throw error;
    });
  }

  #tellUnacknowledged(): void {
    const count = this.#unacknowledged.length;
    if (count === 0) return;
    const last = count === 1 ? "message" : `${count} messages`;
    this.#error(`${this.name} may not have heard your last ${last}`);
  }

  #explain(error: unknown): void {
    if (error instanceof NoConnection) {
      this.#end = ending("no direct connection was possible");
      this.#error(`Cannot reach ${this.name} directly. What was tried:`);
      for (const attempt of error.attempts) this.#error(attempt);
    } else if (!(error instanceof Failure)) throw error;
    else if (!this.#over) {
      this.#end = error;
      this.#error(error.message);
    }
  }

  #show(message: { from: string; to: string; text: string }): void {
    const at = new Date();
    this.#audience.show({ kind: "message", at, direct: true, ...message });
  }

  #note(text: string): void {
    this.#audience.show({ kind: "note", text });
  }

  #error(text: string): void {
    this.#audience.show({ kind: "error", text });
  }
}

function recordOf(kind: number, number: number, body?: Bytes): Bytes {
  const record = new Uint8Array(HEAD_BYTES + (body?.length ?? 0));
  record[0] = kind;
  new DataView(record.buffer).setUint32(1, number);
  if (body) record.set(body, HEAD_BYTES);
  return record;
}

function lost(): Failure {
  return new Failure(EXIT.failed, "Direct connection lost", { passing: true });
}

function ending(why: string): Failure {
  return new Failure(EXIT.failed, why);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
