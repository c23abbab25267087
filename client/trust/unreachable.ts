/**
 * Why a server cannot be reached, for its user. This module is loaded when
 * connecting has failed.
 *
 * @module
 */
import { isLinkLocal } from "../../core/net/ip_address.ts";
import {
  rankAddresses,
  systemInterfaces,
  withZone,
} from "../../platform/addresses.ts";
import {
  connectTrouble,
  SAME_NETWORK,
  type Trouble,
  UNKNOWN_HOST,
} from "../../platform/network_advice.ts";
import { SYSTEM, type System } from "../../platform/system.ts";
import { errorCode, systemText } from "../../platform/system_error.ts";
import { isUserName } from "../../protocol.ts";

/** What {@linkcode whyUnreachable} can take into account. */
export interface Attempt {
  /** The server as the user wrote it. */
  readonly hostname?: string;
  /** How long there was to connect, in milliseconds. */
  readonly withinMs?: number;
  /** Default: the one that runs this. */
  readonly system?: System;
}

/** Why connecting failed, and what to check. */
export function whyUnreachable(
  cause: unknown,
  { hostname = "", withinMs = 0, system = SYSTEM }: Attempt = {},
): Trouble {
  const missing = lacksInterface(hostname);
  if (missing) return missing;
  const [why, advice] = troubleOf(cause, system);
  if (isLate(cause)) {
    return [`${why} within ${withinMs / 1_000} seconds`, advice];
  }
  const isWord = why === UNKNOWN_HOST && isUserName(hostname);
  return isWord
    ? [
      why,
      `${advice} If ${hostname} is a part of your name: a name is one word.`,
    ]
    : [why, advice];
}

function troubleOf(cause: unknown, system: System): Trouble {
  const code = isLate(cause) ? "ETIMEDOUT" : errorCode(cause, system);
  const why = cause instanceof Error
    ? systemText(cause) || cause.message
    : String(cause);
  return connectTrouble(code, system) ?? [why, SAME_NETWORK];
}

/** Whether it is the reason of `AbortSignal.timeout`. */
function isLate(cause: unknown): boolean {
  return cause instanceof DOMException && cause.name === "TimeoutError";
}

/** Why a link-local address cannot be used, and what to add to it. */
function lacksInterface(hostname: string): Trouble | undefined {
  if (!isLinkLocal(hostname) || hostname.includes("%")) return undefined;
  return [
    "the address is link-local, and needs a network interface",
    "Add % and the interface of this computer that leads there, such as " +
    `${hostname}%${zoneHere()}`,
  ];
}

/** The zone of an interface that has a link-local address; or such a zone. */
function zoneHere(): string {
  const found = rankAddresses(systemInterfaces())
    .find(({ address }) => isLinkLocal(address));
  return found ? withZone(found).replace(/^.*%/, "") : "eth0";
}
