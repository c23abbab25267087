/**
 * One direct session: messages between two users. Each message arrives once and in
 * order, though the connection may break: it is kept until it is acknowledged, and
 * sent again on the next channel.
 *
 *     kind     1 byte     1: a message; 2: acknowledges messages up to this one
 *     number   4 bytes    from 1, highest byte first
 *     text     UTF-8, of a message
 *
 * Files have records of their own; see files/records.ts.
 *
 * @module
 */
import { MAX_BODY_BYTES } from "../../protocol.ts";
import { type Channel, lost, release } from "./channel.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { BadRecord, isFileRecord } from "../files/records.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import type { EstablishedCall } from "./calls.ts";
import { NoConnection } from "./rendezvous.ts";
import type { Bytes } from "../../core/scram.ts";
import type { Item } from "../view/view.ts";

/** How long to try to reconnect, in milliseconds. */
export const RECONNECT_WITHIN_MS: number = 2 * 60_000;

/**
 * An end before there is a connection waits so long for it, in milliseconds. The
 * other side may have it already: it would take it for lost, and reconnect.
 */
const CONNECT_MS = 1_000;

/** Limit of messages that are not acknowledged. */
export const MAX_UNACKNOWLEDGED = 1_000;

/** Settings of {@linkcode DirectTalk}. */
export interface DirectTalkOptions {
  /** The files of this session. */
  readonly talk: PeerFiles;
  /** Whether it is for files only. Default false. */
  readonly forFiles?: boolean;
  /** How long to try to reconnect. Default {@linkcode RECONNECT_WITHIN_MS}. */
  readonly reconnectWithinMs?: number;
}

/** Where direct sessions are shown. */
export interface Audience {
  show(item: Item): void;
  /** Waits while the output is too far behind. */
  flushed(): Promise<void>;
}

const MESSAGE = 1;
const ACKNOWLEDGED = 2;
const HEAD_BYTES = 5;

/** One direct session. */
export class DirectTalk {
  /** The other user. */
  readonly name: string;
  /** The files of this session. */
  readonly talk: PeerFiles;
  /** Whether it is for files only. */
  readonly forFiles: boolean;
  /** Whether its connection is lost, and it tries to reconnect. */
  broken = false;
  readonly #call: EstablishedCall;
  readonly #audience: Audience;
  readonly #reconnectWithinMs: number;
  #channel: Channel | undefined; // while there is one
  readonly #connected = Promise.withResolvers<void>(); // or never will be
  #lastSent = 0; // the number of our last message
  #unacknowledged: Bytes[] = []; // our messages
  #lastReceived = 0; // the number of the peer's last message
  #over = false;
  #end = new Failure(EXIT.failed, "you ended the direct session");

  constructor(
    call: EstablishedCall,
    audience: Audience,
    options: DirectTalkOptions,
  ) {
    this.name = call.name;
    this.#call = call;
    this.#audience = audience;
    this.talk = options.talk;
    this.forFiles = options.forFiles ?? false;
    this.#reconnectWithinMs = options.reconnectWithinMs ?? RECONNECT_WITHIN_MS;
  }

  /**
   * Whether a new transfer can start in it. A session for the caller's files ends
   * with them, and the other side of a broken one may be gone.
   */
  get lasting(): boolean {
    const isTheirs = this.#call.agreement.role === "called";
    const isOpen = !this.#over && !this.broken;
    return isOpen && !(this.forFiles && isTheirs);
  }

  /** Connects, and runs until one side ends it or is lost. */
  async run(): Promise<void> {
    try {
      const channel = await this.#call.rendezvous.connect();
      if (this.#over) await channel[Symbol.asyncDispose]();
      else {
        this.#greet();
        await this.#useChannels(channel);
      }
    } catch (error) {
      this.#explain(error);
    } finally {
      this.#over = true;
      this.#connected.resolve();
      await this.talk.end(this.#end);
      await this.#call.rendezvous[Symbol.asyncDispose]();
      this.#tellUnacknowledged();
    }
  }

  /** Sends a message, now or on the next channel. */
  send(text: string): void {
    const body = encoder.encode(text);
    const { name } = this;
    if (this.#over) {
      const over = `the direct session with ${name} is over`;
      return this.#error(`Not sent: ${over}. /direct leads back to the room.`);
    }
    if (body.length > MAX_BODY_BYTES) {
      const limit = `the limit is ${MAX_BODY_BYTES}. Send it in parts.`;
      return this.#error(`Cannot send ${body.length} bytes: ${limit}`);
    }
    if (this.#unacknowledged.length >= MAX_UNACKNOWLEDGED) {
      const why =
        `${name} has not received the last ${MAX_UNACKNOWLEDGED} messages`;
      return this.#error(`Cannot send it: ${why}`);
    }
    const record = recordOf(MESSAGE, ++this.#lastSent, body);
    this.#unacknowledged.push(record);
    this.#send(record);
    this.#show({ from: "you", to: name, text });
  }

  /** Ends it. */
  async end(): Promise<void> {
    this.#over = true;
    await atMost(CONNECT_MS, this.#connected.promise);
    await this.#channel?.[Symbol.asyncDispose]();
    await this.#call.rendezvous[Symbol.asyncDispose]();
  }

  #greet(): void {
    const digits = this.#call.agreement.code;
    const code = `${digits.slice(0, 3)} ${digits.slice(3)}`;
    const { name } = this;
    this.#note(
      `Direct session with ${name}. Compare this code by voice: ${code}. ` +
        `If ${name} sees another code, ${
          this.forFiles ? "cancel" : "/hangup"
        }.`,
    );
    if (this.forFiles) return;
    this.#note(
      "/direct TEXT sends a message there. /direct alone switches to it.",
    );
  }

  /** Uses one channel after the other, until the session is over. */
  async #useChannels(first: Channel): Promise<void> {
    for (let channel = first;;) {
      try {
        await this.#listen(channel);
        if (this.#over) return;
        const message = `${this.name} ended the direct session`;
        this.#end = new Failure(EXIT.failed, message);
        const isNews = !this.forFiles || !this.talk.used; // or the files have told
        if (isNews) this.#note(message);
        return;
      } catch (error) {
        if (this.#over) return;
        if (!(error instanceof Failure && error.passing)) throw error;
        this.#note(`${error.message}. Reconnecting to ${this.name}`);
      }
      this.broken = true;
      channel = await this.#reconnect();
      this.broken = false;
      this.#note(`Reconnected to ${this.name}`);
    }
  }

  /** Handles the records of `channel`, until it ends. */
  async #listen(channel: Channel): Promise<void> {
    this.#channel = channel;
    this.#connected.resolve();
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
      // Together: a send to a peer that does not read ends with the channel.
      await Promise.all([
        this.talk.disconnect(lost()),
        channel[Symbol.asyncDispose](),
      ]);
    }
  }

  async #reconnect(): Promise<Channel> {
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
        `Direct session ended: ${this.name} sent an invalid record, ` +
          cause.message,
        { cause },
      );
    }
  }

  #receive(record: Bytes): void {
    if (record.length < HEAD_BYTES) return; // perhaps of a newer version
    const number = new DataView(record.buffer).getUint32(1);
    if (record[0] === ACKNOWLEDGED) return this.#forget(number);
    if (record[0] !== MESSAGE) return;
    this.#send(recordOf(ACKNOWLEDGED, number));
    if (number <= this.#lastReceived) return; // sent again
    this.#lastReceived = number;
    const text = decoder.decode(record.subarray(HEAD_BYTES));
    this.#show({ from: this.name, to: "you", text });
  }

  /** Forgets the acknowledged messages. */
  #forget(upTo: number): void {
    this.#unacknowledged = this.#unacknowledged.filter((record) =>
      new DataView(record.buffer).getUint32(1) > upTo
    );
  }

  /** Sends it if there is a channel; `#listen` notices if that fails. */
  #send(record: Bytes): void {
    this.#channel?.send(record).catch((error) => {
      if (!(error instanceof Failure)) throw error;
    });
  }

  #tellUnacknowledged(): void {
    const count = this.#unacknowledged.length;
    if (count === 0) return;
    const last = count === 1 ? "message" : `${count} messages`;
    this.#error(`${this.name} may not have received your last ${last}`);
  }

  #explain(error: unknown): void {
    if (!(error instanceof Failure)) throw error;
    if (this.#over) return;
    this.#end = error;
    if (!(error instanceof NoConnection)) return this.#error(error.message);
    this.#error(`Cannot reach ${this.name} directly. What was tried:`);
    for (const attempt of error.attempts) this.#error(attempt);
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

/** Waits for `task`, and for `ms` milliseconds at most. */
export async function atMost(ms: number, task: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([task, late]);
  clearTimeout(timer);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
