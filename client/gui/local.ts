/**
 * The web client for one user on this computer: `client.ts --gui`.
 *
 * Pages speak WebSocket and servers TCP, so this carries the bytes between the
 * two, and understands none of them. About files the page talks with this
 * program, on a WebSocket of its own; see core/page_talk.ts.
 *
 * It listens on this computer alone, where other users and other pages may be
 * too. They do not know the address: a key in it works once, and then a cookie
 * stands for it, which only pages of this address send.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Settings } from "../../web/serve/assets.ts";
import {
  type Guard,
  type Reply,
  startWeb,
  type Visitor,
} from "../../web/serve/serve.ts";
import { type ByteStream, writeAll } from "../../core/net/stream.ts";
import type { SocketWire } from "../../web/serve/socket.ts";
import type { pageFiles } from "./page_session.ts";

/** What {@linkcode serveLocally} needs. */
export interface LocalOptions {
  /** The name and the server, if the command line says so. */
  readonly settings: Omit<Settings, "local">;
  /**
   * Connects to a server.
   *
   * @throws {Error} With a message for the user.
   */
  dial(server: string, port: string, signal: AbortSignal): Promise<ByteStream>;
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
}

/** Serves the page on a free port of this computer. */
export async function serveLocally(options: LocalOptions): Promise<LocalPage> {
  const key = randomWord();
  const ending = new AbortController();
  const relays = new Set<Promise<void>>();
  const web = await startWeb({
    hostname: HOST,
    port: 0,
    settings: { ...options.settings, local: true },
    guard: keyGuard(key, () => web.port),
    sockets: ["/ws", "/files"],
    async take(request, { pathname }) {
      const [, read] = /^\/files\/(\d{1,15})$/.exec(pathname) ?? [];
      const wasAsked = read !== undefined &&
        await options.files.take(Number(read), request);
      return wasAsked
        ? { status: 204, text: "" }
        : { status: 404, text: "This was not asked for\n" };
    },
    welcome: (wire, visitor) => {
      const relay = serve(wire, visitor, options, ending.signal)
        .catch((bug) => console.error("Serving the page failed:", bug))
        .finally(() => relays.delete(relay));
      relays.add(relay);
    },
  });
  return {
    address: `http://${HOST}:${web.port}/?key=${key}`,
    async [Symbol.asyncDispose]() {
      web[Symbol.dispose]();
      ending.abort();
      await Promise.all(relays);
    },
  };
}

/** Opens the system's browser, if there is one. */
export async function openBrowser(address: string): Promise<void> {
  const [program, ...args] = OPENERS[Deno.build.os] ?? ["xdg-open"];
  try {
    await new Deno.Command(program, {
      args: [...args, address],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true, // the browser outlives this program
    }).spawn().status;
  } catch {
    // There is no such program.
  }
}

/** What opens addresses, by system; the others have what Linux has. */
const OPENERS: Partial<Record<string, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  windows: ["rundll32", "url.dll,FileProtocolHandler"],
};

const HOST = "127.0.0.1";

/** Accepts the key, once, or the cookie that was set for it. */
function keyGuard(key: string, port: () => number): Guard {
  const pass = randomWord();
  let spent = false;
  return (request, url) => {
    const { host = "" } = request.headers;
    // Cookies are shared by all ports, so the port is in its name.
    const cookie = `parley-${port()}`;
    if (host !== `${HOST}:${port()}`) return REFUSED;
    const given = url.pathname === "/" ? url.searchParams.get("key") : null;
    const known = isSame(cookieOf(request, cookie), pass);
    if (given === null) return known ? undefined : REFUSED;
    const fits = isSame(given, key) && !spent;
    if (!known && !fits) return REFUSED;
    spent ||= fits;
    return {
      status: 303,
      text: "",
      headers: {
        "Location": "/",
        "Set-Cookie": `${cookie}=${pass}; HttpOnly; SameSite=Strict; Path=/`,
      },
    };
  };
}

function cookieOf({ headers }: IncomingMessage, name: string): string {
  const cookies = (headers.cookie ?? "").split("; ");
  const found = cookies.find((cookie) => cookie.startsWith(`${name}=`));
  return found?.slice(name.length + 1) ?? "";
}

/** Compares in constant time. */
function isSame(given: string, secret: string): boolean {
  if (given.length !== secret.length) return false; // the length is not secret
  const encoder = new TextEncoder();
  const [a, b] = [encoder.encode(given), encoder.encode(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** 128 random bits. */
function randomWord(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}

const REFUSED: Reply = {
  status: 403,
  text: "Only the user who started this program can open the page, and its " +
    "address works once. Start client.ts --gui again\n",
};

/** Serves one WebSocket of a page, until it is closed or `signal` aborts. */
async function serve(
  page: SocketWire,
  { path, query }: Visitor,
  options: LocalOptions,
  signal: AbortSignal,
): Promise<void> {
  const close = () => page.close();
  signal.addEventListener("abort", close);
  try {
    if (signal.aborted) return;
    if (path !== "/files") await carry(page, query, options, signal);
    else await options.files.attend(page, query.get("name") ?? "");
  } finally {
    signal.removeEventListener("abort", close);
    page.close();
  }
}

/** Carries bytes between a page and the server that it names. */
async function carry(
  page: SocketWire,
  query: URLSearchParams,
  { dial, lastWordsMs = LAST_WORDS_MS }: LocalOptions,
  signal: AbortSignal,
): Promise<void> {
  const [host, port] = [query.get("server"), query.get("port")];
  let server: ByteStream;
  try {
    server = await dial(host ?? "", port ?? "", signal);
  } catch (error) {
    return await tell(page, error as Error); // the cast: nothing else is thrown
  }
  const over = new AbortController();
  try {
    const sent = pass(page, server);
    const both = Promise.all([sent, pass(server, page)]);
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
async function tell(page: SocketWire, { message }: Error): Promise<void> {
  await page.closeWrite(message);
  while (await page.read(new Uint8Array(1_024)) !== null);
}

/** Passes on bytes, no faster than they are taken, and the end. */
async function pass(from: ByteStream, to: ByteStream): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await from.read(buffer)) !== null;) {
    await writeAll(to, buffer.subarray(0, count));
  }
  await to.closeWrite();
}
