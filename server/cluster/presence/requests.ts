/**
 * What one server asks another of its users, and is answered once: to disconnect
 * some, or whether a user who is idle is still there.
 *
 * A message that no Parley sends is not answered, and does nothing.
 *
 * @module
 */
import { isUserName } from "../../../protocol.ts";
import type { Bus } from "../bus.ts";

/** What a server does for others. */
export interface Answers {
  /**
   * Disconnects a user, or a network; `reason` says who does, and why.
   *
   * @returns How many connections that were.
   */
  kick(target: string, reason: string): number;
  /**
   * Asks the client of a user whether it is there; a client of `network` wants
   * its name.
   *
   * @returns In how many seconds the name is free at latest, if it does not answer.
   */
  holder(name: string, network: string): Promise<number | undefined>;
}

/** An answer that is late is none. A client has two seconds to say that it is there. */
const ANSWER_WITHIN_MS = 4_000;

/** See the top of the file. */
export class Requests implements Disposable {
  readonly #bus: Pick<Bus, "request">;
  readonly #subject: string;
  readonly #listening: Disposable;

  /** Answers the others; `subject` comes before the name of a server. */
  constructor(
    { bus, subject, server, answers }: {
      bus: Bus;
      subject: string;
      server: string;
      answers: Answers;
    },
  ) {
    this.#bus = bus;
    this.#subject = subject;
    this.#listening = bus.subscribe(subject + server, ({ bytes, reply }) => {
      const request = decode(bytes);
      if (!request || !reply) return;
      const [what, first, second] = request;
      Promise.resolve(answers[what](first, second)).then(
        (count) => bus.publish(reply, encode(count ?? null)),
        () => {}, // as if it were gone
      );
    });
  }

  /** See {@linkcode Answers}; undefined if that server does not answer. */
  async kick(
    server: string,
    target: string,
    reason: string,
  ): Promise<number | undefined> {
    return await this.#ask(server, ["kick", target, reason]);
  }

  /** See {@linkcode Answers}; undefined also if that server does not answer. */
  async holder(
    server: string,
    name: string,
    network: string,
  ): Promise<number | undefined> {
    return await this.#ask(server, ["holder", name, network]);
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }

  async #ask(server: string, request: Request): Promise<number | undefined> {
    const bytes = encode(request);
    const subject = this.#subject + server;
    const answer = await this.#bus.request(subject, bytes, ANSWER_WITHIN_MS);
    const count = answer && parse(answer);
    return Number.isSafeInteger(count) ? count as number : undefined;
  }
}

type Request = readonly [what: keyof Answers, first: string, second: string];

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined; // of another program
  }
}

function decode(bytes: Uint8Array): Request | undefined {
  const found = parse(bytes);
  if (!Array.isArray(found) || found.length !== 3) return undefined;
  const [what, first, second] = found;
  if (typeof first !== "string" || typeof second !== "string") return undefined;
  const isRequest =
    what === "kick" && PLACE.test(first) && REASON.test(second) ||
    what === "holder" && isUserName(first) && PLACE.test(second);
  return isRequest ? [what, first, second] : undefined;
}

/** A name, an address or a network. */
const PLACE = /^[\x21-\x7e]{1,80}$/;

/** A reason names who disconnects the user, and says why, as it was typed. */
const REASON = /^\P{Cc}{1,300}$/u;
