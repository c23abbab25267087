/**
 * A small chat server, to read in one go. All clients of parley/1 can use it.
 *
 *     deno run --allow-net examples/server.ts --port 9898
 *
 * **One task per connection**: an async function with two loops side by side, one
 * reads, one writes. All share one thread, and alternate only where one awaits.
 * No function awaits while it changes users or rooms, so these need no lock.
 *
 * **Backpressure.** Frames wait in a queue for a client that reads slowly. Requests
 * wait while answers are unread; unread messages of others end the client.
 *
 * **Left out**: accounts, TLS, the web client, history, resuming, most limits,
 * suggested names, calls, two-socket clients, the console, PING to idle clients.
 */
import { EventEmitter, once } from "node:events";
import * as parley from "../protocol.ts";
import { ChatError, encode } from "../protocol.ts";

const MAX_QUEUED = 1_000_000; // bytes; above it, messages of others end a client
const MAX_ANSWERS = 65_536; // bytes; above it, its requests are not read
type Target = { readonly name: string; readonly users: Set<Client> }; // of SEND
const everyone: Target = { name: "ALL", users: new Set() };
const lobby: Target = { name: parley.DEFAULT_ROOM, users: new Set() };
const targets = new Map([[lobby.name, lobby]]); // rooms and users, by their keys
let lastId = 0;

/** Names that differ only in case, or look alike (a1ice), are the same name. */
const keys = (name: string) => [name.toLowerCase(), parley.lookAlike(name)];
const find = (name: string) =>
  keys(name).map((key) => targets.get(key)).find(Boolean);
const time = () => new Date().toISOString();
const isAll = (word: string) => word.toUpperCase() === "ALL";
const refusal = (code: parley.ErrorCode, what: string, headers = {}) =>
  new ChatError(code, `Cannot ${what}`, { headers });

/** The room of that name, or a new one, which is listed once it has a member. */
function roomOf(name: string): Target {
  if (!/^#[\w-]{1,32}$/.test(name)) throw refusal(109, "use this room name");
  return find(name) ?? { name, users: new Set() };
}

/** A connection and its user. Emits "change" for its queue and its end. */
class Client extends EventEmitter {
  name = ""; // until it registers
  ended = ""; // why it has ended; then nothing more is queued
  queue: Uint8Array[] = [];
  queuedBytes = 0; // with the bytes that are being written
  readonly decoder = new parley.FrameDecoder({ maxBodyBytes: 4_096 });
  readonly conn: Deno.TcpConn;
  readonly remote: string;

  constructor(conn: Deno.TcpConn) {
    super();
    this.conn = conn;
    this.remote = `${conn.remoteAddr.hostname}:${conn.remoteAddr.port}`;
  }

  /** Queues a frame, and never waits. Above `limit` bytes it ends the client. */
  send(frame: Uint8Array | undefined, limit = Infinity): void {
    if (this.ended || !frame) return;
    if (this.queuedBytes > limit) {
      this.queue = []; // behind all that, the error would never be read
      const error = refusal(115, "send: you do not read", { Limit: limit });
      return this.end("too slow", parley.encodeError(error));
    }
    this.queue.push(frame); // no copy: all receivers share these bytes
    this.queuedBytes += frame.length;
    this.emit("change");
  }

  end(reason: string, lastFrame?: Uint8Array): undefined {
    this.send(lastFrame);
    this.ended ||= reason;
    this.emit("change");
  }
}

/** Serves the connections of `listener` until it is closed. */
export async function serve(listener: Deno.TcpListener, log = console.log) {
  const tasks = new Map<Client, Promise<void>>(); // one per connection
  for (;;) {
    try {
      const client = new Client(await listener.accept());
      const task = serveOne(client, log).catch(console.error); // our bug
      tasks.set(client, task.finally(() => tasks.delete(client)));
    } catch (error) {
      if (/BadResource|Interrupted/.test(`${error}`)) break; // it is closed
      await new Promise((go) => setTimeout(go, 100)); // too many open files, say
    }
  }
  const closing = encode("NOTICE", ["closing"], { "Retry-after": 5 });
  for (const user of everyone.users) user.send(closing);
  for (const client of tasks.keys()) client.end("server closing");
  await Promise.all(tasks.values());
  lastId = 0;
}

/** The task of one connection, from its first byte to its last. */
async function serveOne(client: Client, log = console.log): Promise<void> {
  using conn = client.conn; // it is closed when this function ends
  log(`<${client.remote}> connected`);
  const reads = readAll(client).finally(() => client.end("connection closed"));
  const writes = writeAll(client).catch(() => client.end("connection lost"));
  while (!client.ended) await once(client, "change");
  for (const target of targets.values()) {
    const isIn = target.users.has(client);
    if (isIn) move(client, target, "offline", { Reason: client.ended });
  }
  everyone.users.delete(client); // at once: others can take the name
  log(`<${client.remote}> ${client.name} disconnected: ${client.ended}`);
  const timer = setTimeout(() => conn[Symbol.dispose](), 1_000); // or now:
  await Promise.all([reads, writes]).finally(() => clearTimeout(timer));
}

/**
 * TCP carries bytes, not messages: it cuts and joins what is written, so `frames`
 * collects it. This reads to the end: unread bytes can destroy our last frames.
 */
async function readAll(client: Client): Promise<void> {
  const { conn, decoder } = client; // a lost connection ends like a closed one:
  const source = { read: (to: Uint8Array) => conn.read(to).catch(() => null) };
  for await (const batch of parley.frames(source, decoder)) {
    for (const frame of batch) {
      if (!client.ended) answer(client, frame);
      while (client.queuedBytes > MAX_ANSWERS && !client.ended) {
        await once(client, "change");
      }
    }
  }
}

/** Writes what is queued. The only writer: two would mix their frames. */
async function writeAll(client: Client): Promise<void> {
  const { conn } = client;
  while (client.queue.length > 0 || !client.ended) {
    const all = parley.concat(client.queue.splice(0)); // a write may take a part:
    for (let at = 0; at < all.length;) at += await conn.write(all.subarray(at));
    client.queuedBytes -= all.length;
    client.emit("change");
    const isIdle = client.queue.length === 0 && !client.ended;
    if (isIdle) await once(client, "change");
  }
  await conn.closeWrite(); // the client reads this end, and closes
}

/** Does what a frame requests, and sends the answer or the error. */
function answer(client: Client, frame: parley.Frame | ChatError): void {
  try {
    if (frame instanceof ChatError) throw frame; // it could not be read
    const { verb, args: [word = ""], body } = frame;
    const request = REQUESTS[`${verb} ${frame.args.length}`];
    if (!request) throw refusal(105, "do that: unknown request");
    if (!client.name && verb !== "REGISTER") throw refusal(101, "do that");
    client.send(request(client, word, body));
  } catch (error) {
    if (!(error instanceof ChatError)) throw error; // our bug
    const line = "verb" in frame ? parley.startLine(frame) : undefined;
    client.send(parley.encodeError(error, line));
    if (error.closes) client.end(parley.ERRORS[error.code].toLowerCase());
  }
}

type Answer = Uint8Array | undefined;
type Handler = (client: Client, word: string, body: Uint8Array) => Answer;
/** The requests, by their verb and the number of words behind it. */
const REQUESTS: Record<string, Handler> = {
  "REGISTER 1"(client, name) {
    if (client.name) throw refusal(105, "register twice");
    if (!parley.isUserName(name)) throw refusal(100, "use this name");
    if (find(name)) throw refusal(104, "use this name: it is in use");
    client.name = name;
    client.decoder.maxBodyBytes = parley.MAX_BODY_BYTES;
    everyone.users.add(client);
    move(client, { name, users: new Set() }, "joined");
    return encode("REGISTERED", [name], {
      ...{ Server: "parley-example 1.0.0", Protocol: parley.PROTOCOL },
      "Max-body": parley.MAX_BODY_BYTES,
      ...{ Token: crypto.randomUUID().replaceAll("-", ""), "Last-id": lastId },
    });
  },
  "JOIN 1"(client, word) {
    const room = roomOf(word);
    const { name, users } = room;
    const from = { From: client.remote };
    if (!users.has(client)) move(client, room, "joined", from);
    const about = { Members: users.size, "Last-id": lastId, Time: time() };
    return encode("JOINED", [name], about);
  },
  "LEAVE 1"(client, word) {
    const room = roomOf(word);
    if (!room.users.has(client)) throw refusal(109, "leave: you are not in it");
    move(client, room, "left");
    return encode("LEFT", [room.name], { Time: time() });
  },
  "ROOMS 0"() {
    const all = [...new Set(targets.values())].filter((t) => t.name[0] === "#");
    const lines = all.map((room) => `${room.name} ${room.users.size}\n`);
    return encode("ROOMS", [], {}, lines.join(""));
  },
  "WHO 1"(_client, word) {
    const { name, users } = isAll(word) ? everyone : roomOf(word);
    const lines = [...users].map((u) => `${u.name} ${u.remote} guest\n`);
    return encode("WHO", [name], {}, lines.join(""));
  },
  "SEND 1"(client, word, body) {
    const target = isAll(word) ? everyone : find(word);
    const isOut = word.startsWith("#") && !target?.users.has(client);
    if (isOut) throw refusal(109, "send to this room: you are not in it");
    if (!target) throw new ChatError(102, `no user "${word}" is connected`);
    if (!parley.isText(body)) throw refusal(107, "send what is not UTF-8");
    const { name: to, users } = target;
    const stamp = { Id: ++lastId, Time: time() };
    const frame = encode("FORWARD", [client.name], { To: to, ...stamp }, body);
    const others = [...users].filter((u) => u !== client || u.name === to);
    for (const user of others) user.send(frame, MAX_QUEUED);
    return encode("SENT", [to], { ...stamp, Recipients: others.length });
  },
  "HISTORY 1": (_, w) => encode("HISTORY", [roomOf(w).name], { Count: 0 }),
  "PING 0": () => encode("PONG"),
  "PONG 0": () => undefined, // it is an answer itself
  "LOGOUT 0": (client) => client.end("logged out", encode("BYE")),
};

/** Adds a user to a target or removes it, and tells the others there. */
function move(client: Client, target: Target, how: string, more = {}) {
  const { name, users } = target;
  users[how === "joined" ? "add" : "delete"](client);
  for (const key of keys(name)) {
    if (users.size > 0 || target === lobby) targets.set(key, target);
    else targets.delete(key);
  }
  const about = { Room: name, User: client.name, ...more, Members: users.size };
  const notice = encode("NOTICE", [how], { ...about, Time: time() });
  for (const user of users) if (user !== client) user.send(notice, MAX_QUEUED);
}

if (import.meta.main) {
  const line = Deno.args.join(" ") || `--port ${parley.DEFAULT_PORT}`;
  const [, port] = /^--port[ =](\d+)$/.exec(line) ?? [];
  try {
    const listener = Deno.listen({ port: Number(port) }); // NaN is an error, too
    console.log(`Listening on port ${listener.addr.port}. Ctrl-C stops.`);
    Deno.addSignalListener("SIGINT", () => listener.close());
    await serve(listener);
  } catch (error) { // the port is in use, for example
    console.error(port ? `${error}` : "Usage: server.ts [--port 9898]");
    Deno.exit(line === "--help" ? 0 : 2);
  }
}
