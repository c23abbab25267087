/**
 * Serves the page, and turns its WebSockets into streams of bytes that speak
 * parley/1: for `server.ts --web` and `client.ts --gui`.
 *
 * It serves the files of the page and nothing else. The page can load nothing
 * from another origin and run no inline script; no page of another origin can
 * open a WebSocket here.
 *
 * @module
 */
import { createSecureContext, type SecureContext } from "node:tls";
import type { OtherServer } from "../../core/net/alternates.ts";
import { networkOf } from "../../core/net/ip_address.ts";
import { writeAll } from "../../core/net/stream.ts";
import { acceptAll } from "../../platform/accepting.ts";
import { backlogOf } from "../../platform/system.ts";
import { TlsStream } from "../../tls/stream.ts";
import {
  type Answer,
  fileAnswer,
  NOT_FOUND,
  type Reply,
  textAnswer,
} from "./answer.ts";
import { type Asset, assetsWith, type Settings } from "./assets.ts";
import { type CallerLimits, Callers } from "./callers.ts";
import type { Asked } from "./head.ts";
import type { Meter } from "./meter.ts";
import { namesOf, originsOf, refusal, socketsOf } from "./origin.ts";
import { beginsTls, redirection } from "./redirect.ts";
import {
  type Answerer,
  answerRequests,
  MAX_REQUESTS,
  PATIENCE,
  type Patience,
} from "./requests.ts";
import { MAX_MESSAGE_BYTES, SocketWire } from "./socket.ts";
import { asksForSocket, upgradeFault, upgradeHead } from "./upgrade.ts";
import { Visitor } from "./visitor.ts";

export type { Reply };

/** What {@linkcode startWeb} needs. */
export interface WebOptions {
  /** Address to listen on. */
  readonly hostname: string;
  /** Another address to listen on, with the same port; default: none. */
  readonly alsoOn?: string | undefined;
  /** Port to listen on; 0 takes a free one. */
  readonly port: number;
  /** Certificate and key as PEM: then it speaks HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Names by which browsers reach it, besides those of the certificate. */
  readonly names?: readonly string[];
  /** The other servers of the chat, by now; default: there are none. */
  readonly others?: () => readonly OtherServer[];
  /** What the page is told; default: web/page/model/settings.ts. */
  readonly settings?: Settings;
  /** Which requests are answered of those from a page served here. */
  readonly guard?: Guard;
  /** Counts the clients; default: none does. */
  readonly meter?: Meter;
  /** Limits of connections that are no WebSocket. */
  readonly callers?: CallerLimits;
  /** Limits of waiting. */
  readonly patience?: Patience;
  /** The paths of WebSockets; default: `/ws` alone. */
  readonly sockets?: readonly string[];
  /** Longest message of a WebSocket, in bytes; default 64 KiB. */
  readonly maxMessageBytes?: number;
  /** Takes over a WebSocket, and closes it at the end. */
  welcome(
    wire: SocketWire,
    request: { readonly address: Deno.NetAddr; readonly url: URL },
  ): void;
}

/**
 * Checks every request before it is answered.
 *
 * @returns Another answer; undefined if the request passes.
 */
export type Guard = (request: Asked, url: URL) => Reply | undefined;

/**
 * A running web server. Dispose to stop it: that closes all connections at once,
 * except for WebSockets. The receiver of `welcome` closes those.
 */
export interface Web extends Disposable {
  /** The port it listens on. */
  readonly port: number;
  /** Shows another certificate to browsers that connect from now on. */
  renew(tls: NonNullable<WebOptions["tls"]>): void;
}

/**
 * Starts listening.
 *
 * @throws {Error} If the port is in use; its `code` is then `EADDRINUSE`.
 */
export function startWeb(options: WebOptions): Web {
  const { tls, hostname, alsoOn } = options;
  const site = new Site(options);
  if (tls) site.renew(tls);
  using listening = new DisposableStack(); // ends it if the rest fails
  listening.defer(() => site.endAll());
  const closing = new AbortController();
  let { port } = options;
  for (const host of alsoOn === undefined ? [hostname] : [hostname, alsoOn]) {
    const tcpBacklog = backlogOf(BACKLOG);
    const listener = Deno.listen({ hostname: host, port, tcpBacklog });
    listening.defer(() => {
      closing.abort();
      listener.close();
    });
    acceptAll(listener, {
      signal: closing.signal,
      serve: (conn) => site.welcome(conn),
      complain: console.error,
      now: performance.now.bind(performance),
      nextTurn: options.meter?.nextTurn ?? nextRound,
    });
    port = listener.addr.port;
  }
  const all = listening.move();
  return {
    port,
    renew: (pem) => site.renew(pem),
    [Symbol.dispose]: () => all.dispose(),
  };
}

/** What is served, and to whom. */
class Site {
  readonly #options: WebOptions;
  readonly #assets: ReadonlyMap<string, Asset>;
  readonly #callers: Callers;
  readonly #patience: Patience;
  #names: ReadonlySet<string>;
  #context: SecureContext | undefined;

  constructor(options: WebOptions) {
    this.#options = options;
    this.#assets = assetsWith(options.settings);
    this.#callers = new Callers(options.callers);
    this.#patience = options.patience ?? PATIENCE;
    this.#names = namesOf(options);
  }

  /** From now on it speaks HTTPS, with this certificate. */
  renew({ cert, key }: NonNullable<WebOptions["tls"]>): void {
    this.#context = createSecureContext({ cert, key });
    this.#names = namesOf({ ...this.#options, cert });
  }

  /** Serves a connection that was just accepted, unless there are too many. */
  welcome(conn: Deno.TcpConn): void {
    const { meter } = this.#options;
    const address = conn.remoteAddr;
    const { hostname } = address;
    if (meter?.countConnection(hostname) === false) return conn.close();
    const network = networkOf(hostname);
    const visitor = new Visitor(conn);
    this.#callers.add(visitor, network);
    this.#serve({ visitor, address, network })
      .catch((bug) => {
        console.error("A connection to the page failed:", bug);
        visitor.close();
      })
      .finally(() => this.#callers.remove(visitor, network));
  }

  /** Ends all connections but WebSockets. */
  endAll(): void {
    this.#callers.endAll();
  }

  /** Answers requests, until the connection is closed or a WebSocket. */
  async #serve(visit: Visit): Promise<void> {
    const { visitor, address: { hostname } } = visit;
    const { meter } = this.#options;
    const isGone = () => visitor.isClosed;
    const common = {
      patience: this.#patience,
      countRequest: () => meter?.countRequest(hostname) ?? 0,
      turn: () => meter?.turn(hostname, isGone),
    };
    const answerer: Answerer = {
      ...common,
      maxRequests: MAX_REQUESTS,
      answer: (asked) => this.#answer(asked),
      upgrade: (asked) => this.#upgrade(visit, asked),
    };
    const context = this.#context;
    if (!context) return await answerRequests(visitor, answerer);
    const { firstMs } = this.#patience;
    const isTls = await visitor.within(firstMs, beginsTls(visitor));
    if (isTls === undefined) return visitor.close();
    if (!isTls) {
      const redirecting = { ...common, maxRequests: 1, answer: redirection };
      return await answerRequests(visitor, redirecting);
    }
    await meter?.handshake(hostname, isGone);
    if (visitor.isClosed) return;
    const records = meter?.frames(hostname);
    visitor.wrap((stream, first) =>
      new TlsStream(stream, {
        ...{ context, first },
        meter: records && ((bytes) => {
          const waitMs = records.count(bytes);
          return waitMs > 0 ? visitor.pause(waitMs) : undefined;
        }),
      })
    );
    await answerRequests(visitor, answerer);
  }

  /** The answer; undefined if a WebSocket is to be opened. */
  #answer(asked: Asked): Answer | undefined {
    const { guard, sockets = ["/ws"] } = this.#options;
    const url = urlOf(asked);
    const isSocket = asksForSocket(asked);
    const elsewhere = isSocket && !sockets.includes(url.pathname)
      ? NOT_FOUND
      : undefined;
    const others = this.#options.others?.() ?? [];
    const origins = isSocket ? originsOf(others) : undefined;
    const refused = elsewhere ?? guard?.(asked, url) ??
      refusal(asked.headers, this.#names, origins) ??
      (isSocket ? upgradeFault(asked) : undefined);
    if (refused) return textAnswer(asked, refused);
    if (isSocket) return undefined;
    const secure = this.#context !== undefined;
    const { host: here = "" } = asked.headers;
    const places = socketsOf(others, { secure, here });
    return fileAnswer(asked, this.#assets.get(url.pathname), places);
  }

  /** Turns a connection into a WebSocket. */
  async #upgrade(
    { visitor, address, network }: Visit,
    asked: Asked,
  ): Promise<void> {
    const { meter, welcome, maxMessageBytes = MAX_MESSAGE_BYTES } =
      this.#options;
    const head = new TextEncoder().encode(upgradeHead(asked));
    const written = writeAll(visitor, head).then(() => true, () => false);
    if (!await visitor.within(this.#patience.answerMs, written)) {
      return visitor.close(); // the client is gone
    }
    const { hostname } = address;
    this.#callers.remove(visitor, network);
    meter?.uncountConnection(hostname);
    const frames = meter?.frames(hostname);
    const wire = new SocketWire(visitor, { maxMessageBytes, meter: frames });
    welcome(wire, { address, url: urlOf(asked) });
  }
}

/** A connection, and where it is from. */
interface Visit {
  readonly visitor: Visitor;
  readonly address: Deno.NetAddr;
  /** See {@linkcode networkOf}. */
  readonly network: string;
}

/** The path that was asked for. Anything else leads to an invalid one. */
function urlOf({ url }: Asked): URL {
  const base = "http://here";
  const parsed = url.startsWith("/") ? URL.parse(url, base) : null;
  return parsed?.origin === base ? parsed : new URL("/invalid", base);
}

/** Lets other events be handled. */
function nextRound(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Connections that can wait to be accepted, for a class that starts at once. */
const BACKLOG = 4_096;
