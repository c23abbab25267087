/**
 * Counts the clients of the page's port, with all else that comes from their
 * addresses. Loaded with `--web`.
 *
 * @module
 */
import { networkOf } from "../core/net/ip_address.ts";
import { ChatError } from "../protocol.ts";
import { CALLER_LIMITS, type CallerLimits } from "../web/serve/callers.ts";
import type { Meter } from "../web/serve/meter.ts";
import { MAX_WAIT_MS } from "./limits/debts.ts";
import type { LimitOptions } from "./limits/limits.ts";
import { Work } from "./limits/pacing.ts";
import { nextTurn } from "./net/clock.ts";
import { HANDSHAKE_COST_MS } from "./net/turns.ts";
import type { Context } from "./session/session.ts";

/** A browser opens six: 40 of them can load the page eight times at once. */
const CONNECTION_COST = 1 / 4;

/** A page of fifty files costs 250: a class of thirty is far below the burst. */
const REQUEST_COST = 5;

/** Time that a request takes, in milliseconds. */
const REQUEST_COST_MS = 0.25;

/** Limits of connections that are no WebSocket. `--no-limits` lifts those of one address. */
export function callerLimits(
  { maxConnectionsPerAddress }: Pick<LimitOptions, "maxConnectionsPerAddress">,
): CallerLimits {
  const isLifted = maxConnectionsPerAddress === Infinity;
  return isLifted ? { ...CALLER_LIMITS, perAddress: Infinity } : CALLER_LIMITS;
}

/** The meter of a server. */
export function pageMeter(
  { limits, now, turns }: Context,
): Meter {
  const addressOf = (host: string) => limits.addressOf(host, now());
  return {
    countConnection(host) {
      try {
        addressOf(host).countConnect(now(), CONNECTION_COST);
        return true;
      } catch (error) {
        if (error instanceof ChatError) return false;
        throw error;
      }
    },
    uncountConnection: (host) =>
      addressOf(host).uncountConnect(now(), CONNECTION_COST),
    handshake: (host, isGone) =>
      turns.pass(networkOf(host), HANDSHAKE_COST_MS, isGone),
    turn(host, isGone) {
      const { buckets: { time }, network } = addressOf(host);
      if (!time) return undefined;
      if (time.waitMs(now()) > 0) {
        return turns.pass(network, REQUEST_COST_MS, isGone);
      }
      time.take(REQUEST_COST_MS, now());
      return undefined;
    },
    countRequest(host) {
      const { requests } = addressOf(host).buckets;
      requests.take(REQUEST_COST, now());
      return Math.min(requests.waitMs(now()), MAX_WAIT_MS);
    },
    nextTurn,
    frames(host) {
      const { buckets, network } = addressOf(host);
      const work = new Work(buckets.time);
      return {
        count: limits.frameMeter(host, now),
        begin: () => work.begin({ now, network, turns }),
        end: () => work.end(now),
        nextTurn,
      };
    },
  };
}
