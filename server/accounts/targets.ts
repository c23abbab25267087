/**
 * What the operator bans or mutes: names, addresses, and networks of addresses.
 *
 * A name covers its look-alikes. An IPv6 address stands for its network of 64
 * bits, since a computer takes any address of it.
 *
 * @module
 */
import { isUserName, lookAlike } from "../../protocol.ts";
import {
  type Network,
  networkText,
  parseAddress,
  parseNetwork,
} from "../../core/net/ip_address.ts";
import { NameMap } from "../chat/names/names.ts";
import type { End, TargetData } from "../journal/entries.ts";
import { NetworkMap } from "./network_map.ts";

/**
 * What can be banned or muted: a user's name, or an address or a prefix such as
 * `10.0.0.0/8`.
 */
export type Target = TargetData;

/** A measure against a target. */
export interface Measure extends Target {
  /** In milliseconds since the epoch. */
  readonly since: number;
  /** When it ends; Infinity if it stays until it is removed. */
  readonly until: number;
}

/** Reads a name, an address with or without a port, or a prefix. */
export function parseTarget(word: string): Target | undefined {
  if (isUserName(word)) return { kind: "name", value: word };
  const network = parseNetwork(word);
  return network && { kind: "address", value: networkText(network) };
}

/**
 * The target of a stored row; undefined if its address is none: the file can be
 * edited.
 */
export function storedTarget(
  { kind, value }: Readonly<Record<string, unknown>>,
): Target | undefined {
  const text = String(value);
  if (kind === "name") return { kind, value: text };
  const network = parseNetwork(text);
  return network && { kind: "address", value: networkText(network) };
}

/** A target in a sentence. */
export function targetText({ kind, value }: Target): string {
  if (kind === "name") return value;
  return `the ${value.includes("/") ? "network" : "address"} ${value}`;
}

/** The target alone. */
export function targetOf({ kind, value }: Target): Target {
  return { kind, value };
}

/** Whether two names are one, or look so. */
export function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase() ||
    lookAlike(one) === lookAlike(other);
}

/** Whether two targets are the same, or names that look alike. */
export function isSameTarget(one: Target, other: Target): boolean {
  if (one.kind !== other.kind) return false;
  return one.value === other.value ||
    one.kind === "name" && isSameName(one.value, other.value);
}

/** A time as an entry has it, and the table. */
export function endOf(time: number): End {
  return time === Infinity ? null : time;
}

/** The opposite of {@linkcode endOf}. */
export function timeOf(end: unknown): number {
  return end === null ? Infinity : Number(end);
}

/** Measures of one kind, by their targets. */
export class Measures<M extends Measure> {
  readonly #names = new NameMap<M>();
  readonly #networks = new NetworkMap<M>();
  readonly #now: () => number;
  readonly #limit: number;

  /**
   * None; `now` gives milliseconds since the epoch. `limit` is that of those that
   * have not ended.
   */
  constructor(now: () => number, limit: number) {
    this.#now = now;
    this.#limit = limit;
  }

  /** A measure that covers `target` and has not ended. */
  find(target: Target): M | undefined {
    const [measure] = this.covering(target);
    return measure;
  }

  /** All measures that cover `target` and have not ended. */
  *covering({ kind, value }: Target): Generator<M, void, void> {
    if (kind === "name") {
      const measure = this.#names.get(value);
      if (measure && this.#holds(measure)) yield measure;
      return;
    }
    const network = this.#networks.size > 0 ? wholeNetwork(value) : undefined;
    if (!network) return;
    const measures = this.#networks.covering(network);
    yield* measures.filter((measure) => this.#holds(measure));
  }

  /** The measure of this very target, or a look-alike, also if it has ended. */
  get({ kind, value }: Target): M | undefined {
    if (kind === "name") return this.#names.get(value);
    const network = parseNetwork(value);
    return network && this.#networks.get(network);
  }

  /** Adds a measure against a target for which {@linkcode get} finds none. */
  add(measure: M): void {
    if (measure.kind === "name") this.#names.add(measure.value, measure);
    else this.#networks.set(parseNetwork(measure.value)!, measure); // parseTarget() made it
  }

  /** Takes out the measure that {@linkcode get} finds for a target, if it does. */
  delete(target: Target): void {
    const found = this.get(target);
    if (found?.kind === "name") this.#names.delete(found.value);
    else if (found) this.#networks.delete(parseNetwork(found.value)!); // see add()
  }

  /** All that have not ended. */
  all(): M[] {
    return this.#every().filter((measure) => this.#holds(measure));
  }

  /** Whether the limit is reached, and no measure is of this very target. */
  isFullFor(target: Target): boolean {
    if (this.size < this.#limit || this.get(target)) return false;
    return this.all().length >= this.#limit;
  }

  /**
   * What a new measure of `target` replaces: the one before, and at the limit all
   * that have ended. Until then these are kept: perhaps the clock is wrong.
   */
  replacedBy(target: Target): M[] {
    const before = this.get(target);
    const ended = this.size < this.#limit
      ? []
      : this.#every().filter((measure) => !this.#holds(measure));
    return before ? [...ended, before] : ended;
  }

  /** How many there are, with those that have ended. */
  get size(): number {
    return this.#names.size + this.#networks.size;
  }

  #every(): M[] {
    return [...this.#names.values(), ...this.#networks.values()];
  }

  #holds({ until }: M): boolean {
    return until > this.#now();
  }
}

/** What a client's address, or a prefix, is. */
function wholeNetwork(value: string): Network | undefined {
  return value.includes("/") ? parseNetwork(value) : parseAddress(value);
}
