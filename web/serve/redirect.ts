/**
 * HTTPS and HTTP on one port: a user who types `http://` is sent to `https://`.
 * Nothing else is answered without TLS.
 *
 * @module
 */
import { type Answer, MALFORMED, textAnswer } from "./answer.ts";
import type { Asked } from "./head.ts";
import type { Visitor } from "./visitor.ts";

/** The first byte of a TLS connection; no HTTP request begins with it. */
const TLS_HANDSHAKE = 0x16;

/** What is read to see that: most first messages of TLS fit. */
const FIRST_BYTES = 2_048;

/** Whether a client begins with TLS; undefined if it sends nothing, and ends. */
export async function beginsTls(
  visitor: Visitor,
): Promise<boolean | undefined> {
  const buffer = new Uint8Array(FIRST_BYTES);
  const count = await visitor.read(buffer);
  if (count === null) return undefined;
  visitor.unread(buffer.subarray(0, count));
  return buffer[0] === TLS_HANDSHAKE;
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
