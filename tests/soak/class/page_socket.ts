/**
 * The WebSocket of the page, without a browser.
 *
 * @module
 */
import type { Stream } from "../../../core/net/stream.ts";

/** The page's own; it looks for words in the address of its page. */
export async function openPageSocket(
  port: number,
  signal: AbortSignal,
): Promise<Stream> {
  globalThis.location ??= { hash: "" } as Location;
  const { openSocket } = await import("../../../web/page/net/socket.ts");
  return await openSocket(new URL(`ws://127.0.0.1:${port}/ws`), signal);
}
