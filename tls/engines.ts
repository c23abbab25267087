/**
 * Which of the two engines encrypts.
 *
 * @module
 */
import type { SecureContext } from "node:tls";
import type { TlsEngine, Writing } from "./engine.ts";
import { SocketEngine } from "./socket_engine.ts";
import { findTlsWrap, WrapEngine } from "./wrap_engine.ts";

/** The engine of a new connection, which writes to `stream`. */
export function newEngine(stream: Writing, context: SecureContext): TlsEngine {
  const wrap = findTlsWrap();
  return wrap
    ? new WrapEngine(stream, context, wrap)
    : new SocketEngine(stream, context);
}
