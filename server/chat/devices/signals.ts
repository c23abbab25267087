/**
 * Calls to a user with several devices, and from one. A call rings on all devices of
 * the called user. The first that accepts it gets it, and the others are told that it
 * is over; it is declined when all have declined it. The answer goes to the device
 * that calls.
 *
 * The server of the caller decides: there all answers come together.
 *
 * @module
 */
import { encode } from "../../../protocol.ts";
import { devicesOf } from "./devices.ts";
import type { Hub } from "../hub.ts";
import type { Peer, Signal, User } from "../user.ts";

/** Limit of the calls of one device that are remembered. */
const MAX_CALLS = 64;

/** A call, as its caller's server knows it. */
interface Call {
  /** How many devices it rings on. */
  readonly devices: number;
  readonly declined: Set<number | undefined>;
  /** The key with which it was accepted, and by which device. */
  accepted?: { readonly key: unknown; readonly device: number | undefined };
}

/** By what outlives the connection of the device, and by the `Session`. */
const calls = new WeakMap<object, Map<unknown, Call>>();

/** A device of a user here calls a user with so many devices. */
export function called(
  caller: object,
  session: string,
  devices: number,
): void {
  const known = calls.get(caller) ?? new Map<unknown, Call>();
  calls.set(caller, known);
  if (known.has(session)) return; // it is the same call
  known.set(session, { devices, declined: new Set() });
  const [oldest] = known.keys();
  if (known.size > MAX_CALLS) known.delete(oldest);
}

/** Passes a signal on to a user, on whatever servers the user is. */
export function passSignal(hub: Hub, name: string, signal: Signal): void {
  const user = hub.userNamed(name);
  if (user) receiveSignal(hub, user, signal);
  const { elsewhere } = hub;
  const there = elsewhere?.named(name);
  if (!elsewhere || !there) return;
  const servers = elsewhere.serversOf(there.name);
  if (servers.length === 0 && !user) servers.push(there.server);
  for (const server of servers) {
    elsewhere.pass({ name: there.name, server }, signal);
  }
}

/** A signal has come for a user of this server. */
export function receiveSignal(hub: Hub, user: User, signal: Signal): void {
  const { verb, headers: { Session } } = signal;
  if (verb === "CALL") return user.peer.notify(frameOf(signal));
  for (const device of devicesOf(user)) {
    const call = calls.get(device.resumable ?? device)?.get(Session);
    if (call) return answered(hub, { user, device, call }, signal);
  }
  if (verb === "DECLINE") {
    for (const device of devicesOf(user)) {
      if (isMeant(device, signal)) device.notify(frameOf(signal));
    }
    return;
  }
  // Another device may have called, or this one before the server restarted.
  const places = hub.elsewhere?.serversOf(user.name).length ?? 0;
  if (places + devicesOf(user).length === 1) user.peer.notify(frameOf(signal));
}

/** The end of a call is for all devices but the one that has accepted it. */
function isMeant({ device }: Peer, { but }: Signal): boolean {
  return but === undefined || device !== but;
}

/** One device of the called user has answered. */
function answered(
  hub: Hub,
  { user, device, call }: { user: User; device: Peer; call: Call },
  signal: Signal,
): void {
  const { verb, from, headers: { Session, Key }, device: answering } = signal;
  if (verb === "DECLINE") {
    call.declined.add(answering);
    const isOver = call.accepted
      ? call.accepted.device === answering
      : call.declined.size >= call.devices;
    if (isOver) device.notify(frameOf(signal));
    return;
  }
  const isFirst = call.accepted === undefined;
  call.accepted ??= { key: Key, device: answering };
  if (call.accepted.key === Key) device.notify(frameOf(signal));
  const { device: but } = call.accepted;
  if (call.devices < 2 || but === undefined) return;
  if (!isFirst && call.accepted.key === Key) return;
  const Reason = "another device of yours has answered";
  const headers = { Session, Reason };
  passSignal(hub, from, { verb: "DECLINE", from: user.name, headers, but });
}

function frameOf({ verb, from, headers }: Signal): Uint8Array {
  return encode(verb, [from], headers);
}
