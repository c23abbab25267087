/**
 * Where and when a client that has lost its server tries again: at the same place,
 * after pauses that grow. Once its server has told of others, it does what route.ts
 * says, which is loaded then.
 *
 * Plain values: the time and chance are arguments.
 *
 * @module
 */
import { ChatError, type Frame } from "../../protocol.ts";
import type { Home, Place } from "./alternates.ts";
import { pauseBefore } from "./backoff.ts";
import { isRemoval } from "./connection_error.ts";
import type { Route } from "./route.ts";

/**
 * The network may bring a registration to the server so long after the client gave
 * its connection up. The server then takes that for the newest one, and ends the one
 * that the client has. In milliseconds.
 */
const LATE_MS = 120_000;

/** See the top of the file; {@linkcode Route} has what its members mean. */
export class Attempts {
  readonly #home: Home | undefined;
  #route: Route | undefined;
  #attempt = 0;
  #gaveUpAt = -Infinity; // a registration without an answer

  /** Without a home there is one place alone, whatever a server tells. */
  constructor(home: Home | undefined) {
    this.#home = home;
  }

  /** Where the next one is made, or the client is; undefined at home. */
  get elsewhere(): Place | undefined {
    return this.#route?.elsewhere;
  }

  /** The time for opening a connection, if there is another place. */
  get dialMs(): number | undefined {
    return this.#route?.dialMs;
  }

  /** Takes the whole list of others. Never rejects; a list is perhaps not taken. */
  async tell(frame: Pick<Frame, "headers">): Promise<void> {
    const home = this.#home;
    if (!home) return;
    if (!this.#route && frame.headers.some(([name]) => name === "alternate")) {
      const { Route } = await import("./route.ts").catch(() => NOT_LOADED);
      if (Route) this.#route ??= new Route(home);
    }
    this.#route?.tell(frame);
  }

  /** The client is registered; at which place, if it was elsewhere before. */
  arrived(): string | undefined {
    return this.#route?.arrived();
  }

  /** A server that had registered the client is lost. */
  lost(stayed: boolean): void {
    if (stayed) this.#attempt = 0;
    this.#route?.lost(stayed);
  }

  /** A registration failed; without an answer, its connection was given up. */
  failed(error: unknown, now: number): void {
    const isAnswer = error instanceof ChatError || isRemoval(error);
    if (!isAnswer) this.#gaveUpAt = now;
  }

  /** Whether that connection may be why the client is removed; once for each. */
  isByOwn(error: unknown, now: number): boolean {
    const isByOwn = isRemoval(error) && now - this.#gaveUpAt < LATE_MS;
    if (isByOwn) this.#gaveUpAt = -Infinity;
    return isByOwn;
  }

  /** The other server is not what it was told to be. */
  drop(): void {
    this.#route?.drop();
  }

  /** The server says that it stops; in how many milliseconds to leave it, if at all. */
  leave(now: number, random?: () => number): number | undefined {
    return this.#route?.leave(now, random);
  }

  /** Chooses the next place; how long to pause before, in milliseconds. */
  next(now: number, toldMs: number, random?: () => number): number {
    return this.#route?.next(now, toldMs, random) ??
      pauseBefore(this.#attempt++, toldMs, random);
  }
}

/** A page has to fetch the module; the next frame is another chance. */
const NOT_LOADED = { Route: undefined };
