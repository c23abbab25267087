/**
 * Tells the other devices of an account how far its owner has read here. Who reads
 * along in a busy room reads on: so the server is told a few seconds later, and once.
 *
 * @module
 */
import { type Frame, header, lookAlike } from "../../protocol.ts";
import { numberOf } from "../frames.ts";
import type { SessionView } from "../session_view.ts";

/** From the first message that is read until the server is told, in milliseconds. */
export const TELL_AFTER_MS = 3_000;

/** See the top of the file. Close it when the session is over. */
export class ReadMarks {
  readonly #tell: (target: string, id: number) => void;
  readonly #known = new Map<string, number>();
  readonly #due = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `tell` tells the server. */
  constructor(tell: (target: string, id: number) => void) {
    this.#tell = tell;
  }

  /** The user has read here what is with a target, up to `id`. */
  seen(target: string, id: number): void {
    if (!this.#raise(target, id)) return;
    this.#due.set(target, id);
    this.#timer ??= setTimeout(() => this.#tellAll(), TELL_AFTER_MS);
  }

  /** Takes a `NOTICE read`: the same on another device, which has told the server. */
  takeNotice(notice: Frame, view: Pick<SessionView, "read">): void {
    const [target, id] = [header(notice, "to"), numberOf(notice, "id")];
    if (target === undefined || id === undefined) return;
    if (this.#raise(target, id)) this.#due.delete(target);
    view.read?.(target, id);
  }

  /** Tells nothing any more. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** Notes it. @returns Whether that is news. */
  #raise(target: string, id: number): boolean {
    const key = lookAlike(target);
    if (id <= (this.#known.get(key) ?? 0)) return false;
    this.#known.set(key, id);
    return true;
  }

  #tellAll(): void {
    this.#timer = undefined;
    const due = [...this.#due];
    this.#due.clear();
    for (const [target, id] of due) this.#tell(target, id);
  }
}
