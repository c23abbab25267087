/**
 * Waiting for a socket, and no longer than it is open.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/**
 * Waits for `work` of the client, and destroys the socket after `ms`.
 *
 * @returns Undefined if the socket is closed first, by whomever.
 */
export async function limited<T>(
  socket: Duplex,
  ms: number,
  work: Promise<T>,
): Promise<T | undefined> {
  const timer = setTimeout(() => socket.destroy(), ms);
  try {
    return await whileOpen(socket, work);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for `ms`, and no longer than the socket is open. */
export async function pause(socket: Duplex, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await whileOpen(socket, promise);
  clearTimeout(timer);
}

/**
 * Waits for `work` of the server, which does not count as the client's time.
 *
 * @returns Undefined if the socket is closed first, by whomever.
 */
export async function whileOpen<T>(
  socket: Duplex,
  work: Promise<T>,
): Promise<T | undefined> {
  if (socket.destroyed) return undefined;
  const { promise: closed, resolve } = Promise.withResolvers<undefined>();
  const close = () => resolve(undefined);
  socket.once("close", close);
  try {
    return await Promise.race([work, closed]);
  } finally {
    socket.off("close", close);
  }
}

/** Reads what there is, and waits for it if need be; null at the end. */
export async function read(socket: Duplex): Promise<Buffer | null> {
  for (;;) {
    // The cast: that is what a socket without an encoding gives.
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) return chunk;
    if (socket.readableEnded || socket.destroyed) return null;
    await eventOf(socket);
  }
}

/** Resolves when there is something to read, or nothing any more. */
function eventOf(socket: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const names = ["readable", "end", "close"] as const;
  const done = () => {
    for (const name of names) socket.off(name, done);
    resolve();
  };
  for (const name of names) socket.on(name, done);
  return promise;
}
