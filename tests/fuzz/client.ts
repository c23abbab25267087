/**
 * A client whose server is hostile: the server answers requests, in form at least,
 * sends frames without a request, disconnects, and lets the client reconnect.
 *
 * All of the client takes part but the sockets and the terminal: line,
 * connection, session, and the view, whose words are checked by
 * {@linkcode checkShown}. What a client may end with is a reason it can tell its
 * user; everything else is a bug.
 *
 * @module
 */
import { runLine } from "../../client/chat/commands.ts";
import type { Stream } from "../../core/net/stream.ts";
import { EXIT, Failure, failureOf } from "../../client/view/failure.ts";
import { ReconnectingConnection } from "../../core/net/reconnecting.ts";
import type { Clock } from "../../core/net/backoff.ts";
import { Session } from "../../client/chat/session.ts";
import { View } from "../../client/view/view.ts";
import { ABSURD_BODY_BYTES, ChatError, FrameDecoder } from "../../protocol.ts";
import { guestAccess, recordingTerminal } from "../tools/client_tools.ts";
import type { Outcome, Storm } from "./server.ts";
import {
  Chance,
  cutUp,
  hostileAnswer,
  hostileReply,
} from "./hostile_frames.ts";
import { checkShown } from "../tools/shown.ts";

/** How many frames the server sends on one connection. */
const FRAMES = 60;

/** How many bytes of noise the server sends on one connection. */
const NOISE_BYTES = 2_000;

/** How often the client can reconnect. */
const CONNECTIONS = 3;

/** What the user of the client types meanwhile. */
const TYPED = [
  ...["hello", "@bob: psst", "@ALL: hi", "/rooms", "/who all", "/history"],
  ...["/history 5", "/join lab", "/leave", "/list", "/ping", "/reply well"],
];

/** Time that does not pass: a wait ends at once. */
const NO_TIME: Clock = {
  now: () => 0,
  sleep: () => Promise.resolve(),
  every: () => ({ [Symbol.dispose]: () => {} }),
};

/** Connects clients to it, one after the other. */
export async function stormClient(
  { seed, count, kind, deadline }: Omit<Storm, "port">,
): Promise<Outcome> {
  const outcome: Outcome = { visits: 0, count: 0, answers: new Map() };
  while (outcome.count < count && performance.now() < deadline) {
    const visit = outcome.visits++;
    const server = new HostileServer(new Chance(seed + visit), kind);
    try {
      const end = await visitTo(server);
      outcome.answers.set(end, (outcome.answers.get(end) ?? 0) + 1);
    } catch (cause) {
      const again = `--seed ${seed + visit}`;
      throw new Error(`Visit ${visit} failed: ${again}`, { cause });
    }
    outcome.count += server.count;
  }
  return outcome;
}

/** One visit; says how it ended. */
async function visitTo(server: HostileServer): Promise<string> {
  using line = new ReconnectingConnection({
    dial: () => Promise.resolve(server.accept()),
    clock: NO_TIME,
  });
  const { chance } = server;
  const options = chance.once(2)
    ? { plain: true, colors: false, columns: () => Infinity }
    : { plain: false, colors: true, columns: () => 30 + chance.below(60) };
  const session = new Session({
    server: line,
    terminal: recordingTerminal(checkShown),
    view: new View(options),
    name: "alice",
    access: guestAccess(),
  });
  const typing = type(session, chance);
  try {
    await session.run();
    return "left";
  } catch (error) {
    return endOf(error);
  } finally {
    line.close();
    await typing;
  }
}

/** Types, once it is in, until the line has ended. */
async function type(session: Session, chance: Chance): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  session.server.settled(-1).catch(() => resolve()); // which is never before
  await Promise.race([session.present, over]);
  try {
    await runLine(session, { text: "/join default", pasted: false });
    while (!chance.once(30)) {
      await runLine(session, { text: chance.pick(TYPED), pasted: false });
    }
    await session.logout();
  } catch (error) {
    endOf(error);
  }
}

/** @throws {unknown} `error`, if it is none that a client tells its user. */
function endOf(error: unknown): string {
  const failure = failureOf(error);
  if (failure instanceof Failure) return `exit code ${failure.exitCode}`;
  if (error instanceof ChatError) return `ERROR ${error.code}`;
  throw error;
}

/** What the client takes for its connections to a server. */
class HostileServer {
  readonly chance: Chance;
  /** Frames, or bytes of noise, that the client has read. */
  count = 0;
  readonly #kind: Storm["kind"];
  #connections = 0;

  constructor(chance: Chance, kind: Storm["kind"]) {
    this.chance = chance;
    this.#kind = kind;
  }

  /** The next connection. */
  accept(): Stream {
    if (this.#connections++ === CONNECTIONS) {
      throw new Failure(EXIT.unreachable, "no server");
    }
    return new HostileStream(this, this.#kind);
  }
}

/** One connection to a {@linkcode HostileServer}. */
class HostileStream implements Stream {
  readonly #server: HostileServer;
  readonly #kind: Storm["kind"];
  readonly #asked = new FrameDecoder({ maxBodyBytes: ABSURD_BODY_BYTES });
  #pieces: Uint8Array[] = [];
  #left: number;
  #closed = false;

  constructor(server: HostileServer, kind: Storm["kind"]) {
    this.#server = server;
    this.#kind = kind;
    this.#left = kind === "frames" ? FRAMES : NOISE_BYTES;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    await Promise.resolve(); // in which the client sends its request
    if (this.#pieces.length === 0) this.#speak();
    const piece = this.#pieces.shift();
    if (!piece || this.#closed) return null;
    const taken = piece.subarray(0, buffer.length);
    if (taken.length < piece.length) {
      this.#pieces.unshift(piece.subarray(taken.length));
    }
    buffer.set(taken);
    if (this.#kind === "noise") this.#server.count += taken.length;
    return taken.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    let at = 0;
    while (at < bytes.length) {
      const space = this.#asked.space();
      const part = bytes.subarray(at, at + space.length);
      space.set(part);
      this.#asked.received(part.length);
      at += part.length;
      for (const asked of this.#asked.frames()) {
        if (asked instanceof ChatError) throw asked; // the client sends valid frames only
        this.#answer(asked.verb);
      }
    }
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.#closed = true;
  }

  #answer(verb: string): void {
    if (verb === "PONG" || this.#left === 0) return;
    this.#say(hostileReply(this.#server.chance, verb));
  }

  /** Sends a frame without a request. */
  #speak(): void {
    const { chance } = this.#server;
    if (this.#left === 0) return;
    if (this.#kind === "frames") this.#say(hostileAnswer(chance));
    else this.#say(chance.bytes(Math.min(this.#left, 64)));
  }

  #say(bytes: Uint8Array): void {
    const { chance } = this.#server;
    this.#pieces.push(...cutUp(chance, bytes));
    if (this.#kind === "frames") {
      this.#left--;
      this.#server.count++;
    } else this.#left = Math.max(0, this.#left - bytes.length);
  }
}
