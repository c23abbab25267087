/**
 * The pace at which frames of a WebSocket are read. Messages count where they are
 * understood. Here the bytes count that are no part of a message, so the server
 * slows pongs, pings and frames without content, too. Frames take from the time of
 * their address: the server reads steps of 4 KB. After two milliseconds of steps all
 * other connections have their turn.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { pause } from "./waiting.ts";

/** What frames of one WebSocket count for. */
export interface FrameMeter {
  /**
   * Counts bytes that are no part of a message: heads of frames, and pongs.
   *
   * @returns Milliseconds until more may be read.
   */
  count(bytes: number): number;
  /** Resolves when a step may be read; undefined if that is now. */
  begin(): Promise<void> | undefined;
  /** Notes that the step after {@linkcode begin} was read, or will not be. */
  end(): void;
  /** Resolves when all other connections had a turn. */
  nextTurn(): Promise<void>;
}

/** Shortest head of a client's frame, in bytes (RFC 6455, 5.2). */
const HEAD_BYTES = 6;

/**
 * A frame counts for at least these bytes, its message included: one without content
 * takes the server as long as one with a line.
 */
const MIN_FRAME_BYTES = 38;

/** Limit of bytes of one step. */
const STEP_BYTES = 4_096;

/** Steps take no longer than this without a turn for others, in milliseconds. */
const TURN_MS = 2;

/**
 * Lets `ws`, which made `opened` of `socket`, read no more than `meter` allows. A
 * message of up to `maxMessageBytes` can be under way. `ws` must not answer pings
 * itself.
 */
export function paceFrames(
  opened: WebSocket,
  socket: Duplex,
  { meter, maxMessageBytes }: { meter: FrameMeter; maxMessageBytes: number },
): void {
  // The listener by which `ws` gets bytes: from now on in steps.
  const [feed] = socket.listeners("data");
  if (!feed) return; // it is closed already
  socket.removeListener("data", feed as () => void); // the cast: a listener is a function
  let held: Buffer | undefined; // bytes that `ws` has not got
  let pending = 0; // bytes that may be part of a message, or of none
  let due = 0; // bytes that are part of no message
  let missing = 0; // bytes by which reads are shorter than the shortest frame
  let isResting = false;
  let isReading = false;

  let ping: Buffer | undefined; // the last one that is not answered
  let isPonging = false;

  const onControl = ({ length }: Uint8Array) =>
    due += Math.max(HEAD_BYTES + length, MIN_FRAME_BYTES);
  opened.on("ping", onControl).on("pong", onControl);
  opened.on("ping", (data: Buffer) => ping = data);
  opened.on("message", ({ length }: Uint8Array) => {
    pending -= length;
    due += Math.max(HEAD_BYTES, MIN_FRAME_BYTES - length);
  });
  socket.on("data", (bytes: Buffer) => {
    missing += Math.max(0, MIN_FRAME_BYTES - bytes.length);
    held = held ? Buffer.concat([held, bytes]) : bytes;
    readHeld();
  });
  socket.on("resume", () => {
    if (isResting) socket.pause(); // `ws` has resumed it
    else readHeld();
  });
  socket.prependListener("close", () => {
    if (!held) return;
    held = undefined;
    let rest; // dropped too, or `ws` would read it and leave a gap
    do rest = socket.read(); while (rest !== null);
  });

  /** Gives `ws` what is held, unless the reader of the messages is behind. */
  async function readHeld(): Promise<void> {
    if (isReading) return;
    isReading = true;
    let startedAt = performance.now();
    while (held && !socket.isPaused() && !socket.destroyed) {
      const turn = meter.begin();
      if (turn) await rest(turn);
      const waitMs = socket.isPaused() ? 0 : readStep();
      meter.end();
      const isLong = held && performance.now() - startedAt > TURN_MS;
      if (waitMs === 0 && !isLong) continue;
      await rest(waitMs > 0 ? pause(socket, waitMs) : meter.nextTurn());
      startedAt = performance.now();
    }
    isReading = false;
  }

  /** @returns Milliseconds until the next step. */
  function readStep(): number {
    if (!held) return 0; // the socket was closed meanwhile
    const step = held.subarray(0, STEP_BYTES);
    held = step.length < held.length ? held.subarray(step.length) : undefined;
    feed!.call(socket, step);
    pong();
    return countStep(step.length);
  }

  /**
   * Answers the last ping alone (RFC 6455, 5.5.3), one at a time: a peer that sends
   * many and reads nothing fills no queue.
   */
  function pong(): void {
    if (!ping || isPonging) return;
    isPonging = true;
    opened.pong(ping, false, () => {
      isPonging = false;
      pong();
    });
    ping = undefined;
  }

  function countStep(bytes: number): number {
    pending = Math.max(0, pending + bytes - due);
    const over = pending - maxMessageBytes; // more than a message can have
    if (over > 0) due += over;
    if (over > 0) pending -= over;
    const counted = due + missing;
    due = missing = 0;
    return counted > 0 ? meter.count(counted) : 0;
  }

  async function rest(until: Promise<void>): Promise<void> {
    isResting = true;
    socket.pause();
    await until;
    isResting = false;
    if (!opened.isPaused) socket.resume();
  }
}
