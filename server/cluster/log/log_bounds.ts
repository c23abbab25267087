/**
 * How long the log in NATS reaches back: as long as messages are stored by `--keep`
 * and `--keep-bytes`. A server that was away for longer loads a snapshot.
 *
 * All servers must have the same bounds. The server that started last sets them;
 * the others tell if theirs are others.
 *
 * @module
 */
import { ageText, sizeText } from "../../journal/retention.ts";
import { StartError } from "../../journal/start_error.ts";
import type { Nats } from "../nats.ts";
import type { Subjects } from "../names.ts";
import { type Bounds, setBounds, type StreamEnds } from "./stream.ts";

/** The log reaches back so long at least, so that a restart needs no snapshot. */
const LEAST_AGE_MS = 60 * 60 * 1_000;

/** What `--keep` and `--keep-bytes` say; Infinity: all is stored. */
export interface LogKeep {
  readonly forMs: number;
  readonly bytes: number;
}

/** The bounds of the log of servers that store messages for that long. */
export function boundsOf({ forMs, bytes }: LogKeep): Bounds {
  return { ageMs: Math.max(forMs, LEAST_AGE_MS), bytes };
}

/** See the top of the file. */
export class LogBounds {
  readonly #nats: Nats;
  readonly #subjects: Subjects;
  readonly #own: Bounds;
  readonly #log: (line: string) => void;
  #isSet = false;
  #isSetting = false;
  /** The bounds that were told last. */
  #told: string;

  /** `log` gets a line for the operator. */
  constructor(
    { nats, subjects, own, log }: {
      nats: Nats;
      subjects: Subjects;
      own: Bounds;
      log: (line: string) => void;
    },
  ) {
    this.#nats = nats;
    this.#subjects = subjects;
    this.#own = own;
    this.#told = textOf(own);
    this.#log = log;
  }

  /**
   * Sets them as they are here, once, and tells when they are others after that.
   * This server has read all of the log.
   */
  async look({ bounds }: StreamEnds): Promise<void> {
    if (this.#isSetting) return;
    const [text, own] = [textOf(bounds), textOf(this.#own)];
    if (!this.#isSet && text !== own) return await this.#set(text);
    this.#isSet = true;
    if (text === this.#told) return;
    this.#told = text;
    if (text === own) return;
    this.#log(
      `Another server has other values of --keep or --keep-bytes: the log in ` +
        `NATS keeps entries ${text}, and this server says ${own}. ` +
        "Give all servers the same",
    );
  }

  async #set(before: string): Promise<void> {
    const { jsm } = this.#nats;
    this.#isSetting = true;
    try {
      await setBounds(jsm, this.#subjects, this.#own);
      this.#isSet = true;
      this.#log(
        `The log in NATS keeps entries ${
          textOf(this.#own)
        } now, as --keep and ` +
          `--keep-bytes of this server say; before, ${before}`,
      );
    } catch (error) {
      // Without an answer it is perhaps done: the next look tells.
      if (!(error instanceof StartError)) return;
      this.#isSet = true;
      this.#told = before;
      this.#log(error.message);
    } finally {
      this.#isSetting = false;
    }
  }
}

/** As `for 30d, in 2 GB`. */
function textOf({ ageMs, bytes }: Bounds): string {
  const age = ageMs === Infinity ? "without an end" : `for ${ageText(ageMs)}`;
  const size = bytes === Infinity ? "of any size" : `in ${sizeText(bytes)}`;
  return `${age}, ${size}`;
}
