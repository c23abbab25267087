/**
 * Foes: clients that connect to a server to harm it. They send nothing, or one
 * byte a second, or never read. A foe that is disconnected connects again.
 *
 * They connect from many addresses of this computer, 127.0.1.1 and on, so that
 * more than the limits for one address holds them back. Each foe connects and
 * sends at times of its own, independent of the others.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { beat } from "./beat.ts";

/** How a foe behaves. */
export type Kind = "silent" | "slow" | "deaf";

/** How many there are of each kind. */
export const FOES: Readonly<Record<Kind, number>> = {
  silent: 1_000,
  slow: 1_000,
  deaf: 200,
};

/** The room of the foes that never read. */
export const BUSY_ROOM = "#busy";

/** How many addresses they share. */
const ADDRESSES = 100;

/** How many connect in a second at the start. */
const CONNECTS_PER_SECOND = 500;

/** How long a foe waits before it connects again: a flood would pay no more. */
const BACK_AFTER_MS = 100;

/** Keeps a foe alive, and shows one that does not read that it was disconnected. */
const SIGN_EVERY_MS = 1_000;

/** Connects all foes, and never ends; reports what happens through `count`. */
export async function attack(
  port: number,
  count: (what: "connected" | "thrown out") => void,
): Promise<void> {
  let number = 0;
  for (const kind of Object.keys(FOES) as Kind[]) {
    for (let i = 0; i < FOES[kind]; i++) {
      new Foe(kind, number++, { port, count }).come();
      await sleep(1_000 / CONNECTS_PER_SECOND);
    }
  }
}

interface Place {
  readonly port: number;
  count(what: "connected" | "thrown out"): void;
}

/** One foe, over all its connections. */
class Foe {
  readonly #kind: Kind;
  readonly #number: number;
  readonly #place: Place;

  constructor(kind: Kind, number: number, place: Place) {
    this.#kind = kind;
    this.#number = number;
    this.#place = place;
  }

  /** Connects, and again whenever it is disconnected. */
  come(): void {
    const socket = connect({
      host: "127.0.0.1",
      port: this.#place.port,
      localAddress: `127.0.1.${1 + this.#number % ADDRESSES}`,
      noDelay: true,
    });
    let stop: (() => void) | undefined;
    socket.on("connect", () => {
      this.#place.count("connected");
      stop = this.#behave(socket);
    });
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      stop?.();
      this.#place.count("thrown out");
      setTimeout(() => this.come(), BACK_AFTER_MS);
    });
  }

  /** Returns what ends it, if it goes on. */
  #behave(socket: Socket): (() => void) | undefined {
    switch (this.#kind) {
      case "silent":
        socket.resume();
        return undefined;
      case "slow":
        socket.resume();
        return this.#trickle(socket);
      case "deaf":
        socket.write(`${this.#register()}JOIN ${BUSY_ROOM}\n\n`);
        return beat(SIGN_EVERY_MS, () => socket.write("PONG\n\n"));
    }
  }

  /** Sends a byte a second: half of the foes send a message, half a head. */
  #trickle(socket: Socket): () => void {
    if (this.#number % 2 === 0) {
      const head = "SEND ALL\nContent-length: 60000\n\n";
      socket.write(this.#register() + head);
    }
    return beat(SIGN_EVERY_MS, () => socket.write("R"));
  }

  #register(): string {
    return `REGISTER foe${this.#number}\n\n`;
  }
}
