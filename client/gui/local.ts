/**
 * The web client for one user on this computer: `client.ts --gui`.
 *
 * Pages speak WebSocket and servers TCP, so this carries the bytes between the
 * two, and understands none of them. About files the page talks with this
 * program, on a WebSocket of its own; see core/page_talk.ts.
 *
 * It listens on this computer alone, where other users and other pages may be
 * too; page_keys.ts keeps them out.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { Buffer } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import type { Settings } from "../../web/serve/assets.ts";
import { startWeb } from "../../web/serve/serve.ts";
import { withAdvice } from "../../core/net/connection_error.ts";
import { type ByteStream, writeAll } from "../../core/net/stream.ts";
import type { SocketWire } from "../../web/serve/socket.ts";
import { HOST, type PageKeys, pageKeys, SOCKETS } from "./page_keys.ts";
import { MAX_MESSAGE_BYTES } from "./page_link.ts";
import type { pageFiles } from "./page_session.ts";

/** The server to which a page wants to be connected, in its words. */
export interface Asked {
  /** The server that its user typed. */
  readonly host: string;
  readonly port: string;
  /** Another one of which that has told, as `host:port`. */
  readonly other?: string | undefined;
  /** The certificate of the other one, by its SHA-256. */
  readonly told?: string | undefined;
}

/** What {@linkcode serveLocally} needs. */
export interface LocalOptions {
  /** The name and the server, if the command line says so. */
  readonly settings: Omit<Settings, "local">;
  /**
   * Connects to a server, or to another one of which it has told the page.
   *
   * @throws {Error} With a message for the user, and perhaps with advice.
   */
  dial(server: Asked, signal: AbortSignal): Promise<ByteStream>;
  /** Sends and receives files. */
  readonly files: ReturnType<typeof pageFiles>;
  /**
   * So long a connection stays open when its page is gone, in milliseconds;
   * default 5 seconds.
   */
  readonly lastWordsMs?: number;
}

/** The page, as long as it is served. Dispose to end it. */
export interface LocalPage extends AsyncDisposable {
  /** Where it is; it works once. */
  readonly address: string;
  /** Resolves when a browser has used the address. */
  readonly opened: Promise<void>;
}

/** Serves the page on a free port of this computer. */
export function serveLocally(options: LocalOptions): LocalPage {
  const { key, proof, guard, opened } = pageKeys(() => web.port);
  const ending = new AbortController();
  const relays = new Set<Promise<void>>();
  const web = startWeb({
    hostname: HOST,
    port: 0,
    settings: { ...options.settings, local: true },
    guard,
    sockets: SOCKETS,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    welcome: (wire, { url }) => {
      const relay = serve(wire, url, { ...options, proof }, ending.signal)
        .catch((bug) => console.error("Serving the page failed:", bug))
        .finally(() => relays.delete(relay));
      relays.add(relay);
    },
  });
  return {
    address: `http://${HOST}:${web.port}/?key=${key}`,
    opened,
    async [Symbol.asyncDispose]() {
      web[Symbol.dispose]();
      ending.abort();
      await Promise.all(relays);
    },
  };
}

/** What a WebSocket needs. */
type Served = LocalOptions & Pick<PageKeys, "proof">;

/** Serves one WebSocket of a page, until it is closed or `signal` aborts. */
async function serve(
  page: SocketWire,
  { pathname, searchParams: query }: URL,
  options: Served,
  signal: AbortSignal,
): Promise<void> {
  const close = () => page.close();
  signal.addEventListener("abort", close);
  try {
    if (signal.aborted) return;
    if (pathname !== "/files") await carry(page, query, options, signal);
    else await options.files(page, query.get("name") ?? "");
  } finally {
    signal.removeEventListener("abort", close);
    page.close();
  }
}

/** Carries bytes between a page and the server that it names. */
async function carry(
  page: SocketWire,
  query: URLSearchParams,
  { dial, proof, lastWordsMs = LAST_WORDS_MS }: Served,
  signal: AbortSignal,
): Promise<void> {
  const word = (name: string) => query.get(name) ?? undefined;
  let server: ByteStream;
  try {
    const [host = "", port = ""] = [word("server"), word("port")];
    const asked = { host, port, other: word("other"), told: word("told") };
    server = await dial(asked, signal);
  } catch (error) {
    // The cast: nothing else is thrown.
    return await tell(page, proof, error as Error);
  }
  const over = new AbortController();
  try {
    await page.send(proof);
    const sent = pass(page, {
      take: (bytes) => writeAll(server, bytes),
      closeWrite: () => server.closeWrite(),
    });
    const told = pass(server, {
      take: (bytes) => page.send(bytes),
      closeWrite: () => page.closeWrite(),
    });
    const both = Promise.all([sent, told]);
    const late = sent.then(() =>
      sleep(lastWordsMs, undefined, { signal: over.signal })
    );
    await abortable(Promise.race([both, late]), signal);
  } catch {
    // One of the two is gone: the page finds out that the connection was lost.
  } finally {
    over.abort();
    server.close();
  }
}

/** A page that is gone receives nothing, so its server is closed in the end. */
const LAST_WORDS_MS = 5_000;

/** Says why there is no connection, and waits until the page has read it. */
async function tell(
  page: SocketWire,
  proof: Uint8Array,
  { message, advice = "" }: Error & { readonly advice?: string },
): Promise<void> {
  const text = withAdvice(message, advice);
  await page.send(Buffer.concat([proof, encoder.encode(text)]));
  await page.closeWrite();
  while (await page.read(new Uint8Array(1_024)) !== null);
}

const encoder = new TextEncoder();

/** Passes on bytes, no faster than they are taken, and the end. */
async function pass(
  from: Pick<ByteStream, "read">,
  to: Pick<ByteStream, "closeWrite"> & {
    take(bytes: Uint8Array): Promise<void>;
  },
): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await from.read(buffer)) !== null;) {
    await to.take(buffer.subarray(0, count));
  }
  await to.closeWrite();
}
