/**
 * A client of our own protocol for measurements. It is at an address of its own,
 * hands on what is forwarded to it, and knows how long each answer took.
 *
 * @module
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

import {
  ChatError,
  encode,
  type Frame,
  FrameDecoder,
  header,
  type RequestVerb,
} from "../../protocol.ts";
import { type Keys, Login } from "../../core/scram.ts";
import { feed } from "./foes/link.ts";

/** Why a request was not done, in a few words: `ERROR 108`, `disconnected`. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** Seconds, of an ERROR that has them. */
  readonly retryAfter: number | undefined;

  constructor(why: string, retryAfter?: number) {
    super(why);
    this.retryAfter = retryAfter;
  }
}

/** How to connect. */
export interface ClientOptions {
  /** The address to connect from; default 127.0.0.1. */
  readonly from?: string | undefined;
  onForward?(frame: Frame): void;
}

interface Waiting {
  resolve(frame: Frame): void;
  reject(why: Refusal): void;
}

/** A connection to the server. Dispose to close it. */
export class Client implements Disposable {
  readonly #socket: Socket;
  readonly #onForward: (frame: Frame) => void;
  readonly #waiting: Waiting[] = [];
  #gone: Refusal | undefined;

  private constructor(socket: Socket, onForward: (frame: Frame) => void) {
    this.#socket = socket;
    this.#onForward = onForward;
    const decoder = new FrameDecoder({ maxBodyBytes: MAX_ANSWER_BYTES });
    socket.on("data", (bytes: Uint8Array) => {
      feed(decoder, bytes, (frame) => this.#receive(frame));
    });
    socket.on("close", () => this.#end(new Refusal("disconnected")));
  }

  /** @throws {Refusal} if nothing listens */
  static async connect(
    port: number,
    { from, onForward = () => {} }: ClientOptions = {},
  ): Promise<Client> {
    const where = { host: "127.0.0.1", port, noDelay: true };
    const socket = connect(from ? { ...where, localAddress: from } : where);
    socket.on("error", () => {}); // "close" follows
    const client = new Client(socket, onForward);
    await Promise.race([once(socket, "connect"), once(socket, "close")]);
    if (client.#gone) throw client.#gone;
    return client;
  }

  /** @throws {Refusal} an ERROR, or the end of the connection */
  ask(
    verb: RequestVerb,
    args: string[] = [],
    body?: Uint8Array | string,
  ): Promise<Frame> {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    if (this.#gone) reject(this.#gone);
    else {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(encode(verb, args, {}, body));
    }
    return promise;
  }

  /**
   * Signs in to an account.
   *
   * @throws {Refusal} if the server does not let it
   */
  async logIn(name: string, keys: Keys): Promise<void> {
    const login = new Login(name);
    const { body } = await this.ask("LOGIN", [name], login.first);
    const proof = await login.prove(decoder.decode(body), keys);
    const proved = await this.ask("PROVE", [name], proof);
    login.check(decoder.decode(proved.body));
  }

  [Symbol.dispose](): void {
    this.#end(new Refusal("closed"));
    this.#socket.destroy();
  }

  #receive(frame: Frame | ChatError): void {
    if (frame instanceof ChatError) throw frame; // a bug of the server
    switch (frame.verb) {
      case "FORWARD":
        return this.#onForward(frame);
      case "PING":
        return void this.#socket.write(encode("PONG", []));
      case "NOTICE":
      case "CALL":
      case "DECLINE":
        return;
      case "ERROR":
        return this.#refused(frame);
      default:
        this.#waiting.shift()?.resolve({ ...frame, body: frame.body.slice() });
    }
  }

  /** An ERROR that nothing asked for says why the connection ends. */
  #refused(frame: Frame): void {
    const after = header(frame, "retry-after");
    const seconds = after === undefined ? undefined : Number(after);
    const why = new Refusal(`ERROR ${frame.args[0]}`, seconds);
    const waiting = this.#waiting.shift();
    if (waiting) waiting.reject(why);
    else this.#gone = why;
  }

  #end(why: Refusal): void {
    this.#gone ??= why;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#gone);
  }
}

/** The longest answer, that to ROOMS, has 0.8 MB. */
const MAX_ANSWER_BYTES = 16 * 2 ** 20;

const decoder = new TextDecoder();
