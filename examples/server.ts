/**
 * A small chat server: rooms, private messages, messages to all. It speaks
 * parley/1 (docs/protocol.md), so all clients of this project can use it.
 *
 *     deno run --allow-net examples/server.ts --port 9898
 *
 * Three files: connection.ts makes frames of bytes and back, chat.ts decides who
 * receives what, and this one accepts connections and calls the other two.
 *
 * **One task per connection**: an async function with two loops side by side, one
 * reads, one writes. It waits nearly all the time, so a thousand of them share
 * one thread. They change shared state only between two awaits: no locks.
 *
 * **A slow or dead client harms no other.** A client that does not read its answers
 * is not read either. One that does not read what others send is disconnected
 * when its queue is full: the others must not wait for it. One that is silent is
 * asked for a sign of life, since TCP alone does not notice a cable pulled out.
 *
 * **Left out**, compared with server.ts: accounts, TLS, WebSockets, stored messages
 * (HISTORY is empty), resuming (`Token` and `Key` do nothing), rates, senders that
 * wait for slow readers, gathered notices for crowded rooms, calls, two-socket
 * clients, the operator's console.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  ChatError,
  DEFAULT_PORT,
  encode,
  type Frame,
  MAX_BODY_BYTES,
  PROTOCOL,
  startLine,
} from "../protocol.ts";
import { Chat, type Member, refusal } from "./chat.ts";
import { Connection } from "./connection.ts";

const DEFAULTS = {
  log: (_line: string): void => {},
  maxConnections: 1_000,
  maxBodyBytes: MAX_BODY_BYTES,
  /** A client is ended that has more to read, from others, than this. */
  maxOutboxBytes: 1024 * 1024,
  registerWithinMs: 10_000,
  /** A client that is silent for so long gets a PING. */
  pingAfterMs: 30_000,
  /** And is ended if it stays silent. */
  idleAfterMs: 90_000,
};

/** Serves the connections of `listener`, which it closes when it is disposed. */
export class SmallServer implements AsyncDisposable {
  readonly #options: typeof DEFAULTS;
  readonly #listener: Deno.TcpListener;
  readonly #chat: Chat;
  readonly #tasks = new Map<Client, Promise<void>>(); // one per connection
  readonly #timer = setInterval(() => this.#checkSilence(), 1_000);
  readonly #accepting: Promise<void>;

  constructor(listener: Deno.TcpListener, options?: Partial<typeof DEFAULTS>) {
    this.#options = { ...DEFAULTS, ...options };
    this.#listener = listener;
    this.#chat = new Chat(this.#options.log);
    this.#accepting = this.#acceptAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#chat.isClosing = true;
    clearInterval(this.#timer);
    this.#listener.close();
    const closing = encode("NOTICE", ["closing"], { "Retry-after": 5 });
    for (const { name, connection } of this.#tasks.keys()) {
      if (name) connection.send(closing);
      connection.end("server closing");
    }
    await this.#accepting;
    await Promise.all(this.#tasks.values());
  }

  async #acceptAll(): Promise<void> {
    while (!this.#chat.isClosing) {
      try {
        const conn = await this.#listener.accept();
        const client = new Client(conn, this.#options.maxOutboxBytes);
        const task = this.#serve(client)
          .catch(console.error) // a bug of ours ends this connection only
          .finally(() => this.#tasks.delete(client));
        this.#tasks.set(client, task);
        if (this.#chat.isClosing) client.connection.end("server closing");
      } catch {
        if (!this.#chat.isClosing) await sleep(100); // too many open files, say
      }
    }
  }

  /** The task of one connection, from its first byte to its last. */
  async #serve(client: Client): Promise<void> {
    const { connection, remote } = client;
    const { log, maxConnections } = this.#options;
    log(`<${remote}> connected`);
    if (this.#tasks.size >= maxConnections) {
      connection.fail(refusal(114, "connect: connection limit reached"));
    }
    const loops = Promise.all([this.#readAll(client), connection.writeAll()]);
    try {
      await Promise.race([connection.ended.promise, loops]);
      this.#chat.exit(client, connection.over); // at once: its name is free
      const name = client.name && ` ${client.name}`;
      log(`<${remote}>${name} disconnected: ${connection.over}`);
      await loops; // the last frames are written, the rest is thrown away
    } finally {
      connection.close();
    }
  }

  async #readAll(client: Client): Promise<void> {
    const { connection } = client;
    for await (const frame of connection) {
      if (connection.over) continue;
      const request = frame instanceof ChatError ? undefined : frame;
      try {
        if (!request) throw frame; // it could not be read
        const answer = this.#answer(client, request);
        if (answer) connection.send(answer);
      } catch (error) {
        if (!(error instanceof ChatError)) throw error; // a bug
        connection.fail(error, request && startLine(request));
      }
      await connection.drained();
    }
  }

  /** Does what a frame asks for. @throws {ChatError} The answer, if it cannot. */
  #answer(client: Client, frame: Frame): Uint8Array | undefined {
    const { verb, args: [word = ""], headers, body } = frame;
    const request = `${verb} ${frame.args.length}`; // the verb, and how many words
    if (!REQUESTS.has(request)) throw refusal(105, "do that: unknown command");
    const single = headers.map(([name]) => name).filter((n) => SINGLE.has(n));
    if (new Set(single).size < single.length) {
      throw refusal(105, "do that: a header is there twice");
    }
    if (request === "REGISTER 1") return this.#register(client, word);
    if (!client.name) throw refusal(101, "do that: REGISTER first");
    switch (request) {
      case "JOIN 1":
        return this.#chat.join(client, word);
      case "LEAVE 1":
        return this.#chat.leave(client, word);
      case "ROOMS 0":
        return this.#chat.list();
      case "WHO 1":
        return this.#chat.who(word);
      case "SEND 1":
        return this.#chat.send(client, word, body);
      case "HISTORY 1":
        return this.#chat.history(word);
      case "PING 0":
        return encode("PONG");
      case "LOGOUT 0":
        client.connection.send(encode("BYE"));
        client.connection.end("logged out");
    }
    return undefined; // a PONG is itself an answer
  }

  #register(client: Client, name: string): Uint8Array {
    if (client.name) throw refusal(105, `register: you are ${client.name}`);
    this.#chat.register(client, name);
    const { maxBodyBytes } = this.#options;
    client.connection.decoder.maxBodyBytes = maxBodyBytes;
    return encode("REGISTERED", [name], {
      Server: "parley-example 1.0.0",
      Protocol: PROTOCOL,
      "Max-body": maxBodyBytes,
      Token: crypto.randomUUID().replaceAll("-", ""),
      "Last-id": this.#chat.lastId,
    });
  }

  /** Once a second: asks the silent for a sign of life, and ends the dead. */
  #checkSilence(): void {
    const { registerWithinMs, pingAfterMs, idleAfterMs } = this.#options;
    const now = performance.now();
    for (const client of this.#tasks.keys()) {
      const { name, connection } = client;
      const silentMs = now - connection.heardAt;
      const isLate = !name && now - connection.openedAt > registerWithinMs;
      if (isLate || silentMs > idleAfterMs) {
        connection.fail(refusal(116, "wait any longer: you sent nothing"));
      } else if (
        name && silentMs > pingAfterMs && client.pingedAt < connection.heardAt
      ) {
        client.pingedAt = now;
        connection.send(encode("PING"));
      }
    }
  }
}

/** What can be asked: verbs, and how many words follow. */
const REQUESTS = new Set([
  ...["REGISTER 1", "JOIN 1", "LEAVE 1", "ROOMS 0", "WHO 1", "SEND 1"],
  ...["HISTORY 1", "PING 0", "PONG 0", "LOGOUT 0"],
]);

/** Headers of which two would contradict each other. */
const SINGLE = new Set(["key", "token", "limit", "after", "before"]);

/** A connection that is a member of the chat once it has a name. */
class Client implements Member {
  name = "";
  pingedAt = 0;
  readonly connection: Connection;
  readonly rooms: Member["rooms"] = new Set();
  readonly #maxOutboxBytes: number;

  constructor(conn: Deno.TcpConn, maxOutboxBytes: number) {
    this.connection = new Connection(conn);
    this.#maxOutboxBytes = maxOutboxBytes;
  }

  get remote(): string {
    return this.connection.remote;
  }

  deliver(frame: Uint8Array): void {
    this.connection.send(frame, this.#maxOutboxBytes);
  }
}

async function main(): Promise<void> {
  const port = { type: "string", default: `${DEFAULT_PORT}` } as const;
  const { values } = parseArgs({ options: { port } });
  const listener = Deno.listen({ port: Number(values.port) });
  await using _server = new SmallServer(listener, { log: console.log });
  console.log(`Listening on port ${listener.addr.port}. Ctrl-C stops.`);
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", resolve);
  await stopped;
}

if (import.meta.main) await main();
