/**
 * Whether the two-socket users of other servers acknowledge messages. What a server
 * says may come before this one waits for it: its copy of the log may be ahead.
 *
 * @module
 */

/** Limit of the messages of which this is not known, or is not asked for. */
export const MAX_OPEN = 2_000;

/** An answer of a server. */
interface Answer {
  readonly server: string;
  readonly promise: Promise<boolean>;
  readonly resolve: (all: boolean) => void;
}

/** See the top of the file. */
export class Acknowledgements {
  readonly #answers = new Map<string, Answer>();

  /** Whether all users of `server` acknowledge the message with this id. */
  of(server: string, id: number): Promise<boolean> {
    return this.#answer(server, id).promise;
  }

  /** A server says whether all of its users do. */
  heard(server: string, id: number, all: boolean): void {
    this.#answer(server, id).resolve(all);
  }

  /** A server is gone: what it did not say it never will. */
  gone(server: string): void {
    for (const answer of this.#answers.values()) {
      if (answer.server === server) answer.resolve(false);
    }
  }

  #answer(server: string, id: number): Answer {
    const key = `${server} ${id}`;
    const known = this.#answers.get(key);
    if (known) return known;
    const answer = { server, ...Promise.withResolvers<boolean>() };
    this.#answers.set(key, answer);
    for (const [oldest, { resolve }] of this.#answers) {
      if (this.#answers.size <= MAX_OPEN) break;
      resolve(false);
      this.#answers.delete(oldest);
    }
    return answer;
  }
}
