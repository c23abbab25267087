/**
 * How much of what is stored the users of one address may fill: a quarter at once,
 * and as much again in a while. Otherwise one address, with 20 MB a second, would
 * push the messages of all others out within seconds or minutes.
 *
 * @module
 */
import { ChatError, MAX_BODY_BYTES } from "../../protocol.ts";

/** The share of an address. */
const SHARE = 1 / 4;

/**
 * No share is smaller, however little is stored: a class of forty, with 200
 * messages each in a day, is not refused.
 */
const LEAST = { messages: 10_000, bytes: 4_000_000 };

/** What a short message takes at least, in bytes: its row, or its record. */
const OVERHEAD = { file: 100, memory: 400 };

/** The share comes again in this time. */
const AGAIN = { file: "a day", memory: "an hour" } as const;
const SECONDS = { "a day": 86_400, "an hour": 3_600 };

/** How many bytes one address stores, and what each message counts besides its own. */
export interface StoredRate {
  readonly burst: number;
  readonly perSecond: number;
  readonly messageBytes: number;
  /** In which the whole share comes again. */
  readonly again: keyof typeof SECONDS;
}

/** What is stored at most; `messages` is Infinity if only bytes count. */
export interface Room {
  readonly bytes: number;
  readonly messages: number;
  /** What is in memory is kept for a shorter time, so its share comes again sooner. */
  readonly where: "file" | "memory";
}

/** The share of one address in what is stored. */
export function storedRate({ bytes, messages, where }: Room): StoredRate {
  const again = AGAIN[where];
  const most = Math.max(messages, LEAST.messages / SHARE);
  const size = bytes < Infinity ? bytes : most * MAX_BODY_BYTES;
  const burst = Math.max(size * SHARE, LEAST.bytes);
  // Short messages must not push out all others either.
  const messageBytes = Math.max(size / most, OVERHEAD[where]);
  return { burst, perSecond: burst / SECONDS[again], messageBytes, again };
}

/** The error for a message of an address that is over its share. */
export function overShare(
  { burst: bytes, messageBytes, again }: StoredRate,
  waitMs: number,
  knows108: boolean,
): ChatError {
  const shown = (count: number) => Math.round(count).toLocaleString("en");
  const [size, most] = [shown(bytes / 1e6), shown(bytes / messageBytes)];
  return new ChatError(
    knows108 ? 108 : 102,
    `Cannot send now: limit for your address: ${size} MB or ${most} messages ${again}`,
    {
      headers: { Limit: bytes, "Retry-after": Math.ceil(waitMs / 1_000) },
    },
  );
}
