/**
 * Foes of the web server: GETs that nobody reads, floods of GETs, and heads that
 * come in drips.
 *
 * @module
 */
import { beat } from "../beat.ts";
import { type Foe, type Place, stay } from "./foe.ts";
import { send } from "./link.ts";
import { countHeld } from "./slow.ts";

const encoder = new TextEncoder();

const GET = encoder.encode("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");

/** How many GETs are sent without a wait: 64 KB. */
const PIPELINED = Math.floor(65_536 / GET.length);

/** Sends GETs on `total` connections, and reads no answer. */
function sendUnread(place: Place, total: number): void {
  const { tally } = place;
  const many = repeated(GET, PIPELINED);
  stay(place, total / place.from.length, (come) => {
    let stop: (() => void) | undefined;
    const counted = countHeld(tally, PIPELINED);
    const link = come({
      onOpen() {
        send(link, many);
        // It notices so that it was disconnected, and never ends its request.
        stop = beat(1_000, () => send(link, GET));
      },
      onClose() {
        stop?.();
        counted.end();
      },
    });
  });
}

/**
 * Sends GETs in twos, and the next two when they are answered: after ten at once
 * some servers answer nothing more on this connection.
 */
function flood(place: Place): void {
  const { tally } = place;
  const two = repeated(GET, 2);
  stay(place, 50 / place.from.length, (come) => {
    let unanswered = 0;
    const counter = new AnswerCounter();
    const more = () => {
      unanswered += 2;
      tally.tried += 2;
      send(link, two);
    };
    const link = come({
      onOpen: more,
      onBytes(bytes) {
        const { all, good } = counter.count(bytes);
        tally.done += good;
        for (let at = good; at < all; at++) tally.refuse("HTTP error");
        unanswered -= all;
        if (unanswered <= 0) more();
      },
      onClose: () => tally.refuse("disconnected"),
    });
  });
}

/** Counts the answers of one connection by their first lines. */
class AnswerCounter {
  #tail = ""; // as long as a first line that is cut may be

  /** How many answers begin in these bytes, and how many of them are 200. */
  count(bytes: Uint8Array): { all: number; good: number } {
    const text = this.#tail + latin.decode(bytes);
    this.#tail = text.slice(1 - "HTTP/1.1 200".length);
    const codes = text.match(/HTTP\/1\.1 \d{3}/g) ?? [];
    const good = codes.filter((code) => code.endsWith("200")).length;
    return { all: codes.length, good };
  }
}

/** Sends a head that never ends, a byte a second. */
function drip(place: Place): void {
  const { tally } = place;
  const head = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Drip: ";
  stay(place, 1_000 / place.from.length, (come) => {
    let stop: (() => void) | undefined;
    const counted = countHeld(tally);
    const link = come({
      onOpen() {
        send(link, encoder.encode(head));
        stop = beat(1_000, () => send(link, encoder.encode("x")));
      },
      onBytes() {},
      onClose() {
        stop?.();
        counted.end();
      },
    });
  });
}

/** The same bytes so many times. */
export function repeated(bytes: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(bytes.length * times);
  for (let at = 0; at < all.length; at += bytes.length) all.set(bytes, at);
  return all;
}

export const HTTP: readonly Foe[] = [
  {
    kind: "gets-unread",
    title: "GETs that nobody reads, on 10 connections",
    unit: "GETs sent",
    over: ["http", "https"],
    start: (place) => sendUnread(place, 10),
  },
  {
    kind: "gets-unread-many",
    title: "GETs that nobody reads, on 1,500 connections",
    unit: "GETs sent",
    over: ["http", "https"],
    start: (place) => sendUnread(place, 1_500),
  },
  {
    kind: "gets",
    title: "a flood of GETs",
    unit: "GETs",
    over: ["http", "https"],
    start: flood,
  },
  {
    kind: "drips",
    title: "1,000 heads in drips",
    unit: "connections",
    over: ["http", "https"],
    start: drip,
  },
];

const latin = new TextDecoder("latin1");
