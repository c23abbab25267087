/// <reference lib="dom" />
/**
 * A WebSocket of the browser as the stream that core/net/ runs over. Where a
 * message begins and ends means nothing.
 *
 * The program behind a page of `client.ts --gui` gives it two words, see
 * client/gui/page_keys.ts: with the first one the page opens its WebSockets, and
 * the program's first message begins with the second. All tabs of this port have
 * them.
 *
 * @module
 */
import { chunkReader, type Stream } from "../../../core/net/stream.ts";
import type { Home, Place } from "../../../core/net/alternates.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";
import { settings } from "../model/settings.ts";
import { recall, remember } from "../model/storage.ts";

/** The other side takes messages twice as long; in bytes. */
const PIECE_BYTES = 32_768;

/** The key under which a browser stores the two words. */
const WORDS = "parley-words";

/**
 * Limit of the time that opening takes, in milliseconds. A program answers after
 * 10 seconds at the latest.
 */
const OPEN_TIMEOUT_MS = settings.local ? 15_000 : 10_000;

/** The two words, each of 32 digits. */
const words = location.hash.slice(1) || `${recall("localStorage", WORDS)}`;

/**
 * Stores words that the program knows. Any page and any message can have a link
 * to this page with others.
 */
function keepWords(): void {
  if (location.hash && remember("localStorage", WORDS, words)) {
    history.replaceState(null, "", "/"); // a reload finds them where they are
  }
}

/** A new WebSocket. */
export function newSocket(address: URL): WebSocket {
  const url = new URL(address);
  if (settings.local) url.searchParams.set("key", words.slice(0, 32));
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  return socket;
}

/** Which server is at the other end of the WebSocket `url`, and how it is reached. */
export function homeOf(url: URL): Home {
  const isSecure = url.protocol === "wss:";
  if (!settings.local) {
    const port = Number(url.port) || (isSecure ? 443 : 80);
    const way = isSecure ? "https" : "http";
    return { place: placeOf(url.hostname, port), way };
  }
  const typed = url.searchParams.get("server") ?? "";
  const [, host = typed, port = url.searchParams.get("port")] =
    /^(\[.*\]|[^:]*):(\d+)$/.exec(typed) ?? [];
  const place = placeOf(host, Number(port));
  return { place, way: settings.tls ? "tls" : "tcp" };
}

function placeOf(host: string, port: number): Place {
  const hostname = host.replace(/^\[(.*)\]$/, "$1");
  return { hostname, port, text: `${host}:${port}` };
}

/** The WebSocket that leads to `other`, of which the server of `home` has told. */
export function addressOf(home: URL, other: Place | undefined): URL {
  const url = new URL(home);
  if (!other) return url;
  if (!settings.local) url.host = other.text;
  else {
    url.searchParams.set("other", other.text);
    if (other.sha256) url.searchParams.set("told", other.sha256);
  }
  return url;
}

/**
 * Opens a WebSocket.
 *
 * @throws {ConnectionError} If that fails, which may pass.
 */
export async function openSocket(
  url: URL,
  signal: AbortSignal,
): Promise<Stream> {
  const socket = newSocket(url);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => reject(lost("Cannot reach the server"));
  const timeout = AbortSignal.timeout(OPEN_TIMEOUT_MS);
  AbortSignal.any([signal, timeout]).addEventListener("abort", giveUp);
  if (settings.local) {
    socket.onmessage = ({ data }) => {
      const text = new TextDecoder().decode(data);
      const isOurs = text.slice(0, 32) === words.slice(32);
      if (isOurs) keepWords();
      if (!isOurs) reject(gone("Another program has the port of this page"));
      else if (text.length > 32) reject(lost(text.slice(32)));
      else resolve();
    };
    socket.onclose = () =>
      reject(gone("Cannot reach the program of this page"));
  } else {
    socket.onopen = () => resolve();
    socket.onclose = giveUp;
  }
  try {
    await promise;
    return streamOf(socket);
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** A socket that was just opened. Browsers read without backpressure. */
function streamOf(socket: WebSocket): Stream {
  const messages = new ReadableStream<Uint8Array>({
    start(controller) {
      socket.onmessage = ({ data }) => controller.enqueue(new Uint8Array(data));
      socket.onclose = () => controller.close();
    },
    cancel() {
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  }).getReader(); // not every browser can iterate over a stream
  return {
    // The cast: a result without a value is the end.
    read: chunkReader({
      next: () => messages.read() as Promise<IteratorResult<Uint8Array>>,
    }),
    write(bytes) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        socket.send(bytes.slice(at, at + PIECE_BYTES));
      }
      return Promise.resolve(bytes.length); // the browser buffers them
    },
    close: () => void messages.cancel().catch(() => {}), // it may have ended
  };
}

/** The program of a page does not come back on its port. */
function gone(message: string): ConnectionError {
  const advice = "Close the page, and start the client with --gui again";
  return new ConnectionError("lost", `${message}. ${advice}`);
}

function lost(message: string): ConnectionError {
  return new ConnectionError("lost", message, { passing: true });
}
