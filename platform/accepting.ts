/**
 * Accepts connections one after the other, whatever goes wrong with one.
 *
 * @module
 */
import { isGoneBefore } from "./system_error.ts";

/** A connection as it is accepted; a `Deno.TcpConn` is one. */
export interface Accepted {
  /** Turns Nagle's algorithm off. */
  setNoDelay(): void;
  /** Ends it at once. */
  close(): void;
}

/** What {@linkcode acceptAll} needs. */
export interface Accepting<C extends Accepted> {
  /** Aborts when the listener is closed, before that. */
  readonly signal: AbortSignal;
  /** Takes over a connection. */
  serve(conn: C): void;
  /** Told why no connection can be accepted for a moment. */
  complain(line: string): void;
  /** Milliseconds that never jump. */
  now(): number;
  /** Resolves when all other connections had a turn. */
  nextTurn(): Promise<void>;
}

/** Accepts connections until `signal` aborts. */
export async function acceptAll<C extends Accepted>(
  listener: { accept(): Promise<C> },
  { signal, serve, complain, now, nextTurn }: Accepting<C>,
): Promise<void> {
  let turnAt = now();
  while (!signal.aborted) {
    let conn: C | undefined;
    try {
      conn = await listener.accept();
      conn.setNoDelay(); // what is small is joined before it is written
    } catch (error) {
      conn?.close(); // it was reset before: some systems refuse then
      if (signal.aborted || conn || isGoneBefore(error)) continue;
      // Out of descriptors, perhaps. The cast: `accept` throws nothing else.
      complain(`Cannot accept a connection: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      continue;
    }
    serve(conn);
    if (now() - turnAt < ACCEPTING_MS) continue;
    await nextTurn();
    turnAt = now();
  }
}

/** Time for which connections are accepted before others have a turn, in milliseconds. */
const ACCEPTING_MS = 0.5;

const RETRY_MS = 1_000;
