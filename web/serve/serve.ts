/**
 * Serves the page, and turns its WebSockets into streams of bytes that speak
 * parley/1: for `server.ts --web` and `client.ts --gui`.
 *
 * It knows the files of the page and nothing else. The page may load nothing
 * from elsewhere and run nothing that is written into it; no other page may
 * open a WebSocket here.
 *
 * @module
 */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { type Asset, assetsWith, type Settings } from "./assets.ts";
import { Callers } from "./callers.ts";
import { MAX_MESSAGE_BYTES, SocketWire } from "./socket.ts";

/** What {@linkcode startWeb} has to know. */
export interface WebOptions {
  /** Address to listen on. */
  readonly hostname: string;
  /** Port to listen on; 0 takes a free one. */
  readonly port: number;
  /** Certificate and key as PEM: then it speaks HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** What the page has to know; default: web/page/model/settings.ts. */
  readonly settings?: Settings;
  /** Who may come in; default: everybody, from a page of ours. */
  readonly guard?: Guard;
  /** How many connections there may be, but for WebSockets. */
  readonly maxCallers?: number;
  /** Where there are WebSockets; default: `/ws` alone. */
  readonly sockets?: readonly string[];
  /**
   * Takes what a page of ours posts, and says what is answered. Default: nothing
   * is taken.
   */
  readonly take?: (request: IncomingMessage, url: URL) => Promise<Reply>;
  /** Sees to a WebSocket, and closes it. */
  welcome(wire: SocketWire, visitor: Visitor): void;
}

/** Who has opened a WebSocket. */
export interface Visitor {
  /** Where it comes from. */
  readonly address: Deno.NetAddr;
  /** Which of the WebSockets it is. */
  readonly path: string;
  /** What it asked for. */
  readonly query: URLSearchParams;
}

/**
 * Looks at every request before it is answered.
 *
 * @returns Another answer; undefined if the request may pass.
 */
export type Guard = (
  request: IncomingMessage,
  url: URL,
) => Reply | undefined;

/** An answer without a file. */
export interface Reply {
  /** The HTTP status. */
  readonly status: number;
  /** For the person who reads it. */
  readonly text: string;
  /** Besides those that every answer has. */
  readonly headers?: OutgoingHttpHeaders;
}

/**
 * A running web server. Dispose to stop it: that ends at once what is no
 * WebSocket; those are ended by who has welcomed them.
 */
export interface Web extends Disposable {
  /** Where it listens. */
  readonly port: number;
}

/**
 * Starts listening.
 *
 * @throws {Error} If the port is in use; its `code` is then `EADDRINUSE`.
 */
export async function startWeb(options: WebOptions): Promise<Web> {
  const { tls, hostname, port } = options;
  const assets = assetsWith(options.settings);
  const server: Server = tls
    ? createSecureServer({ ...PATIENCE, ...tls })
    : createServer(PATIENCE);
  server.on("request", async (request, response) => {
    try {
      await respond(request, response, { assets, options });
    } catch (bug) {
      console.error("A request failed:", bug);
      say(response, BROKEN);
    }
  });
  const callers = new Callers(options.maxCallers);
  server.on("connection", (socket) => callers.add(socket));
  carryWebSockets(server, callers, options);
  const { promise: listening, resolve, reject } = Promise
    .withResolvers<void>();
  server.once("error", reject);
  server.listen({ host: hostname, port, backlog: BACKLOG }, resolve);
  await listening;
  return {
    // The cast: that is what a server on a port has.
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Turns requests for `/ws` into wires. */
function carryWebSockets(
  server: Server,
  callers: Callers,
  { guard, welcome, sockets: paths = ["/ws"] }: WebOptions,
): void {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // a state for each peer, for texts this short
    maxPayload: MAX_MESSAGE_BYTES,
  });
  server.on("upgrade", (request, socket: Duplex, head) => {
    try {
      const url = urlOf(request);
      const elsewhere = paths.includes(url.pathname) ? undefined : NOT_FOUND;
      const reply = elsewhere ?? refusal(request) ?? guard?.(request, url);
      if (reply) return refuse(socket, reply);
      const address = addressOf(request);
      sockets.handleUpgrade(request, socket, head, (opened) => {
        callers.release(request.socket);
        const { pathname: path, searchParams: query } = url;
        welcome(new SocketWire(opened), { address, path, query });
      });
    } catch (bug) {
      console.error("A WebSocket failed:", bug);
      socket.destroy();
    }
  });
}

/** Why a request does not come from a page of ours. */
function refusal({ headers }: IncomingMessage): Reply | undefined {
  const { origin, host = "" } = headers;
  // Programs that are no browsers have no Origin; they are no page's puppets.
  if (origin === undefined) return undefined;
  const ours = URL.parse(`http://${host}`)?.host;
  if (ours !== undefined && hostOf(origin) === ours) return undefined;
  return {
    status: 403,
    text: `Cannot do this for a page of ${origin}: this is ${host}\n`,
  };
}

/** Answers a request that was let in. */
async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { assets, options: { guard, take } }: {
    assets: ReadonlyMap<string, Asset>;
    options: WebOptions;
  },
): Promise<void> {
  const url = urlOf(request);
  const asset = assets.get(url.pathname);
  const refused = guard?.(request, url);
  if (refused) say(response, refused);
  else if (take && request.method === "POST") {
    say(response, refusal(request) ?? await take(request, url));
  } else if (asset) give(asset, request, response);
  else say(response, NOT_FOUND);
}

/** Answers with a file. */
function give(
  asset: Asset,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return say(response, NOT_ALLOWED);
  }
  const zips = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  const isPart = /css|javascript/.test(asset.type); // of a page, and no page
  const headers = {
    ...HEADERS,
    ...(isPart ? {} : POLICY),
    "ETag": asset.etag,
    "Vary": "Accept-Encoding",
    "Content-Type": asset.type,
    ...(zips ? { "Content-Encoding": "gzip" } : {}),
  };
  if (request.headers["if-none-match"] === asset.etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const bytes = zips ? asset.gzipped : asset.bytes;
  response.writeHead(200, { ...headers, "Content-Length": bytes.length });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** Sends an answer without a file. */
function say(response: ServerResponse, { status, text, headers }: Reply): void {
  response.writeHead(status, {
    ...HEADERS,
    ...POLICY,
    "Content-Type": "text/plain; charset=utf-8",
    ...headers,
  });
  response.end(text);
}

/** The same, to who has asked for a WebSocket. */
function refuse(socket: Duplex, { status, text }: Reply): void {
  const length = new TextEncoder().encode(text).length;
  socket.on("error", () => {}); // it may be gone already
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${length}\r\n\r\n${text}`,
    () => socket.destroy(),
  );
}

/** What was asked for: a path. Anything else is nothing that there is. */
function urlOf({ url = "" }: IncomingMessage): URL {
  const base = "http://here";
  const parsed = url.startsWith("/") ? URL.parse(url, base) : null;
  return parsed?.origin === base ? parsed : new URL("/invalid", base);
}

/** Host and port of an origin, without what goes without saying. */
function hostOf(origin: string): string | undefined {
  return URL.parse(origin.replace(/^https:/, "http:"))?.host;
}

function addressOf({ socket }: IncomingMessage): Deno.NetAddr {
  const { remoteAddress = "unknown", remotePort = 0 } = socket;
  return { transport: "tcp", hostname: remoteAddress, port: remotePort };
}

/** Who asks and then falls silent is waited for, in milliseconds. */
const PATIENCE = {
  handshakeTimeout: 10_000,
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
};

/** A burst of so many connections is accepted without a wait. */
const BACKLOG = 4_096;

/**
 * With what a browser shows by itself. The page may load what is served here,
 * and connect to here, and nothing else; nothing that is written into it is run.
 */
const POLICY = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "Referrer-Policy": "no-referrer",
};

/** With every answer. */
const HEADERS = {
  "Cache-Control": "no-cache", // ask whether it has changed
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

const NOT_FOUND: Reply = {
  status: 404,
  text: "There is nothing here; the chat is at /\n",
};

const BROKEN: Reply = { status: 500, text: "This should not happen\n" };

const NOT_ALLOWED: Reply = {
  status: 405,
  text: "Only GET and HEAD are answered\n",
  headers: { Allow: "GET, HEAD" },
};
