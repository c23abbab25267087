/**
 * A server under hostile frames, or noise, on many connections at a time. Two users
 * chat meanwhile and must not notice.
 *
 * A frame counts when the server has answered it. The server must answer with
 * frames: the decoder of the client reads them.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ChatError, type Frame, FrameDecoder, frames } from "../../protocol.ts";
import { SYSTEM } from "../../platform/system.ts";
import { Chance, cutUp, hostileRequest } from "./hostile_frames.ts";
import { join, RawClient } from "../tools/net/raw_client.ts";

/** What is to be done to a server. */
export interface Storm {
  readonly port: number;
  /** The first visit's; each one after it has the next number. */
  readonly seed: number;
  /** It is over after so many frames were answered, or bytes written. */
  readonly count: number;
  /** What is sent. */
  readonly kind: "frames" | "noise";
  /** It is over then in any case, by performance.now(). */
  readonly deadline: number;
}

/** What became of it. */
export interface Outcome {
  visits: number;
  /** Frames that were answered, or bytes that were written. */
  count: number;
  /** How often each verb, or error, was answered. */
  readonly answers: Map<string, number>;
}

/** How many connections are open at a time. */
const AT_ONCE = 16;

/** How many frames are sent on one connection. */
const FRAMES = 40;

/** How many bytes of noise are sent on one connection. */
const NOISE_BYTES = 2_000;

/** How often the two users chat, in milliseconds. */
const CHAT_EVERY_MS = 100;

/** A two-socket sender without an answer in this time waits. */
const PATIENCE_MS = SYSTEM === "windows" ? 5_000 : 500;

/** Runs the storm, and checks that the server serves other users. */
export async function stormServer(storm: Storm): Promise<Outcome> {
  const outcome: Outcome = { visits: 0, count: 0, answers: new Map() };
  await using _calm = await chatMeanwhile(storm.port);
  const workers = Array.from({ length: AT_ONCE }, async () => {
    while (
      outcome.count < storm.count && performance.now() < storm.deadline
    ) {
      const visit = outcome.visits++;
      await pay(storm, new Chance(storm.seed + visit), outcome).catch(
        (cause) => {
          const again = `--seed ${storm.seed + visit}`;
          throw new Error(`Visit ${visit} failed: ${again}`, { cause });
        },
      );
    }
  });
  await Promise.all(workers);
  return outcome;
}

/** Two users who chat with each other, until it is disposed. */
async function chatMeanwhile(port: number): Promise<AsyncDisposable> {
  const alice = await RawClient.enter(port, "alice", "#calm");
  const bob = await RawClient.enter(port, "bob", "#calm");
  const over = new AbortController();
  const talking = (async () => {
    for (let i = 0; !over.signal.aborted; i++) {
      await chat(alice, bob, `hello ${i}`);
      await chat(bob, alice, `hello ${i} yourself`);
      const pause = sleep(CHAT_EVERY_MS, undefined, { signal: over.signal });
      await pause.catch(() => {}); // it is over
    }
  })();
  talking.catch(() => {}); // it is awaited in the end
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await talking;
      alice.close();
      bob.close();
    },
  };
}

/** One user sends a message, and the other receives it, among other frames. */
async function chat(
  speaker: RawClient,
  hearer: RawClient,
  text: string,
): Promise<void> {
  await speaker.say("#calm", text);
  await speaker.next("SENT #calm\n");
  for (;;) {
    const heard = await hearer.next("FORWARD ");
    if (heard.includes("\nTo: #calm\n") && heard.endsWith(`\n\n${text}`)) {
      return;
    }
  }
}

/** One connection, from its first byte to its end. */
async function pay(
  storm: Storm,
  chance: Chance,
  outcome: Outcome,
): Promise<void> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: storm.port });
  const reading = read(conn, storm, outcome);
  reading.catch(() => {}); // it is awaited below
  try {
    const { written, mayWait } = await write(conn, storm, chance);
    if (storm.kind === "noise") outcome.count += written;
    if (chance.once(4)) return; // disconnects, whatever is under way
    await conn.closeWrite();
    await (mayWait ? patience(reading) : reading);
  } catch (error) {
    if (!isHangUp(error)) throw error;
  } finally {
    conn.close();
    await reading;
  }
}

/** Waits until the server closes the connection, or for {@linkcode PATIENCE_MS}. */
async function patience(reading: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE_MS);
  await Promise.race([reading, late]);
  clearTimeout(timer);
}

/** Writes hostile bytes in random pieces; returns how many, and of whom. */
async function write(
  conn: Deno.Conn,
  { kind }: Storm,
  chance: Chance,
): Promise<{ readonly written: number; readonly mayWait: boolean }> {
  const whole = kind === "noise" ? noise(chance) : hostileFrames(chance);
  for (const piece of cutUp(chance, whole)) {
    for (let at = 0; at < piece.length;) {
      at += await conn.write(piece.subarray(at));
    }
  }
  const mayWait = new TextDecoder().decode(whole).includes("REGISTER TO");
  return { written: whole.length, mayWait };
}

/** Many frames, mostly of a registered user. */
function hostileFrames(chance: Chance): Uint8Array {
  const entrance = chance.once(4) ? "" : `REGISTER ${userName(chance)}\n\n`;
  const frames = Array.from({ length: FRAMES }, () => hostileRequest(chance));
  return join(entrance, ...frames);
}

/** Noise where the first frame should be, after one, or within one. */
function noise(chance: Chance): Uint8Array {
  const bytes = chance.bytes(NOISE_BYTES);
  if (chance.once(2)) return bytes;
  const entrance = `REGISTER ${userName(chance)}\n\n`;
  if (chance.once(2)) return join(entrance, bytes);
  const head = `SEND ALL\nContent-length: ${NOISE_BYTES / 2}\n\n`;
  return join(entrance, head, bytes);
}

function userName(chance: Chance): string {
  return `foe${chance.below(100)}`;
}

/** Reads to the end, and counts. */
async function read(
  conn: Deno.Conn,
  { kind }: Storm,
  outcome: Outcome,
): Promise<void> {
  const incoming = new FrameDecoder({ maxBodyBytes: MAX_ANSWER_BYTES });
  let classic = false; // then what comes are no frames of ours
  try {
    for await (const batch of frames(conn, incoming)) {
      for (const item of batch) {
        if (item instanceof ChatError) {
          if (!classic) throw new Error("It said no frame", { cause: item });
          continue;
        }
        classic ||= item.verb === "REGISTERED" && ROLES.has(item.args[0]!);
        if (UNASKED.has(item.verb)) continue;
        if (kind === "frames") outcome.count++;
        const what = nameOf(item);
        outcome.answers.set(what, (outcome.answers.get(what) ?? 0) + 1);
      }
    }
  } catch (error) {
    if (!isHangUp(error)) throw error;
  }
}

/** An answer as it is counted: its verb, and which error it is. */
function nameOf({ verb, args }: Frame): string {
  return verb === "ERROR" ? `${verb} ${args[0]}` : verb;
}

/** Whether the error only says that one side has disconnected. */
function isHangUp(error: unknown): boolean {
  return HANG_UPS.some((kind) => error instanceof kind);
}

const HANG_UPS = [
  Deno.errors.ConnectionReset,
  Deno.errors.ConnectionAborted,
  Deno.errors.BrokenPipe,
  Deno.errors.NotConnected,
  Deno.errors.BadResource, // we have
  Deno.errors.Interrupted, // we have, while it was read
];

const ROLES = new Set(["TOSEND", "TORECV"]);
const UNASKED = new Set(["FORWARD", "NOTICE", "PING"]);
const MAX_ANSWER_BYTES = 1024 * 1024;
