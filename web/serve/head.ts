/**
 * The head of an HTTP request: GET and HEAD are all that the page needs, so a
 * request ends with its head.
 *
 * Bytes in, values out. What is unclear is refused: a line that ends without CR,
 * a line that continues another, a character that may not be there.
 *
 * @module
 */
import type { Buffer } from "node:buffer";

/** Longest head of a request, in bytes. */
export const MAX_HEAD_BYTES = 8_192;

/** What a client asks for. */
export interface Asked {
  readonly method: string;
  /** What follows the method: a path with its query, in a request to us. */
  readonly url: string;
  readonly headers: AskedHeaders;
  /** Whether no request can follow: by its own words, its body or its protocol. */
  readonly isLast: boolean;
}

/** Headers by their names in lower case; what is repeated is joined by commas. */
export interface AskedHeaders {
  /** Name or address of the server, and its port unless that is the default. */
  readonly host?: string;
  /** The origin of the page, as browsers tell it. */
  readonly origin?: string;
  readonly cookie?: string;
  readonly connection?: string;
  readonly upgrade?: string;
  readonly [name: string]: string | undefined;
}

/** What bytes begin with: a head and where it ends, a part of one, or none. */
export type Found =
  | { readonly asked: Asked; readonly end: number }
  | "part"
  | "malformed"
  | "too long";

/** Looks for a head at the beginning of `bytes`. */
export function findHead(bytes: Buffer): Found {
  const at = bytes.indexOf(HEAD_END);
  const end = at + HEAD_END.length;
  if (at !== -1 && end <= MAX_HEAD_BYTES) {
    const asked = parse(bytes.toString("latin1", 0, at).split("\r\n"));
    return asked ? { asked, end } : "malformed";
  }
  if (!canBegin(bytes)) return "malformed";
  return at === -1 && bytes.length < MAX_HEAD_BYTES ? "part" : "too long";
}

/** Whether a request can begin so: a chat client or TLS is answered at once. */
function canBegin(bytes: Buffer): boolean {
  const lineEnd = bytes.subarray(0, MAX_HEAD_BYTES).indexOf("\n");
  if (lineEnd === -1) return /^[A-Z]*$/.test(bytes.toString("latin1", 0, 1));
  return REQUEST_LINE.test(
    bytes.toString("latin1", 0, lineEnd).replace(/\r$/, ""),
  );
}

/** The request of these lines; undefined if they are none. */
function parse([first = "", ...lines]: readonly string[]): Asked | undefined {
  const [, method, url, minor] = REQUEST_LINE.exec(first) ?? [];
  if (method === undefined || url === undefined) return undefined;
  // Without a prototype: a client chooses the names.
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const [name = "", value] = headerOf(line);
    if (value === undefined) return undefined;
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  const { connection = "", host, upgrade } = headers;
  if (minor === "1" && (host === undefined || host === "")) return undefined;
  const hasBody = (headers["content-length"] ?? "0") !== "0" ||
    headers["transfer-encoding"] !== undefined;
  const closes = minor === "0" || /\bclose\b/i.test(connection);
  const isLast = hasBody || closes || upgrade !== undefined;
  return { method, url, headers, isLast };
}

/** Name and value of a header; nothing if it is none. */
function headerOf(line: string): [name: string, value: string] | [] {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon)).toLowerCase();
  const value = line.slice(colon + 1);
  return NAME.test(name) && VALUE.test(value) ? [name, value.trim()] : [];
}

const HEAD_END = "\r\n\r\n";

/** RFC 9112, 3. */
const REQUEST_LINE = /^([A-Z]{1,20}) ([!-~]+) HTTP\/1\.([01])$/;

/** RFC 9110, 5.1 and 5.5. */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
