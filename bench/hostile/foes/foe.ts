/**
 * A foe: a program that connects to a server to harm it, or to keep other users
 * from it. Each says what it tried and what the server let it do: a foe that does
 * nothing would prove nothing.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  FrameDecoder,
} from "../../../protocol.ts";
import {
  feed,
  type Link,
  open,
  type Route,
  send,
  type Transport,
} from "./link.ts";

/** One kind of attack. */
export interface Foe {
  /** As `--only` takes it. */
  readonly kind: string;
  /** What it does, for the table. */
  readonly title: string;
  /** What it counts, in the plural. */
  readonly unit: string;
  /** Over what it exists; those that are measured by default come first. */
  readonly over: readonly Transport[];
  /** How many of these are measured by default; default 1. */
  readonly usual?: number;
  /** From how many addresses, if that is fixed. */
  readonly addresses?: number;
  /** What the server must have before. */
  readonly needs?: "rooms" | "history";
  /** Whether owners of accounts sign in meanwhile: see visitors.ts. */
  readonly locks?: boolean;
  /** Begins to attack, without an end. */
  start(place: Place): void | Promise<void>;
}

/** Where a foe acts. */
export interface Place extends Route {
  readonly tally: Tally;
}

/** What a foe did so far. */
export class Tally {
  /** How often it tried. */
  tried = 0;
  /** How often the server let it. */
  done = 0;
  /** What the server answered instead, and how often. */
  readonly refused: Record<string, number> = {};

  refuse(why: string): void {
    this.refused[why] = (this.refused[why] ?? 0) + 1;
  }
}

/** How long a foe that stays waits before it connects again: a flood would pay no more. */
const BACK_AFTER_MS = 100;

/** A number as a word of letters, of which none looks like another. */
export function word(number: number): string {
  const digits = `${number}`;
  return digits.replaceAll(/\d/g, (digit) => "aehkptxzfu"[Number(digit)]!);
}

/** Keeps `count` connections for each address; a connection that ends is replaced. */
export function stay(
  place: Place,
  count: number,
  behave: (come: (handlers: Behaviour) => Link, number: number) => void,
): void {
  const total = count * place.from.length;
  for (let number = 0; number < total; number++) {
    const again = () => {
      behave(({ onClose, ...handlers }) => {
        return open(place, number, {
          ...handlers,
          onClose() {
            onClose?.();
            setTimeout(again, BACK_AFTER_MS);
          },
        });
      }, number);
    };
    setTimeout(again, number * SPREAD_MS);
  }
}

type Behaviour = Parameters<typeof open>[2];

/** Not all in one moment, so that each address gets its turn. */
const SPREAD_MS = 1;

/** How a client asks without end. */
export interface Asking {
  /** What it sends first; default: it registers. */
  readonly first?: readonly Uint8Array[];
  /** How many requests are on their way at a time. */
  readonly window: number;
  /** The next request; counts it, if it is one of those that matter. */
  next(): Uint8Array;
  /** Whether this answer means that the server let it. */
  counts(frame: Frame): boolean;
  /** What it asks at once when it gets this answer, if anything. */
  reply?(frame: Frame): Uint8Array | undefined;
}

/** Asks without end, on `count` connections of each address. */
export function ask(
  place: Place,
  count: number,
  make: (number: number) => Asking,
): void {
  stay(place, count, (come, number) => {
    const asking = make(number);
    const { first = [register(number)], window } = asking;
    const decoder = new FrameDecoder({ maxBodyBytes: MAX_ANSWER_BYTES });
    let unanswered = first.length;
    const link = come({
      onOpen() {
        for (const bytes of first) send(link, bytes);
        if (first.length === 0) askMore();
      },
      onBytes: (bytes) => feed(decoder, bytes, receive),
      onClose: () => place.tally.refuse("disconnected"),
    });

    function receive(frame: Frame | ChatError): void {
      if (frame instanceof ChatError) throw frame;
      if (frame.verb === "PING") send(link, encode("PONG", []));
      if (UNASKED.has(frame.verb)) return;
      if (asking.counts(frame)) place.tally.done++;
      else if (frame.verb === "ERROR") place.tally.refuse(frame.args[0] ?? "");
      const more = asking.reply?.(frame);
      if (more) return send(link, more);
      unanswered--;
      askMore();
    }

    function askMore(): void {
      for (; unanswered < window; unanswered++) send(link, asking.next());
    }
  });
}

/** What registers a foe as a guest. */
export function register(number: number): Uint8Array {
  return encode("REGISTER", [`foe${word(number)}`]);
}

/** How a client comes and goes. */
export interface Visit {
  /** What it sends when it is connected. */
  hello(number: number): Uint8Array;
  /** The verb of the answer that it wants. */
  readonly wanted: string;
  /** What it sends before it goes; without, it vanishes. */
  readonly bye?: Uint8Array;
}

/**
 * Connects, sends a hello, waits for the answer, goes, and comes again at once:
 * `count` at a time from each address.
 */
export function visit(place: Place, count: number, how: Visit): void {
  let number = 0;
  const { tally, from } = place;
  const comeFrom = (address: number) => {
    const own = number++ * from.length + address;
    const decoder = new FrameDecoder({ maxBodyBytes: MAX_ANSWER_BYTES });
    let why: string | undefined = "disconnected"; // until it is answered
    tally.tried++;
    const link: Link = open(place, own, {
      onOpen: () => send(link, how.hello(own)),
      onBytes: (bytes) => feed(decoder, bytes, receive),
      onClose() {
        if (why) tally.refuse(why);
        setTimeout(() => comeFrom(address));
      },
    });

    function receive(frame: Frame | ChatError): void {
      if (frame instanceof ChatError) throw frame;
      if (frame.verb === "ERROR") why = frame.args[0];
      if (frame.verb === how.wanted) {
        tally.done++;
        why = undefined;
        if (how.bye) return send(link, how.bye);
      }
      link.socket.destroy(); // after an ERROR or a BYE, too
    }
  };
  for (let at = 0; at < count * from.length; at++) comeFrom(at % from.length);
}

/** The longest answer, that to ROOMS, has 0.8 MB. */
const MAX_ANSWER_BYTES = 16 * 2 ** 20;

const UNASKED = new Set([
  ...["PING", "NOTICE", "FORWARD", "CALL", "ACCEPT", "DECLINE"],
]);
