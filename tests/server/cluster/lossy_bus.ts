/**
 * A bus between servers in one process, that loses, repeats, delays and reorders by
 * a seed, and can be cut.
 *
 * @module
 */
import type { Bus, BusMessage } from "../../../server/cluster/bus.ts";
import { seeded } from "../../tools/net/fault_proxy.ts";
import type { TestClock } from "../../tools/test_clock.ts";

/** How the bus treats a message. */
interface Weather {
  /** The part of the messages that is lost. */
  loss: number;
  /** The part that comes twice. */
  twice: number;
  /** The longest delay, in milliseconds. */
  delayMs: number;
}

/** No message is lost, none comes late. */
const FINE: Weather = { loss: 0, twice: 0, delayMs: 1 };

/** See the top of the file. */
export class LossyBus {
  weather: Weather;
  /** Messages that were published. */
  published = 0;
  readonly #clock: TestClock;
  readonly #random: () => number;
  readonly #ends = new Set<End>();

  constructor(clock: TestClock, seed: number, weather: Partial<Weather> = {}) {
    this.#clock = clock;
    this.#random = seeded(seed);
    this.weather = { ...FINE, ...weather };
  }

  /** From now on every message arrives, once and in order. */
  calm(): void {
    this.weather = FINE;
    for (const end of this.#ends) end.isCut = false;
  }

  /** The bus of one server. */
  end(): End {
    const end = new End((bytes) => this.#send(end, bytes));
    this.#ends.add(end);
    return end;
  }

  #send(from: End, bytes: Uint8Array): void {
    this.published++;
    if (from.isCut) return;
    for (const to of this.#ends) {
      const { loss, twice } = this.weather;
      if (this.#random() < loss) continue;
      this.#carry(to, bytes);
      if (this.#random() < twice) this.#carry(to, bytes);
    }
  }

  #carry(to: End, bytes: Uint8Array): void {
    const ms = this.weather.delayMs === FINE.delayMs
      ? FINE.delayMs
      : Math.ceil(this.#random() * this.weather.delayMs);
    this.#clock.after(ms, () => to.receive(bytes));
  }
}

/** One server's end of it. */
export class End implements Pick<Bus, "publish" | "subscribe"> {
  /** Whether nothing gets to it or from it. */
  isCut = false;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #listeners = new Set<(message: BusMessage) => void>();

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  publish(_subject: string, bytes: Uint8Array): void {
    this.#send(bytes.slice());
  }

  subscribe(_subject: string, on: (message: BusMessage) => void): Disposable {
    this.#listeners.add(on);
    return { [Symbol.dispose]: () => void this.#listeners.delete(on) };
  }

  receive(bytes: Uint8Array): void {
    if (this.isCut) return;
    for (const on of this.#listeners) {
      on({ subject: "here", bytes, reply: undefined, header: () => undefined });
    }
  }
}
