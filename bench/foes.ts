/**
 * Those who connect to a server to harm it: they say nothing, or a byte a
 * second, or never read. Whoever is thrown out comes again.
 *
 * They come from many addresses of this computer, 127.0.1.1 and on, so that the
 * limits for one address are not all that holds them back.
 *
 * @module
 */
import { connect, type Socket } from "node:net";

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
      if (number % 50 === 0) {
        await new Promise((resolve) =>
          setTimeout(resolve, 50 / CONNECTS_PER_SECOND * 1_000)
        );
      }
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
    let timer: ReturnType<typeof setInterval> | undefined;
    socket.on("connect", () => {
      this.#place.count("connected");
      timer = this.#behave(socket);
    });
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      clearInterval(timer);
      this.#place.count("thrown out");
      setTimeout(() => this.come(), BACK_AFTER_MS);
    });
  }

  #behave(socket: Socket): ReturnType<typeof setInterval> | undefined {
    switch (this.#kind) {
      case "silent":
        socket.resume();
        return undefined;
      case "slow":
        socket.resume();
        return this.#trickle(socket);
      case "deaf":
        socket.write(`${this.#register()}JOIN ${BUSY_ROOM}\n\n`);
        return setInterval(() => socket.write("PONG\n\n"), SIGN_EVERY_MS);
    }
  }

  /** A byte a second: every second one of them of a message, others of a head. */
  #trickle(socket: Socket): ReturnType<typeof setInterval> {
    if (this.#number % 2 === 0) {
      const head = "SEND ALL\nContent-length: 60000\n\n";
      socket.write(this.#register() + head);
    }
    return setInterval(() => socket.write("R"), SIGN_EVERY_MS);
  }

  #register(): string {
    return `REGISTER foe${this.#number}\n\n`;
  }
}
