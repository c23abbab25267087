/**
 * The connection to NATS: addresses, credentials, what the server must be able to
 * do, and the state of the connection. The one module that loads @nats-io.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import type {
  Authenticator,
  ConnectionOptions,
  Msg,
  NatsConnection,
} from "@nats-io/transport-node";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { StartError } from "../journal/start_error.ts";
import type { Bus, BusMessage } from "./bus.ts";
import { ClusterError } from "./cluster_error.ts";

/** Older servers lose or move acknowledged messages when servers fail. */
export const OLDEST_VERSION = "2.15.1";

/** Limit of one entry of the log, in bytes; NATS must take as much. */
export const MAX_PAYLOAD_BYTES = 512 * 1024;

/** What a request to JetStream waits for. */
export const API_TIMEOUT_MS = 1_500;

/** An attempt to connect takes as long at most. */
const CONNECT_TIMEOUT_MS = 2_000;
const RETRY_MS = 250;

/** Options of {@linkcode connectNats}. */
export interface NatsOptions {
  /** Addresses, as `nats://user:password@host:port`; `nats://` can be left out. */
  readonly servers: readonly string[];
  /** The file of credentials that NATS's tool `nsc` makes. */
  readonly credentials?: string | undefined;
  /** The file of certificates that signed those of NATS, in PEM. */
  readonly ca?: string | undefined;
  /** How NATS shows this connection. */
  readonly name: string;
  /** Gets a line when the connection is lost, and when it is back. */
  readonly log: (line: string) => void;
  /** Ends the attempts to connect. */
  readonly signal?: AbortSignal;
}

/** An address of NATS, and who this server is there. */
interface Login {
  /** As `host:port`. */
  readonly server: string;
  /** Whether it must not be used without TLS. */
  readonly isSecure: boolean;
  readonly user?: string;
  readonly pass?: string;
}

/**
 * Connects, and tries until it works: NATS may start after this server.
 *
 * @throws {StartError} What no waiting cures: a malformed address, wrong
 * credentials, a file that cannot be read, a server that is too old or lacks
 * JetStream or takes too small messages.
 */
export async function connectNats(options: NatsOptions): Promise<Nats> {
  const { servers, log, signal } = options;
  const where = servers.map((server) => loginOf(server).server).join(", ");
  const settings = await connectionOptions(options);
  for (let attempt = 0;; attempt++) {
    signal?.throwIfAborted();
    const connecting = tryOnce(settings, log);
    try {
      return await (signal ? abortable(connecting, signal) : connecting);
    } catch (error) {
      if (signal?.aborted) {
        connecting.then((late) => late[Symbol.asyncDispose](), () => {});
        throw signal.reason;
      }
      const why = refusal(error as Error);
      if (why) throw new StartError(`Cannot use NATS at ${where}: ${why}`);
      if (attempt === 0) {
        log(`Waiting for NATS at ${where}: ${(error as Error).message}`);
      }
    }
    const pause = new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    await (signal ? abortable(pause, signal) : pause);
  }
}

/** A server of NATS that no waiting makes better. The message says why. */
class UnfitError extends Error {}

/** Tries each address once. @throws {Error} Why it cannot. */
async function tryOnce(
  settings: ConnectionOptions,
  log: (line: string) => void,
): Promise<Nats> {
  const { connect } = await import("./transport.ts");
  const { jetstream, jetstreamManager } = await import("@nats-io/jetstream");
  // Servers of a cluster tell of each other: NATS's client goes round for ever,
  // and never says that all of them refuse the password. So this asks first.
  const asked = { ...settings, ignoreClusterUpdates: true, reconnect: false };
  const first = await connect(asked);
  const why = insufficient(first);
  await first.close();
  if (why) throw new UnfitError(why);
  const connection = await connect(settings);
  const api = { timeout: API_TIMEOUT_MS };
  return new Nats(connection, {
    js: jetstream(connection, api),
    jsm: await jetstreamManager(connection, { ...api, checkAPI: false }),
    log,
  });
}

/** See the top of the file. */
export class Nats implements Bus, AsyncDisposable {
  /** JetStream: appends to streams. */
  readonly js: JetStreamClient;
  /** JetStream: makes streams, and tells of them. */
  readonly jsm: JetStreamManager;
  /** Resolves when the connection cannot be used again, with the reason. */
  readonly failed: Promise<ClusterError>;
  readonly #connection: NatsConnection;
  readonly #log: (line: string) => void;
  readonly #onReconnect = new Set<() => void>();
  readonly #denied = new AbortController();
  readonly #deniedSubjects = new Set<string>(); // on this connection
  #fail!: (error: ClusterError) => void;
  #connectedSince: number | undefined = performance.now();
  #closing = false;

  /** Takes the connection, which it closes. */
  constructor(
    connection: NatsConnection,
    { js, jsm, log }:
      & Pick<Nats, "js" | "jsm">
      & { log: (line: string) => void },
  ) {
    this.#connection = connection;
    this.js = js;
    this.jsm = jsm;
    this.#log = log;
    this.failed = new Promise((resolve) => this.#fail = resolve);
    this.#watch();
  }

  /**
   * Aborts when NATS denies this server a subject, and has a StartError with the
   * reason: a start cannot go on then.
   */
  get denied(): AbortSignal {
    return this.#denied.signal;
  }

  /** Since when there is a connection, by `performance.now()`. */
  get connectedSince(): number | undefined {
    return this.#connectedSince;
  }

  /** The version of the server that this one is connected to. */
  get version(): string {
    return this.#connection.info?.version ?? "";
  }

  /** Calls `on` each time the connection is back, until it is disposed. */
  onReconnect(on: () => void): Disposable {
    this.#onReconnect.add(on);
    return { [Symbol.dispose]: () => void this.#onReconnect.delete(on) };
  }

  publish(subject: string, bytes: Uint8Array, reply?: string): void {
    // What is published now would arrive late, after the connection is back.
    if (this.#connectedSince === undefined || this.#closing) return;
    this.#connection.publish(subject, bytes, reply ? { reply } : {});
  }

  subscribe(subject: string, on: (message: BusMessage) => void): Disposable {
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) return this.#error(error);
        try {
          on(asBusMessage(message));
        } catch (bug) {
          // NATS's client would hear nothing at all after what is thrown here.
          this.#log(`On ${subject}: ${(bug as Error)?.stack ?? bug}`);
        }
      },
    });
    return { [Symbol.dispose]: () => subscription.unsubscribe() };
  }

  async request(
    subject: string,
    bytes: Uint8Array,
    withinMs: number,
  ): Promise<Uint8Array | undefined> {
    try {
      const options = { timeout: withinMs };
      return (await this.#connection.request(subject, bytes, options)).data;
    } catch {
      return undefined; // no answer, which is all that the caller asks
    }
  }

  /**
   * Appends to a stream, once under an `id`, and resolves with the sequence;
   * with `undefined` if it is surely not stored, since no server takes it.
   *
   * @throws {Error} If it may be stored or not.
   */
  async append(
    subject: string,
    bytes: Uint8Array,
    { id, stream }: { id: string; stream: string },
  ): Promise<number | undefined> {
    // Without a connection, NATS's client would send it later, at any time.
    if (this.#connectedSince === undefined || this.#closing) return undefined;
    try {
      const expect = { streamName: stream };
      const options = { msgID: id, timeout: API_TIMEOUT_MS, expect };
      return (await this.js.publish(subject, bytes, options)).seq;
    } catch (error) {
      // Its cause is that no server of NATS was there to take it.
      const { name, cause } = error as Error;
      const isRefused = name === "JetStreamNotEnabled" &&
        cause instanceof Error && cause.name === "RequestError";
      if (isRefused) return undefined;
      throw error;
    }
  }

  /** Resolves when NATS has got all that was sent, or the connection is lost. */
  async flush(): Promise<void> {
    await this.#connection.flush().catch(() => {});
  }

  /** Closes the connection. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await this.#connection.close();
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (this.#closing) break;
      if (status.type === "disconnect" && this.#connectedSince !== undefined) {
        this.#connectedSince = undefined;
        this.#log(`The connection to NATS at ${status.server} is lost`);
      } else if (status.type === "reconnect") this.#reconnected(status.server);
      else if (status.type === "error") {
        this.#error(status.error);
      }
    }
    const error = await this.#connection.closed();
    if (this.#closing) return;
    this.#fail(new ClusterError(`NATS closed the connection: ${error}`));
  }

  /** Tells the operator of an error, and of what is denied once. */
  #error(error: Error): void {
    if (error.name !== "PermissionViolationError") {
      return this.#log(`NATS: ${error.message}`);
    }
    const { operation, subject } = error as Error & Denied;
    const what = operation === "publish" ? "publish" : "subscribe";
    const why = `NATS does not let this server ${what} to ${subject}. ` +
      "docs/cluster.md has the permissions that its user needs";
    if (!this.#denied.signal.aborted) this.#denied.abort(new StartError(why));
    // A request has a subject of its own each time.
    const key = `${what} ${subject.split(".", 2).join(".")}`;
    if (this.#deniedSubjects.has(key)) return;
    this.#deniedSubjects.add(key);
    this.#log(why);
  }

  #reconnected(server: string): void {
    this.#deniedSubjects.clear();
    const why = insufficient(this.#connection);
    if (why && why !== NO_JETSTREAM) {
      return this.#fail(
        new ClusterError(`Cannot use NATS at ${server}: ${why}`),
      );
    }
    if (this.#connectedSince !== undefined) return;
    this.#connectedSince = performance.now();
    this.#log(`The connection to NATS is back, at ${server}`);
    if (why) {
      // It passes on what is for the others.
      this.#log(
        `NATS at ${server} runs without JetStream, perhaps since its disk is ` +
          "full: free some space, and restart it",
      );
    }
    for (const on of this.#onReconnect) on();
  }
}

/** What NATS's client tells of a subject that is denied. */
interface Denied {
  readonly operation: string;
  readonly subject: string;
}

function asBusMessage(message: Msg): BusMessage {
  return {
    subject: message.subject,
    bytes: message.data,
    reply: message.reply,
    header: (name) => message.headers?.get(name) || undefined,
  };
}

/** @throws {StartError} If an address or a file cannot be used. */
async function connectionOptions(
  { servers, credentials, ca, name }: NatsOptions,
): Promise<ConnectionOptions> {
  const logins = servers.map(loginOf);
  const users = new Set(logins.map(({ user, pass }) => `${user}:${pass}`));
  if (users.size > 1) {
    throw new StartError(
      "Cannot use --nats: its addresses have different users or passwords; " +
        "give all of them the same",
    );
  }
  const { user, pass } = logins[0]!; // an option has one at least
  const options: ConnectionOptions = {
    servers: logins.map(({ server }) => server),
    name,
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 100,
    // A server whose computer is gone is noticed after four to six seconds.
    pingInterval: 2_000,
    maxPingOut: 2,
    // A stack for each request costs as much as the request itself.
    noAsyncTraces: true,
    // A rolling change of NATS's users must not end a server for good.
    ignoreAuthErrorAbort: true,
  };
  if (user !== undefined) options.user = user;
  if (pass !== undefined) options.pass = pass;
  const isSecure = ca !== undefined || logins.some((login) => login.isSecure);
  const unnamed = logins.find(({ server }) => /^[\d.]+:|^\[/.test(server));
  if (isSecure && unnamed) {
    // It compares the certificate with "localhost", whatever the address is.
    throw new StartError(
      `Cannot use NATS at ${unnamed.server} with TLS: NATS's client checks ` +
        "certificates by host names; give its name in place of the address",
    );
  }
  // With `tls` set, NATS's client refuses a server that has no TLS.
  if (isSecure) options.tls = {};
  if (ca !== undefined) {
    options.tls = { ca: new TextDecoder().decode(readFile(ca, "--nats-ca")) };
  }
  if (credentials !== undefined) {
    options.authenticator = await credentialsIn(credentials);
  }
  return options;
}

/**
 * Reads the credentials again for each connection, as they may be renewed; while
 * the file cannot be used, those before stay.
 *
 * @throws {StartError} If it cannot be used at first.
 */
async function credentialsIn(path: string): Promise<Authenticator> {
  const { credsAuthenticator } = await import("@nats-io/transport-node");
  const read = () => {
    const text = new TextDecoder().decode(readFile(path, "--nats-creds"));
    const bytes = new TextEncoder().encode(text.replaceAll("\r", ""));
    const authenticator = credsAuthenticator(bytes);
    authenticator("a challenge"); // which it can sign, or throws
    return authenticator;
  };
  let known: Authenticator;
  try {
    known = read();
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      `Cannot use the file ${path} of --nats-creds: it has no credentials of ` +
        "NATS; make it with nsc generate creds",
    );
  }
  return (nonce) => {
    try {
      known = read();
    } catch {
      // What could be used before still may be.
    }
    return known(nonce);
  };
}

/**
 * Takes an address apart: NATS's client does not know the user in it.
 *
 * @throws {StartError} If it is none.
 */
export function loginOf(address: string): Login {
  const text = address.includes("://") ? address : `nats://${address}`;
  const malformed = () => {
    const shown = address.replace(/\/\/.*@/, "//"); // without a password
    return new StartError(
      `Cannot use the address "${shown}" of NATS: write nats://HOST:PORT, and ` +
        "percent-encode the characters /?#@:,% of a password",
    );
  };
  if (!/^(nats|tls):\/\//i.test(text)) throw malformed();
  // `URL` reads the host of these schemes only behind `http:`.
  const url = URL.parse(text.replace(/^[a-z]+/i, "http"));
  if (!url?.hostname || !/^\/?$/.test(url.pathname) || url.search || url.hash) {
    throw malformed();
  }
  const hasPort = /:\d+\/?$/.test(text);
  const port = url.port || (hasPort ? "80" : "4222");
  const isSecure = /^tls:/i.test(text);
  const login: Login = { server: `${url.hostname}:${port}`, isSecure };
  if (!url.username) return login;
  try {
    const user = decodeURIComponent(url.username);
    const pass = decodeURIComponent(url.password);
    return { ...login, user, pass };
  } catch { // a % that begins no code
    throw malformed();
  }
}

/** @throws {StartError} If the file cannot be read. */
function readFile(path: string, option: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : (error as Error).message;
    throw new StartError(`Cannot read the file ${path} of ${option}: ${why}`);
  }
}

/** Why no other attempt to connect will work; undefined if one may. */
function refusal(error: Error): string | undefined {
  if (error instanceof UnfitError) return error.message;
  const { name, message } = error;
  if (/authentication timeout/i.test(message)) return undefined; // it is busy
  if (/^(User)?Auth(orization|enticationExpired)Error$/.test(name)) {
    return `it refuses the user or the password (${message}); ` +
      "check the address, or --nats-creds";
  }
  if (/certificate|UnknownIssuer|self.signed/i.test(message)) {
    return `its certificate is not trusted (${message}); give the ` +
      "certificate that signed it with --nats-ca, and NATS's host name";
  }
  if (name === "InvalidArgumentError") return message;
  return undefined;
}

const NO_JETSTREAM =
  "it runs without JetStream; add jetstream { } to its configuration";

/** What a NATS server lacks; undefined if it has all. */
function insufficient({ info }: NatsConnection): string | undefined {
  if (!info) return undefined; // it was lost again: the next connection has it
  if (isOlder(info.version, OLDEST_VERSION)) {
    return `it is version ${info.version}. Versions before ${OLDEST_VERSION} ` +
      "can lose messages that they acknowledged; update NATS";
  }
  if (!info.jetstream) {
    return NO_JETSTREAM;
  }
  if (info.max_payload < MAX_PAYLOAD_BYTES) {
    return `its max_payload is ${info.max_payload} bytes; ` +
      `set it to ${MAX_PAYLOAD_BYTES} or more`;
  }
  return undefined;
}

/** Whether a version such as `2.15.1-beta.2` comes before another. */
export function isOlder(version: string, than: string): boolean {
  const numbers = (text: string) => text.split(/[.+-]/).slice(0, 3).map(Number);
  const [left, right] = [numbers(version), numbers(than)];
  for (const [index, number] of right.entries()) {
    const other = left[index] ?? 0;
    if (other !== number) return !(other > number);
  }
  return version.includes("-");
}
