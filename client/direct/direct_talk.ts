/**
 * One direct session, from the call to the end: messages between two users.
 * Each message arrives once and in order, though the connection may break: it
 * is kept until it is acknowledged, and sent again on the next channel.
 *
 *     kind     1 byte     1: a message; 2: acknowledges messages up to this one
 *     number   4 bytes    from 1, highest byte first
 *     text     UTF-8, of a message
 *
 * Files have records of their own; see files/records.ts.
 *
 * @module
 */
import { ChatError, MAX_BODY_BYTES } from "../../protocol.ts";
import { waitingHint } from "../../platform/network_advice.ts";
import { SYSTEM } from "../../platform/system.ts";
import { type Channel, lost, release } from "./channel.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { BadRecord, isFileRecord } from "../files/records.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import { NoConnection, type Rendezvous } from "./rendezvous.ts";
import type { Bytes } from "../../core/scram.ts";
import type { Item } from "../view/view.ts";

/** How long to try to reconnect, in milliseconds. */
export const RECONNECT_WITHIN_MS: number = 2 * 60_000;

/**
 * An end before there is a connection waits so long for it, in milliseconds. The
 * other side may have it already: it would take it for lost, and reconnect.
 */
const CONNECT_MS = 1_000;

/** After this time without a connection the user is told what may help. */
const HINT_AFTER_MS = 5_000;

/** Limit of messages that are not acknowledged. */
export const MAX_UNACKNOWLEDGED = 1_000;

/** What a direct session starts with. */
export interface DirectTalkStart {
  /** The other user. */
  readonly name: string;
  /** The files of this session. */
  readonly talk: PeerFiles;
  /** Whether we have called. */
  readonly ours: boolean;
  /** Whether it is for files only. */
  readonly forFiles: boolean;
  /** Whether the call offers files to us. */
  readonly isOffered?: boolean;
  /** How long to try to reconnect. Default {@linkcode RECONNECT_WITHIN_MS}. */
  readonly reconnectWithinMs?: number;
  /** When to tell what may help, if there is no connection. Default: 5 seconds. */
  readonly hintAfterMs?: number;
}

/** Where direct sessions are shown. */
export interface Audience {
  /** What a user does to cancel a transfer, as words that follow a comma. */
  readonly cancelAdvice: string;
  /** Shows a message of a session. */
  show(item: Item & { kind: "message" }): void;
  /** Shows how the session is. */
  note(text: string): void;
  /** Shows what went wrong. */
  showError(text: string): void;
  /** Shows why a call failed: an error of the server or the other side. */
  explain(error: ChatError): void;
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
  readonly #ours: boolean;
  readonly #isOffered: boolean;
  /** Aborts when the user ends our call; the reason is shown, unless empty. */
  readonly stop = new AbortController();
  /** Whether its connection is lost, and it tries to reconnect. */
  broken = false;
  #rendezvous: Rendezvous | undefined; // while it rings
  readonly #audience: Audience;
  readonly #reconnectWithinMs: number;
  readonly #hintAfterMs: number;
  #channel: Channel | undefined; // while there is one
  readonly #connected = Promise.withResolvers<void>(); // or never will be
  #lastSent = 0; // the number of our last message
  #unacknowledged: Bytes[] = []; // our messages
  #lastReceived = 0; // the number of the peer's last message
  #over = false;
  #end = new Failure(EXIT.failed, "you ended the direct session");

  constructor(start: DirectTalkStart, audience: Audience) {
    this.name = start.name;
    this.talk = start.talk;
    this.forFiles = start.forFiles;
    this.#ours = start.ours;
    this.#isOffered = start.isOffered ?? false;
    this.#audience = audience;
    this.#reconnectWithinMs = start.reconnectWithinMs ?? RECONNECT_WITHIN_MS;
    this.#hintAfterMs = start.hintAfterMs ?? HINT_AFTER_MS;
  }

  /** Whether our call was not accepted yet. */
  get ringing(): boolean {
    return this.#ours && !this.#rendezvous;
  }

  /**
   * Whether a new transfer can start in it. A session for the caller's files ends
   * with them, and the other side of a broken session may be gone. A call that
   * rings may be declined, and shows one offer: no other must be declined with it.
   */
  get lasting(): boolean {
    if (this.#over || this.broken || this.ringing) return false;
    return this.#ours || !this.forFiles;
  }

  /** Connects, and runs until one side ends it or is lost. */
  async run(accepted: Promise<Rendezvous>): Promise<void> {
    try {
      this.#rendezvous = await accepted;
      await this.#useChannels(this.#rendezvous);
    } catch (error) {
      this.#explain(error);
    } finally {
      this.#over = true;
      this.#connected.resolve();
      await this.talk.end(this.#end);
      await this.#rendezvous?.[Symbol.asyncDispose]();
      this.#tellUnacknowledged();
    }
  }

  /** Sends a message, now or on the next channel. */
  send(text: string): void {
    const body = encoder.encode(text);
    const { name } = this;
    if (this.#over) {
      const over = `the direct session with ${name} is over`;
      return this.#audience.showError(
        `Not sent: ${over}. /direct leads back to the room.`,
      );
    }
    if (body.length > MAX_BODY_BYTES) {
      const limit = `the limit is ${MAX_BODY_BYTES}. Send it in parts.`;
      return this.#audience.showError(
        `Cannot send ${body.length} bytes: ${limit}`,
      );
    }
    if (this.#unacknowledged.length >= MAX_UNACKNOWLEDGED) {
      const why =
        `${name} has not received the last ${MAX_UNACKNOWLEDGED} messages`;
      return this.#audience.showError(`Cannot send it: ${why}`);
    }
    const record = recordOf(MESSAGE, ++this.#lastSent, body);
    this.#unacknowledged.push(record);
    this.#send(record);
    this.#show({ from: "you", to: name, text });
  }

  /** Ends it; if it rings, the user is told `why`, unless that is empty. */
  async end(why = ""): Promise<void> {
    this.#over = true;
    this.stop.abort(new ChatError(118, why));
    await atMost(CONNECT_MS, this.#connected.promise);
    await this.#channel?.[Symbol.asyncDispose]();
    await this.#rendezvous?.[Symbol.asyncDispose]();
  }

  #greet(digits: string): void {
    const code = `${digits.slice(0, 3)} ${digits.slice(3)}`;
    const { name } = this;
    const advice = this.#ending;
    this.#audience.note(
      `Direct session with ${name}. Compare this code by voice: ${code}.` +
        (advice && ` If ${name} sees another code, ${advice}.`),
    );
    if (this.forFiles) return;
    this.#audience.note(
      "/direct TEXT sends a message there. /direct alone switches to it.",
    );
  }

  /** What the user does to end it; empty for files that others get of a folder. */
  get #ending(): string {
    if (!this.forFiles) return "/hangup";
    const isShared = !this.#ours && !this.#isOffered;
    return isShared ? "" : this.#audience.cancelAdvice;
  }

  /** Uses one channel after the other, until the session is over. */
  async #useChannels(rendezvous: Rendezvous): Promise<void> {
    let channel = await this.#connect(rendezvous);
    if (this.#over) return await channel[Symbol.asyncDispose]();
    this.#greet(rendezvous.code);
    for (;;) {
      try {
        await this.#listen(channel);
        if (this.#over) return;
        const message = `${this.name} ended the direct session`;
        this.#end = new Failure(EXIT.failed, message);
        const isNews = !this.forFiles || !this.talk.used; // or the files have told
        if (isNews) this.#audience.note(message);
        return;
      } catch (error) {
        if (this.#over) return;
        if (!(error instanceof Failure && error.passing)) throw error;
        this.#audience.note(`${error.message}. Reconnecting to ${this.name}`);
      }
      this.broken = true;
      channel = await this.#reconnect(rendezvous);
      this.broken = false;
      this.#audience.note(`Reconnected to ${this.name}`);
    }
  }

  /** Connects for the first time. */
  async #connect(rendezvous: Rendezvous): Promise<Channel> {
    const hint = setTimeout(
      () =>
        this.#audience.note(
          `Still connecting to ${this.name}. ${waitingHint(SYSTEM)}`,
        ),
      this.#hintAfterMs,
    );
    try {
      return await rendezvous.connect();
    } finally {
      clearTimeout(hint);
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

  async #reconnect(rendezvous: Rendezvous): Promise<Channel> {
    const giveUpAt = performance.now() + this.#reconnectWithinMs;
    for (;;) {
      try {
        return await rendezvous.connect();
      } catch (error) {
        if (!(error instanceof NoConnection) || performance.now() >= giveUpAt) {
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
    const number = numberIn(record);
    if (record[0] === ACKNOWLEDGED) {
      // They are in order: a flood of acknowledgements looks at the first alone.
      while (
        this.#unacknowledged.length > 0 &&
        numberIn(this.#unacknowledged[0]!) <= number
      ) {
        this.#unacknowledged.shift();
      }
    }
    if (record[0] !== MESSAGE) return;
    this.#send(recordOf(ACKNOWLEDGED, number));
    if (number <= this.#lastReceived) return; // sent again
    this.#lastReceived = number;
    const text = decoder.decode(record.subarray(HEAD_BYTES));
    this.#show({ from: this.name, to: "you", text });
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
    this.#audience.showError(
      `${this.name} may not have received your last ${last}`,
    );
  }

  #explain(error: unknown): void {
    const isTold = this.ringing && this.forFiles; // by what becomes of the files
    if (error instanceof ChatError) {
      this.#end = new Failure(EXIT.failed, error.message || "you left");
      if (error.message !== "" && !isTold) this.#audience.explain(error);
      return;
    }
    if (!(error instanceof Failure)) throw error;
    if (this.#over) return;
    this.#end = error;
    if (isTold) return;
    if (!(error instanceof NoConnection)) {
      return this.#audience.showError(error.message);
    }
    this.#audience.showError(
      `Cannot reach ${this.name} directly. What was tried:`,
    );
    for (const attempt of error.attempts) this.#audience.showError(attempt);
  }

  #show(message: { from: string; to: string; text: string }): void {
    const at = new Date();
    this.#audience.show({ kind: "message", at, direct: true, ...message });
  }
}

function recordOf(kind: number, number: number, body?: Bytes): Bytes {
  const record = new Uint8Array(HEAD_BYTES + (body?.length ?? 0));
  record[0] = kind;
  new DataView(record.buffer).setUint32(1, number);
  if (body) record.set(body, HEAD_BYTES);
  return record;
}

function numberIn(record: Bytes): number {
  return new DataView(record.buffer).getUint32(1);
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
