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
import { once } from "node:events";
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

/** What {@linkcode startWeb} needs. */
export interface WebOptions {
  /** Address to listen on. */
  readonly hostname: string;
  /** Port to listen on; 0 takes a free one. */
  readonly port: number;
  /** Certificate and key as PEM: then it speaks HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** What the page is told; default: web/page/model/settings.ts. */
  readonly settings?: Settings;
  /** Which requests are answered; default: all from a page served here. */
  readonly guard?: Guard;
  /** Limit of connections that are no WebSocket. */
  readonly maxCallers?: number;
  /** The paths of WebSockets; default: `/ws` alone. */
  readonly sockets?: readonly string[];
  /**
   * Takes what a page served here posts, and gives the answer. Default: POST is
   * refused.
   */
  readonly take?: (request: IncomingMessage, url: URL) => Promise<Reply>;
  /** Takes over a WebSocket, and closes it at the end. */
  welcome(wire: SocketWire, visitor: Visitor): void;
}

/** The opener of a WebSocket. */
export interface Visitor {
  /** Its address. */
  readonly address: Deno.NetAddr;
  /** The path of the WebSocket. */
  readonly path: string;
  /** The query of its request. */
  readonly query: URLSearchParams;
}

/**
 * Checks every request before it is answered.
 *
 * @returns Another answer; undefined if the request passes.
 */
export type Guard = (
  request: IncomingMessage,
  url: URL,
) => Reply | undefined;

/** An answer without a file. */
export interface Reply {
  /** The HTTP status. */
  readonly status: number;
  /** What the user reads. */
  readonly text: string;
  /** In addition to the headers of every answer. */
  readonly headers?: OutgoingHttpHeaders;
}

/**
 * A running web server. Dispose to stop it: that closes all connections at once,
 * except for WebSockets. The receiver of `welcome` closes those.
 */
export interface Web extends Disposable {
  /** The port it listens on. */
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
      await respond(request, response, assets, options);
    } catch (bug) {
      console.error("A request failed:", bug);
      say(response, BROKEN);
    }
  });
  const callers = new Callers(options.maxCallers);
  server.on("connection", (socket) => callers.add(socket));
  carryWebSockets(server, callers, options);
  server.listen({ host: hostname, port, backlog: BACKLOG });
  await once(server, "listening");
  return {
    // The cast: that is what a server on a port has.
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Turns requests for WebSockets into wires. */
function carryWebSockets(
  server: Server,
  callers: Callers,
  { guard, welcome, sockets: paths = ["/ws"] }: WebOptions,
): void {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // memory for each peer, and the texts are short
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

/** Why a request does not come from a page served here. */
function refusal({ headers }: IncomingMessage): Reply | undefined {
  const { origin, host = "" } = headers;
  // Only browsers send Origin, and only in them a page can act for a user.
  if (origin === undefined) return undefined;
  const ours = URL.parse(`http://${host}`)?.host;
  if (ours !== undefined && hostOf(origin) === ours) return undefined;
  return {
    status: 403,
    text: `Cannot do this for a page of ${origin}: this is ${host}\n`,
  };
}

/** Answers a request. */
async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  assets: ReadonlyMap<string, Asset>,
  { guard, take }: WebOptions,
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
  const isPart = /css|javascript/.test(asset.type); // no page by itself
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

/** The same, to a request for a WebSocket. */
function refuse(socket: Duplex, { status, text }: Reply): void {
  const length = new TextEncoder().encode(text).length;
  socket.on("error", () => {}); // the peer may be gone
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${length}\r\n\r\n${text}`,
    () => socket.destroy(),
  );
}

/** The path that was asked for. Anything else leads to an invalid one. */
function urlOf({ url = "" }: IncomingMessage): URL {
  const base = "http://here";
  const parsed = url.startsWith("/") ? URL.parse(url, base) : null;
  return parsed?.origin === base ? parsed : new URL("/invalid", base);
}

/** Host and port of an origin, without a default port. */
function hostOf(origin: string): string | undefined {
  return URL.parse(origin.replace(/^https:/, "http:"))?.host;
}

function addressOf({ socket }: IncomingMessage): Deno.NetAddr {
  const { remoteAddress = "unknown", remotePort = 0 } = socket;
  return { transport: "tcp", hostname: remoteAddress, port: remotePort };
}

/** How long a client may take, in milliseconds. */
const PATIENCE = {
  handshakeTimeout: 10_000,
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
};

/** Connections that can wait to be accepted, for a class that starts at once. */
const BACKLOG = 4_096;

/**
 * For pages. A page can load and connect to what is served here, and nothing
 * else; an inline script does not run.
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

/** For every answer. */
const HEADERS = {
  "Cache-Control": "no-cache", // ask whether it has changed
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

const NOT_FOUND: Reply = {
  status: 404,
  text: "Not found. The chat is at /\n",
};

const BROKEN: Reply = { status: 500, text: "Internal error\n" };

const NOT_ALLOWED: Reply = {
  status: 405,
  text: "Use GET or HEAD\n",
  headers: { Allow: "GET, HEAD" },
};
