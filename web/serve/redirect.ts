/**
 * HTTPS and HTTP on one port: a user who types `http://` is sent to `https://`.
 * Nothing else is answered without TLS.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { type Answer, MALFORMED, textAnswer } from "./answer.ts";
import type { Asked } from "./head.ts";
import { read } from "./waiting.ts";

/** The first byte of a TLS connection; no HTTP request begins with it. */
const TLS_HANDSHAKE = 0x16;

/** Whether a client begins with TLS; undefined if it sends nothing, and ends. */
export async function beginsTls(socket: Duplex): Promise<boolean | undefined> {
  const first = await read(socket);
  if (first === null) return undefined;
  socket.unshift(first);
  return first[0] === TLS_HANDSHAKE;
}

/** The answer to a request without TLS: the same, with TLS. */
export function redirection(asked: Asked): Answer {
  const target = URL.parse(`https://${asked.headers["host"]}${asked.url}`);
  if (!target) return textAnswer(asked, MALFORMED);
  return textAnswer(asked, {
    status: 307, // not for good: the next start may be without TLS
    text: "This page is at https://\n",
    headers: { Location: target.href },
  });
}
