/**
 * The devices of an account that are connected to this server, as one peer: what
 * the user is sent goes to all of them, and what one of them sends goes to the
 * others. A user with one device has none of this.
 *
 * @module
 */
import type { Batch } from "../batch.ts";
import type { Peer, User, UserKind } from "../user.ts";

/** See the top of the file. */
export class Devices implements Peer {
  readonly devices: readonly Peer[];

  /** At least two, the oldest first. */
  constructor(devices: readonly Peer[]) {
    this.devices = devices;
  }

  get remote(): string {
    return this.#first.remote;
  }

  get network(): string {
    return this.#first.network;
  }

  get kind(): UserKind {
    return this.#first.kind;
  }

  get congested(): boolean {
    return this.devices.some(({ congested }) => congested);
  }

  async relief(): Promise<void> {
    const slow = this.devices.filter(({ congested }) => congested);
    await Promise.all(slow.map((device) => device.relief()));
  }

  notify(bytes: Uint8Array): void {
    for (const device of this.devices) device.notify(bytes);
  }

  forward(batch: Batch, forwards: Uint8Array): undefined {
    for (const device of this.devices) device.forward(batch, forwards);
  }

  echo(batch: Batch, forwards: Uint8Array): void {
    for (const device of this.devices) device.echo?.(batch, forwards);
  }

  without(gone: Peer): Peer | undefined {
    const left = this.devices.filter((device) => device !== gone);
    return left.length > 1 ? new Devices(left) : left[0];
  }

  get #first(): Peer {
    return this.devices[0]!; // there are two
  }
}

/** One more device of a user is connected. */
export function addDevice(user: User, device: Peer): void {
  user.peer = new Devices([...devicesOf(user), device]);
}

/** The devices of a user on this server: one, as a rule. */
export function devicesOf({ peer }: Pick<User, "peer">): readonly Peer[] {
  return peer.devices ?? [peer];
}
