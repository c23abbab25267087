/**
 * The class: its users with their devices, and the server.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Frame } from "../../../protocol.ts";
import { ChatError, header } from "../../../protocol.ts";
import { Chance } from "../../fuzz/hostile_frames.ts";
import { ParleyNode } from "../../jepsen/node.ts";
import { makeAccount } from "../../tools/account_tools.ts";
import type { Device } from "./device.ts";
import { Model, type Room } from "./model.ts";
import { PageDevice } from "./page_device.ts";
import { TerminalDevice } from "./terminal_device.ts";

/** What a {@linkcode School} is made of. */
export interface SchoolOptions {
  readonly seed: number;
  /** How many users there are; the first is a moderator. */
  readonly users: number;
  /** A folder that exists, for the server's file. */
  readonly folder: string;
}

/** The rooms in which all are. */
export const HOME: readonly string[] = ["#class", "#lecture"];

/** A room that users join and leave. */
export const HALL = "#hall";

/** The room that is quiet now and then; the moderator made it. */
export const LECTURE = "#lecture";

/** The pause before something is asked again, in milliseconds. */
const AGAIN_MS = 50;

/** A user of the class. */
export interface User {
  readonly name: string;
  readonly isModerator: boolean;
  password: string;
  /** While it changes, no device signs in. */
  changing: Promise<void> | undefined;
  /** Those that are registered. */
  readonly devices: Set<Device>;
  /** How many deeds may end its devices now. */
  endings: number;
  /** What is surely known of it now; undefined while that changes. */
  mute: { readonly isMuted: boolean } | undefined;
}

/** See the top of the file. */
export class School implements AsyncDisposable {
  readonly model: Model = new Model();
  readonly users: readonly User[];
  readonly chance: Chance;
  /** How often each action was taken. */
  readonly taken: Map<string, number> = new Map();
  /** How long refusals took, of rooms that are there and of those that are not. */
  readonly refusalsMs: { there: number[]; nowhere: number[] } = {
    there: [],
    nowhere: [],
  };
  readonly options: SchoolOptions;
  readonly node: ParleyNode;
  /** All that there ever were. */
  readonly devices: Device[] = [];
  #isOver = false;
  #isEnding = false;

  private constructor(options: SchoolOptions, node: ParleyNode, model: Model) {
    this.options = options;
    this.node = node;
    this.model = model;
    this.chance = new Chance(options.seed);
    this.users = Array.from({ length: options.users }, (_, i): User => ({
      name: nameOf(i),
      isModerator: i === 0,
      password: `sesame ${nameOf(i)} 0`,
      devices: new Set(),
      changing: undefined,
      endings: 0,
      mute: { isMuted: false },
    }));
  }

  /** Starts the server, and makes the accounts. */
  static async open(options: SchoolOptions): Promise<School> {
    const model = new Model();
    const node = await ParleyNode.start({
      name: "school",
      folder: options.folder,
      args: ["--db", `${options.folder}/chat.db`, "--moderator", nameOf(0)],
      clockLibrary: undefined,
      trouble: (who, what) => model.fault(`${who} ${what}`),
    });
    const school = new School(options, node, model);
    for (const name of [...HOME, HALL]) model.open(name);
    for (const { name, password } of school.users) {
      await makeAccount(node.port, name, password);
    }
    return school;
  }

  /** Whether the actions are over. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The user of that name. */
  user(name: string): User {
    return this.users.find((one) => one.name === name)!;
  }

  /** Rooms that are private and not closed. */
  get privateRooms(): Room[] {
    return [...this.model.rooms.values()].filter((room) =>
      room.isPrivate && !room.isClosed
    );
  }

  /** Makes a private room, with `device` in it. */
  async makePrivate(device: Device): Promise<Room | undefined> {
    // Its name is known with the answer, which must be no fault of the device.
    const { user, model } = { user: device.user, model: this.model };
    const key = `${model.now()}`;
    const made = await device.ask("JOIN", ["#group"], {
      Private: "yes",
      Key: key,
    });
    const [name] = (made as Frame | undefined)?.args ?? [];
    if (made instanceof ChatError || !name) return undefined;
    const room = model.open(name, user);
    for (const one of this.user(user).devices) await one.join(name);
    return room;
  }

  /** Lets `user` into a room, with all devices, as `by`, who is a member. */
  async letIn(by: string, user: string, room: Room): Promise<void> {
    if (room.isClosed || !room.members.has(by)) return;
    const isNew = !room.members.has(user);
    room.members.add(user);
    room.past.add(user);
    const answer = await this.askAs(by, "INVITE", [user], { Room: room.name });
    if (answer instanceof ChatError) {
      if (isNew) room.members.delete(user);
      this.expect(by, "INVITE", answer, [120]);
      return;
    }
    if (!isNew || !answer) return;
    const { devices } = this.user(user);
    await Promise.all([...devices].map((one) => one.join(room.name)));
  }

  /** Asks from any device of a user, again if that ends meanwhile. */
  async askAs(
    name: string,
    ...args: Parameters<Device["ask"]>
  ): Promise<Frame | ChatError | undefined> {
    const { devices } = this.user(name);
    while (!this.#isEnding) {
      const [device] = devices;
      const answer = await device?.ask(...args);
      // A device that has just come is not in all of its rooms yet.
      const isEarly = answer instanceof ChatError &&
        answer.message.endsWith("you are not in it");
      if (answer && !isEarly) return answer;
      await sleep(AGAIN_MS);
    }
    return undefined;
  }

  /** Does what may end all devices of a user; those that it does not end go on. */
  ending(user: User, task: () => Promise<void>): Promise<void> {
    return this.model.turns(user.name).take(async () => {
      user.endings++;
      const before = new Map(
        Array.from(user.devices, (one) => [one, one.endSurely()]),
      );
      await task();
      const all = [...user.devices];
      await Promise.all(
        all.map((one) => Promise.race([one.settle(), one.ended])),
      );
      user.endings--;
      for (const one of all) one.goOn(before.get(one) ?? []);
      const fresh = all.filter((one) => !before.has(one) && !one.isOver);
      for (const one of fresh) await this.enter(one);
    });
  }

  /** Joins the rooms in which all devices of the user are. */
  async enter(device: Device): Promise<void> {
    const groups = this.privateRooms
      .filter(({ members }) => members.has(device.user));
    for (const room of [...HOME, ...groups.map(({ name }) => name)]) {
      await device.join(room);
    }
  }

  /** Tells of a refusal that must not be. */
  expect(
    who: string,
    what: string,
    answer: Frame | ChatError | undefined,
    codes: readonly number[],
  ): boolean {
    if (!(answer instanceof ChatError)) return answer !== undefined;
    if (!codes.includes(answer.code)) {
      const { code, message } = answer;
      this.model.fault(`${who}: ${what} was refused: ${code} ${message}`);
    }
    return false;
  }

  /** No more actions begin. */
  endActions(): void {
    this.#isOver = true;
  }

  /** Ends the server; nothing is asked again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#isEnding = true;
    await this.node[Symbol.asyncDispose]();
  }

  /** A device that is about to register. */
  newDevice(user: User, kind: Kind): Device {
    const { model, node } = this;
    const options = {
      model,
      place: () => ({ port: node.proxy.port, webPort: node.webProxy.port }),
      ...{
        user: user.name,
        password: user.password,
        number: this.devices.length + 1,
      },
    };
    const device = kind === "page"
      ? new PageDevice(options)
      : new TerminalDevice(options);
    this.devices.push(device);
    return device;
  }

  /** Makes a private room for a part of the class, one in `count`. */
  async makeGroup(number: number, count: number): Promise<void> {
    const group = this.users.filter((_, i) => i % count === number);
    const [owner, ...others] = group;
    const [device] = owner!.devices;
    const room = await this.makePrivate(device!);
    for (const { name } of others) await this.letIn(owner!.name, name, room!);
  }
}

/** The kinds of devices. */
export type Kind = "terminal" | "page";

/** Names of which no two are similar, and none is reserved. */
function nameOf(number: number): string {
  const first = ["ab", "ek", "fy", "ju", "ko", "my", "pe", "ta", "vu", "xe"];
  const last = ["ra", "ne", "ky", "po"];
  return first[number % 10]! + last[Math.floor(number / 10)]!;
}

/** The value of a header of an answer. */
export function valueOf(
  answer: Frame | ChatError | undefined,
  name: string,
): string | undefined {
  if (!answer || answer instanceof ChatError) return undefined;
  return header(answer, name);
}
