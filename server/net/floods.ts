/**
 * Floods give way to users who chat: what a flood stores waits for its turn.
 *
 * To store 4 MB makes the disk write them, and all users wait for that: 5 to 50 ms.
 * So while other users chat, the batches of floods are stored one at a time, with a
 * pause after each, and the addresses take turns. While no other user chats, a flood
 * does not wait.
 *
 * @module
 */
import { Admission } from "./admission.ts";
import type { Clock } from "./clock.ts";

/**
 * The pause after a batch, in milliseconds. A batch is one read, 64 KB: so all
 * floods together store 1 MB a second. The file takes 4 MB at a time, for 5 to 15 ms.
 */
const PAUSE_MS = 100;

/** Users who sent nothing for this time do not chat, in milliseconds. */
const CHAT_MS = 1_000;

/** See the top of the file. Disposed, no flood waits. */
export class Floods implements AsyncDisposable {
  readonly #chatted: () => number;
  readonly #clock: Clock;
  readonly #turns: Admission;
  #known = 0; // messages of users who chat, when it was last looked
  #lookedAt = -Infinity;
  #looks = 0; // at which others had sent something

  /** `chatted` counts the messages that were in no flood, on all servers. */
  constructor(chatted: () => number, clock: Clock) {
    this.#chatted = chatted;
    this.#clock = clock;
    this.#turns = new Admission(() => this.#look(), clock, PAUSE_MS);
    this.#lookedAt = -Infinity; // it has looked
  }

  /**
   * Resolves when a batch of a flood from `network` may be stored; undefined if
   * that is now.
   */
  pass(network: string): Promise<void> | undefined {
    return this.#turns.pass(network);
  }

  /** Resolves when nothing is left of it, not even a timer. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turns[Symbol.asyncDispose]();
  }

  /** A number that changes while others chat. */
  #look(): number {
    const now = this.#clock.now();
    const chatted = this.#chatted();
    // What the flood itself sent before it was one is seen once, and is no chat.
    const isRecent = now - this.#lookedAt < CHAT_MS;
    if (chatted > this.#known && isRecent) this.#looks++;
    this.#known = chatted;
    this.#lookedAt = now;
    return this.#looks;
  }
}
