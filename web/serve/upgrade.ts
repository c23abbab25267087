/**
 * The handshake of a WebSocket (RFC 6455, 4.2): values in, values out.
 *
 * There are no extensions: the texts are short, and compressing them would take
 * memory for each peer.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Reply } from "./answer.ts";
import type { Asked } from "./head.ts";

/** Whether a request is for a WebSocket; {@linkcode upgradeFault} checks the rest. */
export function asksForSocket(
  { headers: { connection, upgrade } }: Asked,
): boolean {
  return upgrade?.toLowerCase() === "websocket" &&
    /\bupgrade\b/i.test(connection ?? "");
}

/** Why a request for a WebSocket is none; undefined if it can be one. */
export function upgradeFault({ method, headers }: Asked): Reply | undefined {
  if (method !== "GET") {
    return { status: 405, text: "Use GET\n", headers: { Allow: "GET" } };
  }
  if (!KEY.test(headers["sec-websocket-key"] ?? "")) {
    return { status: 400, text: "Sec-WebSocket-Key is missing or invalid\n" };
  }
  if (headers["sec-websocket-version"] !== VERSION) {
    return {
      status: 426,
      text: `Use version ${VERSION} of WebSocket\n`,
      headers: { "Sec-WebSocket-Version": VERSION, "Upgrade": "websocket" },
    };
  }
  return undefined;
}

/** The head of the answer to a request without a fault: it is a WebSocket now. */
export function upgradeHead({ headers }: Asked): string {
  const key = headers["sec-websocket-key"] ?? "";
  const accept = createHash("sha1").update(key + ID).digest("base64");
  // A browser that offers protocols takes no answer without one of them.
  const [protocol = ""] = (headers["sec-websocket-protocol"] ?? "").split(",");
  const chosen = PROTOCOL.test(protocol)
    ? `Sec-WebSocket-Protocol: ${protocol}\r\n`
    : "";
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
    `Connection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`;
}

/** 16 bytes as base64. */
const KEY = /^[+/\dA-Za-z]{22}==$/;

const VERSION = "13";

/** The name of a subprotocol: a token of RFC 9110, 5.6.2. */
const PROTOCOL = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/;

/** Stands in RFC 6455, 1.3. */
const ID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
