/**
 * The page for one person on this computer: `client.ts --gui`.
 *
 * Pages speak WebSocket and servers TCP, so this carries the bytes between the
 * two, and understands none of them. About files the page talks with this
 * program, on a WebSocket of its own; core/page_talk.ts has the words.
 *
 * It listens on this computer alone, where other people and other pages may be
 * too. Those do not know the address: a key in it is good once, and then a
 * cookie stands for it, which only pages of this address send.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import type { IncomingMessage } from "node:http";
import type { Settings } from "../../web/serve/assets.ts";
import {
  type Guard,
  type Reply,
  startWeb,
  type Visitor,
} from "../../web/serve/serve.ts";
import type { SocketWire, Wire } from "../../web/serve/socket.ts";

/** What {@linkcode serveLocally} has to know. */
export interface LocalOptions {
  /** Whom to be, and where, if the command line says so. */
  readonly settings: Omit<Settings, "local">;
  /**
   * Connects to a server.
   *
   * @throws {Error} Whose message is for the person.
   */
  dial(server: string, port: string, signal: AbortSignal): Promise<Wire>;
  /** What sees to files. */
  readonly files: LocalFiles;
  /**
   * A server may go on for so long when its page is gone, in milliseconds;
   * default 5 seconds.
   */
  readonly lastWordsMs?: number;
}

/** What sees to the files of pages. */
export interface LocalFiles {
  /** Talks with the page of `me`, until that is gone or `wire` is closed. */
  attend(wire: Wire, me: string): Promise<void>;
  /**
   * Takes a piece of a file that a page was asked for.
   *
   * @returns Resolves at its end; to false if nobody has asked for it.
   */
  take(read: number, bytes: AsyncIterable<Uint8Array>): Promise<boolean>;
}

/** The page, as long as it is served. Dispose to end it. */
export interface LocalPage extends AsyncDisposable {
  /** Where it is: good once. */
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
    take: (request, url) => takeFile(request, url, options),
    welcome: (wire, visitor) => {
      const relay = serve(wire, visitor, { options, signal: ending.signal })
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

/** Opens the system's browser; says when it turns out that it cannot. */
export async function openBrowser(address: string): Promise<boolean> {
  const [program, ...args] = OPENERS[Deno.build.os] ?? ["xdg-open"];
  try {
    const { success } = await new Deno.Command(program, {
      args: [...args, address],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true, // what ends us does not end the browser
    }).spawn().status;
    return success;
  } catch {
    return false; // there is no such program
  }
}

/** What opens addresses, by system; the others have what Linux has. */
const OPENERS: Partial<Record<string, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  windows: ["rundll32", "url.dll,FileProtocolHandler"],
};

const HOST = "127.0.0.1";

/** Lets in who has the key, which then is spent, or the cookie given for it. */
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

/** Takes as long whatever is guessed. */
function isSame(given: string, secret: string): boolean {
  if (given.length !== secret.length) return false; // which is no secret
  const encoder = new TextEncoder();
  const [a, b] = [encoder.encode(given), encoder.encode(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** 128 bits that nobody guesses. */
function randomWord(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}

const REFUSED: Reply = {
  status: 403,
  text: "This page is for whoever has started it, and its address good once. " +
    "Start client.ts --gui again\n",
};

/** What each WebSocket is for. */
function serve(page: SocketWire, visitor: Visitor, serving: Serving) {
  return visitor.path === "/files"
    ? talkAboutFiles(page, visitor, serving)
    : carry(page, visitor, serving);
}

/** What it takes to serve one. */
interface Serving {
  readonly options: LocalOptions;
  readonly signal: AbortSignal;
}

async function talkAboutFiles(
  page: SocketWire,
  { query }: Visitor,
  { options, signal }: Serving,
): Promise<void> {
  const close = () => page.close();
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  try {
    await options.files.attend(page, query.get("name") ?? "");
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

/** Takes the body of `POST /files/READ`. */
async function takeFile(
  request: IncomingMessage,
  { pathname }: URL,
  { files }: LocalOptions,
): Promise<Reply> {
  const [, read] = /^\/files\/(\d{1,15})$/.exec(pathname) ?? [];
  const wasAsked = read !== undefined &&
    await files.take(Number(read), request);
  return wasAsked
    ? { status: 204, text: "" }
    : { status: 404, text: "Nobody has asked for this\n" };
}

/** Carries bytes between a page and the server that it names. */
async function carry(
  page: SocketWire,
  { query }: Visitor,
  { options, signal }: Serving,
): Promise<void> {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  using relay = new DisposableStack();
  relay.defer(() => page.close());
  signal.addEventListener("abort", () => end(), { once: true });
  if (signal.aborted) end();
  const [host, port] = [query.get("server"), query.get("port")];
  let server: Wire | undefined;
  try {
    server = await options.dial(host ?? "", port ?? "", signal);
    relay.adopt(server, (wire) => wire.close());
    const left = pass(page, server).then(() => {
      if (relay.disposed) return;
      relay.adopt(
        setTimeout(end, options.lastWordsMs ?? LAST_WORDS_MS),
        clearTimeout,
      );
    });
    await Promise.race([Promise.all([left, pass(server, page)]), ended]);
  } catch (error) {
    // The cast: nothing throws anything else. If it was connected, one of the
    // two is gone, and the page learns that it was lost.
    if (!server) await Promise.race([tell(page, error as Error), ended]);
  }
}

/** A page that is gone hears nothing, so its server may not take forever. */
const LAST_WORDS_MS = 5_000;

/** Says why there is no server, and waits until it was heard. */
async function tell(page: SocketWire, { message }: Error): Promise<void> {
  await page.closeWrite(message);
  while (await page.read(new Uint8Array(1_024)) !== null);
}

/** Passes on what comes, no faster than it is taken, and its end. */
async function pass(from: Wire, to: Wire): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await from.read(buffer)) !== null;) {
    for (let at = 0; at < count;) {
      at += await to.write(buffer.subarray(at, count));
    }
  }
  await to.closeWrite();
}
