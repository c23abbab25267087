/**
 * What was said: read from frames, put in order, shown once.
 *
 * @module
 */
import { type Frame, header } from "../../protocol.ts";
import type { Request } from "../../core/connection.ts";
import { Order } from "../../core/order.ts";
import { numberOf, textOf, timeOf } from "../../core/frames.ts";
import type { Item, Message } from "../terminal/view.ts";

/** More messages that wait for a connection are only counted. */
const MAX_UNSAID_SHOWN = 20;

/** What {@linkcode Messages} need. */
export interface MessagesOptions {
  /** Who we are. */
  readonly me: string;
  /** Whether what we say ourselves is shown. */
  readonly echo: boolean;
  /** Shows it. */
  show(item: Item): void;
}

/** By what a message of a room is known again. */
export interface Landmark {
  /** With `#`. */
  readonly room: string;
  /** Its id. */
  readonly id: number;
  /** When it was said, in milliseconds since the epoch. */
  readonly at: number;
}

/** The messages of one visit. */
export class Messages {
  /** Who we are. */
  me: string;
  /** Who wrote to us alone, last. */
  lastSender: string | undefined;
  /** The newest that was shown of any room. */
  newest: Landmark | undefined;
  /** In which order they are shown. */
  readonly order = new Order();
  readonly #echo: boolean;
  readonly #show: (item: Item) => void;
  readonly #ignored = new Set<string>();
  readonly #oldest = new Map<string, number>(); // id that was shown, by room

  /** Nothing was said yet. */
  constructor(options: MessagesOptions) {
    this.me = options.me;
    this.#echo = options.echo;
    this.#show = options.show;
  }

  /** Takes a FORWARD, which came after we had asked so many requests. */
  heard(frame: Frame, asked: number): void {
    const message = this.#messageOf(frame);
    const id = numberOf(frame, "id");
    const show = () => this.#say(message, id);
    if (id === undefined) return show();
    this.order.add({ id, bytes: heldBytes(frame), show }, asked);
  }

  /** Takes the SENT for what we said. */
  sent(frame: Frame, body: Uint8Array): void {
    const to = frame.args[0] ?? "";
    const isAll = to.toUpperCase() === "ALL";
    const message: Message = {
      kind: "message",
      at: timeOf(frame),
      from: to.startsWith("#") || isAll ? this.me : "you",
      to: isAll ? "ALL" : to,
      text: textOf({ body }),
    };
    const id = numberOf(frame, "id");
    const show = () => this.#say(message, id);
    if (id === undefined) return show();
    this.order.addOwn({ id, bytes: heldBytes({ body }), show });
  }

  /**
   * Shows what a history of `room` gave: as old, up to the id `upTo`. What is
   * newer is heard like everything else.
   *
   * @returns How many were old.
   */
  old(frames: readonly Frame[], upTo: number, asked: number): number {
    let count = 0;
    for (const frame of frames) {
      const id = numberOf(frame, "id") ?? 0;
      if (id > upTo) {
        this.heard(frame, asked);
        continue;
      }
      count++;
      this.#say({ ...this.#messageOf(frame), old: true }, id);
    }
    return count;
  }

  /**
   * What among `requests` is still to be said, a line each: so much of it as a
   * screen holds. Nothing where our own words are not shown.
   */
  unsaid(requests: readonly Request[]): string[] {
    if (!this.#echo) return [];
    const sends = requests.filter(({ verb }) => verb === "SEND");
    const lines = sends.slice(0, MAX_UNSAID_SHOWN).map(typedAs);
    const more = sends.length - lines.length;
    return more > 0 ? [...lines, `And ${more} more`] : lines;
  }

  /** The oldest message of `room` that was shown, by its id. */
  oldestOf(room: string): number | undefined {
    return this.#oldest.get(room.toLowerCase());
  }

  /** Forgets what was shown: ids began anew, and `last` is before ours. */
  restart(last: number): void {
    this.order.restart(last);
    this.#oldest.clear();
    this.newest = undefined;
  }

  /** Whether what `user` says is hidden from now on. */
  ignore(user: string, ignored: boolean): void {
    if (ignored) this.#ignored.add(user.toLowerCase());
    else this.#ignored.delete(user.toLowerCase());
  }

  /** Whether what `user` says is hidden. */
  ignores(user: string): boolean {
    return this.#ignored.has(user.toLowerCase());
  }

  /** Who is ignored, in lower case. */
  get ignored(): string[] {
    return [...this.#ignored].sort();
  }

  #messageOf(frame: Frame): Message {
    const to = header(frame, "to") ?? this.me; // classic ones have no To
    const isPrivate = to.toLowerCase() === this.me.toLowerCase();
    return {
      kind: "message",
      at: timeOf(frame),
      from: frame.args[0] ?? "",
      to: isPrivate ? "you" : to,
      text: textOf(frame),
    };
  }

  #say(message: Message, id: number | undefined): void {
    const { from, to, old } = message;
    if (id !== undefined && to.startsWith("#")) this.#mark(message, id);
    if (this.ignores(from)) return;
    if (to === "you") this.lastSender = from;
    const isOurs = from === this.me || from === "you";
    if (!isOurs || this.#echo || old) this.#show(message);
  }

  #mark({ to, at }: Message, id: number): void {
    const key = to.toLowerCase();
    this.#oldest.set(key, Math.min(id, this.#oldest.get(key) ?? Infinity));
    if (id < (this.newest?.id ?? 0)) return;
    this.newest = { room: to, id, at: at.getTime() };
  }
}

/** A SEND as the line that waits for it. */
function typedAs({ args: [target = ""], body }: Request): string {
  const text = textOf({ body });
  return `Queued: ${target.startsWith("#") ? text : `@${target}: ${text}`}`;
}

/** About what a message takes in memory. */
function heldBytes({ body }: Pick<Frame, "body">): number {
  return 2 * body.length + 500;
}
