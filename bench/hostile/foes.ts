/**
 * Those who connect to a server to harm it: they say nothing, or a byte a
 * second, or never read. Whoever is thrown out comes again.
 *
 * They come from many addresses of this computer, 127.0.1.1 and on, so that the
 * limits for one address are not all that holds them back. They know nothing of
 * each other: each comes, and gives its signs, at times of its own.
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

/** Where those sit who never read. */
export const BUSY_ROOM = "#busy";

/** So many addresses they share. */
const ADDRESSES = 100;

/** So many connect in a second at the start; nobody notices a slow beginning. */
const CONNECTS_PER_SECOND = 500;

/** Who is thrown out waits so long, as long as a flood of them would pay. */
const BACK_AFTER_MS = 100;

/** A sign of life, and how those who do not read find out that they are out. */
const SIGN_EVERY_MS = 1_000;

/** Comes in their numbers, and stays for ever; tells what happens by `count`. */
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

/** One of them, over all its connections. */
class Foe {
  readonly #kind: Kind;
  readonly #number: number;
  readonly #place: Place;

  constructor(kind: Kind, number: number, place: Place) {
    this.#kind = kind;
    this.#number = number;
    this.#place = place;
  }

  /** Connects, and again whenever it is thrown out. */
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

  /** A byte a second: every second one of them of a message, others of a head. */
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
