/**
 * Answers of the page's port: the files of the page, and texts instead.
 *
 * A value in, a value out; what sends it is in requests.ts.
 *
 * @module
 */
import type { Asset } from "./assets.ts";
import { type Asked, MAX_HEAD_BYTES } from "./head.ts";

/** An answer without a file. */
export interface Reply {
  /** The HTTP status. */
  readonly status: number;
  /** What the user reads. */
  readonly text: string;
  /** In addition to the headers of every answer. */
  readonly headers?: Fields;
}

/** Headers by their names. */
export type Fields = Readonly<Record<string, string>>;

/** An answer, ready to be sent. */
export interface Answer {
  /** The HTTP status. */
  readonly status: number;
  readonly headers: Fields;
  /** What follows the head; all answers with a file share its bytes. */
  readonly body: Uint8Array;
  /** How long the body of a GET is; undefined if that is not told. */
  readonly length: number | undefined;
}

/**
 * The answer to a request for a file, or to none: then 404.
 *
 * @param sockets Where a page can open WebSockets besides its own server, as
 * `ws://host:port`.
 */
export function fileAnswer(
  asked: Asked,
  asset: Asset | undefined,
  sockets: readonly string[] = [],
): Answer {
  if (!asset) return textAnswer(asked, NOT_FOUND);
  const isHead = asked.method === "HEAD";
  if (asked.method !== "GET" && !isHead) return textAnswer(asked, NOT_ALLOWED);
  const zips = /\bgzip\b/.test(asked.headers["accept-encoding"] ?? "");
  const isPart = /css|javascript/.test(asset.type); // no page by itself
  const headers = {
    ...HEADERS,
    ...(isPart ? {} : policyWith(sockets)),
    "ETag": asset.etag,
    "Vary": "Accept-Encoding",
    "Content-Type": asset.type,
    ...(zips ? { "Content-Encoding": "gzip" } : {}),
  };
  if (asked.headers["if-none-match"] === asset.etag) {
    return { status: 304, headers, body: NOTHING, length: undefined };
  }
  const bytes = zips ? asset.gzipped : asset.bytes;
  const body = isHead ? NOTHING : bytes;
  return { status: 200, headers, body, length: bytes.length };
}

/** An answer without a file; to HEAD it has no text. */
export function textAnswer(
  { method }: Pick<Asked, "method">,
  { status, text, headers }: Reply,
): Answer {
  const bytes = new TextEncoder().encode(text);
  return {
    status,
    headers: {
      ...HEADERS,
      ...policyWith([]),
      "Content-Type": "text/plain; charset=utf-8",
      ...headers,
    },
    body: method === "HEAD" ? NOTHING : bytes,
    length: bytes.length,
  };
}

/** The head of an answer. `isLast`: the connection is closed after it. */
export function headOf(
  { status, headers, length }: Answer,
  { isLast, now }: { isLast: boolean; now: Date },
): string {
  const lines = Object.entries({
    ...headers,
    ...(length === undefined ? {} : { "Content-Length": `${length}` }),
    "Date": now.toUTCString(),
    "Connection": isLast ? "close" : "keep-alive",
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS[status] ?? ""}\r\n${lines.join("")}\r\n`;
}

/** What a status means; its text says more. */
const STATUS: Readonly<Record<number, string>> = {
  200: "OK",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  421: "Misdirected Request",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
};

/**
 * For pages. A page can load what is served here and nothing else, and connect to
 * this server and to `sockets`; an inline script does not run.
 */
function policyWith(sockets: readonly string[]): Fields {
  return {
    "Content-Security-Policy": [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      ["connect-src 'self'", ...sockets].join(" "),
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join("; "),
    "Referrer-Policy": "no-referrer",
  };
}

/** For every answer. */
const HEADERS = {
  "Cache-Control": "no-cache", // ask whether it has changed
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

const NOTHING = new Uint8Array();

/** For a path without a file. */
export const NOT_FOUND: Reply = {
  status: 404,
  text: "Not found. The chat is at /\n",
};

/** For what is no request. */
export const MALFORMED: Reply = {
  status: 400,
  text: "Cannot understand this: it is no HTTP request\n",
};

/** For a head that is too long. */
export const TOO_LONG: Reply = {
  status: 431,
  text: `Cannot read a request over ${MAX_HEAD_BYTES} bytes\n`,
};

const NOT_ALLOWED: Reply = {
  status: 405,
  text: "Use GET or HEAD\n",
  headers: { Allow: "GET, HEAD" },
};
