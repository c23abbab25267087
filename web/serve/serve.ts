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
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext } from "node:tls";
import { WebSocketServer } from "ws";
import type { OtherServer } from "../../core/net/alternates.ts";
import { networkOf } from "../../core/net/ip_address.ts";
import {
  type Answer,
  fileAnswer,
  NOT_FOUND,
  type Reply,
  textAnswer,
} from "./answer.ts";
import { type Asset, assetsWith, type Settings } from "./assets.ts";
import { type CallerLimits, Callers } from "./callers.ts";
import { paceFrames } from "./frames.ts";
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
import { secured } from "./secure.ts";
import { MAX_MESSAGE_BYTES, SocketWire } from "./socket.ts";
import { limited, whileOpen } from "./waiting.ts";

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
export async function startWeb(options: WebOptions): Promise<Web> {
  const { tls, hostname, alsoOn } = options;
  const site = new Site(options);
  if (tls) site.renew(tls);
  using listening = new DisposableStack(); // ends it if the rest fails
  listening.defer(() => site.endAll());
  let { port } = options;
  for (const host of alsoOn === undefined ? [hostname] : [hostname, alsoOn]) {
    const server = createServer(
      { allowHalfOpen: true, noDelay: true },
      (socket) => site.welcome(socket),
    );
    server.listen({ host, port, backlog: BACKLOG });
    await once(server, "listening");
    listening.defer(() => server.close());
    // The cast: that is what a server on a port has.
    port = (server.address() as AddressInfo).port;
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
  readonly #sockets: WebSocketServer;
  readonly #maxMessageBytes: number;
  #names: ReadonlySet<string>;
  #context: SecureContext | undefined;

  constructor(options: WebOptions) {
    this.#options = options;
    this.#assets = assetsWith(options.settings);
    this.#callers = new Callers(options.callers);
    this.#patience = options.patience ?? PATIENCE;
    this.#names = namesOf(options);
    this.#maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES;
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false, // memory for each peer, and the texts are short
      maxPayload: this.#maxMessageBytes,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: this.#maxMessageBytes / MIN_PIECE_BYTES,
      autoPong: !options.meter, // paceFrames() answers pings
      maxPendingAutoPongs: MAX_PENDING_PONGS,
    });
  }

  /** From now on it speaks HTTPS, with this certificate. */
  renew({ cert, key }: NonNullable<WebOptions["tls"]>): void {
    this.#context = createSecureContext({ cert, key });
    this.#names = namesOf({ ...this.#options, cert });
  }

  /** Serves a connection that was just accepted, unless there are too many. */
  welcome(socket: Socket): void {
    socket.on("error", () => {}); // its end follows
    const { remoteAddress: hostname, remotePort: port = 0 } = socket;
    const { meter } = this.#options;
    // Without an address, it was reset before.
    if (hostname === undefined || meter?.countConnection(hostname) === false) {
      return void socket.destroy();
    }
    const network = networkOf(hostname);
    this.#callers.add(socket, network);
    socket.once("close", () => this.#callers.remove(socket, network));
    const address = { transport: "tcp", hostname, port } as const;
    this.#serve({ socket, address, network }).catch((bug) => {
      console.error("A connection to the page failed:", bug);
      socket.destroy();
    });
  }

  /** Ends all connections but WebSockets. */
  endAll(): void {
    this.#callers.endAll();
  }

  async #serve(visit: Visit): Promise<void> {
    const { socket, address: { hostname } } = visit;
    const { meter } = this.#options;
    const isGone = () => socket.destroyed;
    const common = {
      patience: this.#patience,
      countRequest: () => meter?.countRequest(hostname) ?? 0,
      turn: () => meter?.turn(hostname, isGone),
    };
    const answerer: Answerer = {
      ...common,
      maxRequests: MAX_REQUESTS,
      answer: (asked) => this.#answer(asked),
      upgrade: (asked, stream, rest) =>
        this.#upgrade(visit, asked, stream, rest),
    };
    if (!this.#context) return await answerRequests(socket, answerer);
    const { firstMs } = this.#patience;
    const isTls = await limited(socket, firstMs, beginsTls(socket));
    if (isTls === undefined) return void socket.destroy();
    if (!isTls) {
      const redirecting = { ...common, maxRequests: 1, answer: redirection };
      return await answerRequests(socket, redirecting);
    }
    if (meter) await whileOpen(socket, meter.handshake(hostname, isGone));
    if (socket.destroyed) return;
    const secure = secured(socket, this.#context, meter?.frames(hostname));
    await answerRequests(secure, answerer);
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
      refusal(asked.headers, this.#names, origins);
    if (refused) return textAnswer(asked, refused);
    if (isSocket) return undefined;
    const secure = this.#context !== undefined;
    const { host: here = "" } = asked.headers;
    const places = socketsOf(others, { secure, here });
    return fileAnswer(asked, this.#assets.get(url.pathname), places);
  }

  /** Turns a connection into a WebSocket; `ws` refuses what is none. */
  #upgrade(
    { socket, address, network }: Visit,
    asked: Asked,
    stream: Duplex,
    rest: Buffer,
  ): void {
    const { meter, welcome } = this.#options;
    const url = urlOf(asked);
    this.#sockets.handleUpgrade(asked, stream, rest, (opened) => {
      const { hostname } = address;
      this.#callers.remove(socket, network);
      meter?.uncountConnection(hostname);
      const wire = new SocketWire(opened);
      if (meter) {
        const maxMessageBytes = this.#maxMessageBytes;
        paceFrames(opened, stream, {
          meter: meter.frames(hostname),
          maxMessageBytes,
        });
      }
      welcome(wire, { address, url });
    });
  }
}

/** A connection, and where it is from. */
interface Visit {
  readonly socket: Socket;
  readonly address: Deno.NetAddr;
  /** See {@linkcode networkOf}. */
  readonly network: string;
}

/** Whether a request is for a WebSocket; `ws` checks the rest of it. */
function asksForSocket({ headers: { connection, upgrade } }: Asked): boolean {
  return upgrade?.toLowerCase() === "websocket" &&
    /\bupgrade\b/i.test(connection ?? "");
}

/** The path that was asked for. Anything else leads to an invalid one. */
function urlOf({ url }: Asked): URL {
  const base = "http://here";
  const parsed = url.startsWith("/") ? URL.parse(url, base) : null;
  return parsed?.origin === base ? parsed : new URL("/invalid", base);
}

/** Frames of one message; browsers send whole messages. */
const MAX_FRAGMENTS = 128;

/**
 * A frame comes in pieces, as the system reads them; those of the longest message
 * have so many bytes in the mean. `ws` holds each piece, with about 475 bytes
 * beside its own.
 */
const MIN_PIECE_BYTES = 64;

/** Pings that could not be answered yet. */
const MAX_PENDING_PONGS = 60;

/** Connections that can wait to be accepted, for a class that starts at once. */
const BACKLOG = 4_096;
