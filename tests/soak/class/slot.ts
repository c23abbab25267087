/**
 * The place of a device of a user: one device after the other, each of which acts.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ChatError } from "../../../protocol.ts";
import { Chance } from "../../fuzz/hostile_frames.ts";
import { type ActionName, ACTIONS } from "./actions.ts";
import type { Device } from "./device.ts";
import type { Kind, School, User } from "./school.ts";

/** Limit of the pause before a device comes again, in milliseconds. */
const AWAY_MS = 500;

/** The error for a client that did not register in time. */
const IDLE = 116;

/** See the top of the file. */
export class Slot implements AsyncDisposable {
  /** The action that has not ended. */
  doing = "";
  /** How many have begun. */
  acted = 0;
  readonly #pauseMs: number;
  readonly #school: School;
  readonly #user: User;
  readonly #kind: Kind;
  readonly #chance: Chance;
  #device: Device | undefined;
  #living: Promise<void> = Promise.resolve();
  #isEnding = false;
  #started = Promise.withResolvers<Device>();

  constructor(
    school: School,
    { user, kind, seed, pauseMs }: {
      readonly user: User;
      readonly kind: Kind;
      readonly seed: number;
      /** About the pause between two actions, in milliseconds. */
      readonly pauseMs: number;
    },
  ) {
    this.#pauseMs = pauseMs;
    this.#school = school;
    this.#user = user;
    this.#kind = kind;
    this.#chance = new Chance(seed);
  }

  /** Resolves once the first device is there. */
  async begin(): Promise<void> {
    this.#living = this.#live();
    const failed = this.#living.then(() => {
      throw new Error("A device has ended");
    });
    await Promise.race([this.#started.promise, failed]);
  }

  /** Acts until the end. */
  async act(): Promise<void> {
    const school = this.#school;
    while (!school.isOver) {
      await sleep(this.#chance.below(2 * this.#pauseMs));
      const device = await this.#started.promise;
      const [name, action] = this.#choose();
      if (action.by === "moderator" && !this.#user.isModerator) continue;
      school.taken.set(name, (school.taken.get(name) ?? 0) + 1);
      this.acted++;
      this.doing = `${device.key}: ${name}`;
      await action.run(device, school, this.#chance);
      this.doing = "";
    }
  }

  /** The device, once it has all that there is for it. */
  async settled(): Promise<Device> {
    for (;;) {
      const device = await this.#started.promise;
      await Promise.race([device.settle(), device.ended]);
      if (!device.isOver) return device;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    this.#device?.endSurely();
    this.#device?.server.close();
    this.#started.promise.catch(() => {});
    await this.#living.catch(() => {});
  }

  #choose(): [ActionName, (typeof ACTIONS)[ActionName]] {
    const all = Object.entries(ACTIONS);
    let left = this.#chance.below(
      all.reduce((sum, [, { weight }]) => sum + weight, 0),
    );
    const found = all.find(([, { weight }]) => (left -= weight) < 0)!;
    return found as [ActionName, (typeof ACTIONS)[ActionName]];
  }

  async #live(): Promise<void> {
    while (!this.#isEnding) {
      await this.#user.changing;
      const { password } = this.#user;
      const device = this.#school.newDevice(this.#user, this.#kind);
      this.#device = device;
      this.#user.devices.add(device);
      device.mayEnd = this.#user.endings > 0;
      const isHere = await device.start();
      if (isHere) {
        await this.#school.enter(device);
        device.arrived();
        this.#started.resolve(device);
      }
      const why = await device.ended;
      this.#user.devices.delete(device);
      if (isHere) this.#started = Promise.withResolvers();
      // One that starts does not wait for a server that is not there, or is slow.
      const isLost = !isHere && !(why instanceof ChatError) &&
        (!(why?.cause instanceof ChatError) || why.cause.code === IDLE);
      if (!isLost) this.#check(device, password, why);
      if (!this.#isEnding) await sleep(this.#chance.below(AWAY_MS));
    }
  }

  /** An end that nothing explains. */
  #check(device: Device, password: string, error: unknown): void {
    if (device.mayEnd || this.#isEnding) return;
    if (password !== this.#user.password) return; // it was changed meanwhile
    this.#school.model.fault(`${device.key} has ended: ${error}`);
  }
}
