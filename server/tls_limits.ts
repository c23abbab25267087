/**
 * Limits the clients of the port for TLS, with all else that comes from their
 * addresses.
 *
 * @module
 */
import type { TlsLimits } from "./net/acceptor.ts";
import { HANDSHAKE_COST_MS } from "./net/turns.ts";
import type { Context } from "./session/session.ts";

/** The limits of a server. */
export function tlsLimits({ after, limits, now, turns }: Context): TlsLimits {
  return {
    turn: (network, isGone) => turns.pass(network, HANDSHAKE_COST_MS, isGone),
    meter(host) {
      const count = limits.frameMeter(host, now);
      return (bytes) => {
        const waitMs = count(bytes);
        if (waitMs === 0) return undefined;
        return new Promise((resolve) => void after(waitMs, resolve));
      };
    },
  };
}
