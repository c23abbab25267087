/**
 * Users who come while others are attacked, once a second: newcomers who make a
 * room and an account, and owners of accounts who sign in.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

import { deriveKeys, ITERATIONS, verifierOf } from "../../core/scram.ts";
import { beat } from "./beat.ts";
import { Client, Refusal } from "./client.ts";
import { TARGETS } from "./foes/costly.ts";
import { word } from "./foes/foe.ts";

const EVERY_MS = 1_000;

/** A visit that takes longer has failed: a user would give up. */
const PATIENCE_MS = 10_000;

/** Not shared with the people, or with a foe. */
const OWNERS_ADDRESS = "127.0.0.251";
const SETUP_ADDRESS = "127.0.0.252";

const PASSWORD = "correct horse battery staple";
const SALT = "c2FsdHNhbHRzYWx0c2FsdA==";

/** One visit, with a number of its own. @throws {Refusal} */
type Visit = (number: number, signal: AbortSignal) => Promise<void>;

/** What became of the visits of one part of a run. */
export class Visits {
  /** How long those took that were not refused, in milliseconds. */
  readonly took: number[] = [];
  /** Why the others were. */
  readonly refused: string[] = [];
  readonly #open = new Set<Promise<void>>();

  /** Makes one visit. */
  add(visit: Visit, number: number): void {
    const made = this.#make(visit, number).finally(() => {
      this.#open.delete(made);
    });
    this.#open.add(made);
  }

  /** Resolves when all have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#open);
  }

  async #make(visit: Visit, number: number): Promise<void> {
    const startedAt = performance.now();
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      await visit(number, signal);
      this.took.push(performance.now() - startedAt);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refused.push(signal.aborted ? "not done in 10 s" : error.message);
    }
  }
}

/** Visits that come once a second, until they are stopped. */
export class Visitors {
  readonly stop: () => void;
  #part = new Visits();
  #number = 0;

  constructor(visit: Visit) {
    this.stop = beat(EVERY_MS, () => this.#part.add(visit, this.#number++));
  }

  /** Begins a part of the run. */
  begin(): Visits {
    return this.#part = new Visits();
  }
}

/** Newcomers to the server on this port. */
export async function newcomers(port: number): Promise<Visitors> {
  const verifier = await verifierOf(await KEYS);
  return new Visitors(async (number, signal) => {
    const name = `fresh${word(number)}`;
    const room = `#homework${word(number)}`;
    const from = `127.0.3.${1 + number % 254}`; // none was here before
    using client = await connect(port, from, signal);
    await client.ask("REGISTER", [name]);
    await client.ask("JOIN", [room]);
    await client.ask("SEND", [room], "Hello");
    await client.ask("SIGNUP", [name], verifier);
    await client.ask("LOGOUT");
  });
}

/** Makes the accounts of owners, and those that foes try to sign in to. */
export async function makeAccounts(port: number): Promise<void> {
  const verifier = await verifierOf(await KEYS);
  for (const name of [...TARGETS, NEIGHBOUR]) {
    using client = await Client.connect(port, { from: SETUP_ADDRESS });
    await client.ask("SIGNUP", [name], verifier);
    await client.ask("LOGOUT");
  }
}

/** Owners of the accounts that foes try to sign in to, at another address. */
export function owners(port: number): Visitors {
  return new Visitors((number, signal) => {
    const name = TARGETS[number % TARGETS.length]!;
    return signIn(port, { name, from: OWNERS_ADDRESS }, signal);
  });
}

/**
 * Signs in to another account at the address of a foe, after its attack. Waits
 * as long as the server asks for, at most 20 seconds; says what came of it.
 */
export async function neighbourSignsIn(
  port: number,
  from: string | undefined,
): Promise<string> {
  const startedAt = performance.now();
  for (;;) {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      await signIn(port, { name: NEIGHBOUR, from }, signal);
      const seconds = Math.round((performance.now() - startedAt) / 1_000);
      return seconds === 0 ? "signs in" : `signs in after ${seconds} s`;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { message, retryAfter = 1 } = error;
      const waited = performance.now() - startedAt;
      if (waited + retryAfter * 1_000 > NEIGHBOURS_PATIENCE_MS) {
        return `cannot sign in for ${retryAfter} s: ${message}`;
      }
      await sleep(retryAfter * 1_000);
    }
  }
}

async function signIn(
  port: number,
  { name, from }: { name: string; from: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  using client = await connect(port, from, signal);
  await client.logIn(name, await KEYS);
  await client.ask("LOGOUT");
}

/** A client that is closed when the signal aborts. */
async function connect(
  port: number,
  from: string | undefined,
  signal: AbortSignal,
): Promise<Client> {
  const client = await Client.connect(port, { from });
  signal.addEventListener("abort", () => client[Symbol.dispose]());
  return client;
}

/** The owner who shares the foe's address. */
const NEIGHBOUR = "neighbour";

const NEIGHBOURS_PATIENCE_MS = 20_000;

/** Of the one password that all accounts have: to compute it takes a while. */
const KEYS = deriveKeys(PASSWORD, SALT, ITERATIONS);
