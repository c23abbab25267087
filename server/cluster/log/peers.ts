/**
 * Which servers of the cluster are there: each one tells so several times a
 * second. A server that the others do not hear is taken for gone, and its users
 * with it. Servers that have read the same up to an entry tell the same hash.
 *
 * @module
 */
import type { Bus, BusMessage } from "../bus.ts";
import { ClusterError } from "../cluster_error.ts";
import type { Origin } from "./codec.ts";
import type { Subjects } from "../names.ts";
import type { Cursor, Replica } from "./replica.ts";

/** How often a server tells that it is there, in milliseconds. */
export const HEARTBEAT_MS = 300;

/** A server that is not heard for so long is gone. */
export const LEASE_MS = 3_000;

/** A timer that comes so late has not run: the computer slept, or was too busy. */
const LATE_MS = 1_000;

/** Own heartbeats come back so soon if the connection works. */
const ECHO_MS = 3 * HEARTBEAT_MS;

/** So long a difference is looked at, until all servers have told their hash. */
const JUDGED_AFTER_MS = 2_000;

/** Limit of the addresses that a server tells. */
const MAX_ADDRESSES = 8;

/** Limit of a server's address with its fingerprint, in characters. */
const MAX_ADDRESS = 400;

/** What a server tells of itself. */
export interface PeerState {
  /** Where clients can connect instead, as the protocol's header Alternate. */
  readonly addresses: readonly string[];
  /** How many entries of the stream it has to read yet. */
  readonly lag: number;
}

/** A server of the cluster. */
export interface Peer extends PeerState, Cursor, Origin {
  /** When it was last heard, by `performance.now()`. */
  readonly heardAt: number;
  /** Whether it has read the same as this server; undefined if not known yet. */
  readonly agrees: boolean | undefined;
}

/** Options of {@linkcode Peers}. */
export interface PeersOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** This server's name. */
  readonly server: string;
  readonly replica: Replica;
  /** This server's epoch; undefined while it has none that is open. */
  epoch(): string | undefined;
  /** What this server tells of itself. */
  state(): PeerState;
  /** Since when there is a connection to NATS, by `performance.now()`. */
  connectedSince(): number | undefined;
  /** Reads up to that sequence. */
  want(sequence: number): void;
  /** A server is not heard any more: its epoch must end. */
  silent(origin: Origin): void;
  /** A server came, went, or tells something else of itself. */
  changed(): void;
  /** Called when this server cannot go on. */
  fail(error: ClusterError): void;
  /** Gets a line for the operator. */
  log(line: string): void;
}

interface Heard extends Peer {
  heardAt: number;
  agrees: boolean | undefined;
  /** A hash that could not be compared yet. */
  mark: Cursor | undefined;
}

/** See the top of the file. */
export class Peers implements Disposable {
  readonly #options: PeersOptions;
  readonly #heard = new Map<string, Heard>();
  /** Since when a server that never was heard is waited for. */
  readonly #awaited = new Map<string, { epoch: string; since: number }>();
  readonly #scope = new DisposableStack();
  #tickedAt = performance.now();
  #judgesSince = this.#tickedAt;
  #echoedAt = -Infinity;
  #differsSince: number | undefined;
  #told = new Set<string>();

  /** Tells and listens from now on. */
  constructor(options: PeersOptions) {
    this.#options = options;
    const { bus, subjects } = options;
    this.#scope.use(bus.subscribe(
      `${subjects.heartbeat}*`,
      (message) => this.#receive(message),
    ));
    const ticking = setInterval(() => this.#tick(), HEARTBEAT_MS);
    this.#scope.defer(() => clearInterval(ticking));
  }

  /** The other servers that are there. */
  get others(): readonly Peer[] {
    return [...this.#heard.values()];
  }

  /** Tells this server's state now, and not only with the next heartbeat. */
  beat(): void {
    const { bus, subjects, server, replica, epoch, state } = this.#options;
    const word = epoch();
    if (word === undefined) return;
    const { sequence, hash } = replica.cursor;
    const { addresses, lag } = state();
    const beat: Heartbeat = { epoch: word, sequence, hash, addresses, lag };
    const bytes = new TextEncoder().encode(JSON.stringify(beat));
    bus.publish(subjects.heartbeat + server, bytes);
  }

  /** Neither tells nor listens any more. */
  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  #receive(message: BusMessage): void {
    const { subjects, server, epoch, replica, want, changed } = this.#options;
    const name = message.subject.slice(subjects.heartbeat.length);
    const beat = heartbeatOf(message.bytes);
    if (!beat) {
      return this.#tell(
        `${message.subject}: not a heartbeat of Parley; ignored`,
      );
    }
    const now = performance.now();
    if (name === server) {
      if (beat.epoch === epoch()) this.#echoedAt = now;
      else if (epoch() !== undefined) {
        this.#tell(`Another server uses the name "${server}", too`);
      }
      return;
    }
    const last = this.#heard.get(name);
    const { sequence, hash } = beat;
    const peer: Heard = {
      ...{ server: name, ...beat, heardAt: now },
      agrees: last?.agrees,
      mark: last?.mark ?? { sequence, hash },
    };
    this.#heard.set(name, peer);
    this.#compare(peer);
    if (sequence > replica.cursor.sequence) want(sequence);
    if (String(last?.addresses) !== String(beat.addresses)) changed();
  }

  /** Compares what a server told with the own hash there, when it is known. */
  #compare(peer: Heard): void {
    const { replica } = this.#options;
    if (!peer.mark || peer.mark.sequence > replica.cursor.sequence) return;
    const own = replica.hashAt(peer.mark.sequence);
    if (own !== undefined) peer.agrees = own === peer.mark.hash;
    peer.mark = undefined;
  }

  #tick(): void {
    const now = performance.now();
    // A server that slept has heard nothing, and can judge none for a while.
    if (now - this.#tickedAt > LATE_MS) this.#judgesSince = now;
    this.#tickedAt = now;
    this.beat();
    for (const peer of this.#heard.values()) this.#compare(peer);
    this.#judgeHashes(now);
    if (this.#canJudge(now)) this.#findSilent(now);
  }

  /** Whether it is not this server that the others do not hear. */
  #canJudge(now: number): boolean {
    const connectedSince = this.#options.connectedSince() ?? now;
    const since = Math.max(connectedSince, this.#judgesSince);
    return now - since > LEASE_MS && now - this.#echoedAt < ECHO_MS;
  }

  #findSilent(now: number): void {
    const { replica, server, silent, changed, log } = this.#options;
    for (const [name, { epoch, isOpen }] of replica.epochs) {
      if (name === server || !isOpen) continue;
      if (now - this.#heardAt(name, epoch, now) <= LEASE_MS) continue;
      log(`The server ${name} does not answer; its users are disconnected`);
      this.#awaited.set(name, { epoch, since: now }); // told again in a while
      silent({ server: name, epoch });
    }
    for (const [name, peer] of this.#heard) {
      if (now - peer.heardAt <= LEASE_MS) continue;
      this.#heard.delete(name);
      changed();
    }
  }

  /** When a server was last heard in an epoch; or since when it is waited for. */
  #heardAt(name: string, epoch: string, now: number): number {
    const heard = this.#heard.get(name);
    const awaited = this.#awaited.get(name);
    const heardAt = heard?.epoch === epoch ? heard.heardAt : -Infinity;
    if (awaited?.epoch === epoch) return Math.max(heardAt, awaited.since);
    if (heard?.epoch === epoch) return heardAt;
    this.#awaited.set(name, { epoch, since: now });
    return now;
  }

  /** This server stops if it differs from the others, and is not the majority. */
  #judgeHashes(now: number): void {
    const heard = [...this.#heard.values()];
    const differing = heard.filter(({ agrees }) => agrees === false);
    if (differing.length === 0) {
      this.#differsSince = undefined;
      return;
    }
    this.#differsSince ??= now;
    if (now - this.#differsSince < JUDGED_AFTER_MS) return;
    const agreeing = heard.filter(({ agrees }) => agrees === true).length + 1;
    const { replica, fail } = this.#options;
    const shown = differing.map(({ server, sequence, hash }) =>
      `${server} has ${hash} at ${sequence}`
    ).join(", ");
    if (agreeing > differing.length) {
      return this.#tell(`Other entries than on this server: ${shown}`);
    }
    const { sequence, hash } = replica.cursor;
    fail(
      new ClusterError(
        `This server has other entries than the others: ${hash} at ${sequence}; ` +
          `${shown}. It may have lost entries: see docs/cluster.md`,
      ),
    );
  }

  /** Logs a line, once. */
  #tell(line: string): void {
    if (this.#told.has(line) || this.#told.size > MAX_TOLD) return;
    this.#told.add(line);
    this.#options.log(line);
  }
}

/** Limit of the different lines about what other programs send. */
const MAX_TOLD = 100;

/** A heartbeat on the wire. */
interface Heartbeat extends Cursor, PeerState {
  readonly epoch: string;
}

/** What a heartbeat tells; undefined if it is none. */
function heartbeatOf(bytes: Uint8Array): Heartbeat | undefined {
  let value: Partial<Heartbeat> | null;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined; // of another program
  }
  const { epoch, sequence, hash, addresses, lag } = value ?? {};
  if (typeof epoch !== "string" || typeof hash !== "string") return undefined;
  if (!isCount(sequence) || !isCount(lag)) return undefined;
  if (!Array.isArray(addresses) || !addresses.every(isAddress)) {
    return undefined;
  }
  const few = addresses.slice(0, MAX_ADDRESSES);
  return { epoch, sequence, hash, addresses: few, lag };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Printable, since clients are sent it in a head. */
function isAddress(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_ADDRESS &&
    /^[\x20-\x7e]+$/.test(value);
}
