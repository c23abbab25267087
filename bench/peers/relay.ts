/**
 * The bare relay in Deno: the upper limit for a chat server in Deno.
 *
 * Speaks like `relay.c`: eight bytes that name a room, `JOINED`, and then every
 * byte goes to all other members of that room. What piled up for a receiver during
 * a write leaves joined in the next one. No parsing, no names, no limits.
 *
 * @module
 */

const ROOM_BYTES = 8;
const READ_BYTES = 65_536;
const BACKLOG = 4_096;
const JOINED = new TextEncoder().encode("JOINED\n");

/** One receiver: its queue, and the only writer of it. */
class Outbox {
  readonly #conn: Deno.TcpConn;
  #waiting: Uint8Array[] = [];
  #writing = false;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    if (!this.#writing) this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#waiting.length > 0) {
        const bytes = joined(this.#waiting);
        this.#waiting = [];
        for (let sent = 0; sent < bytes.length;) {
          sent += await this.#conn.write(bytes.subarray(sent));
        }
      }
    } catch {
      this.#waiting = []; // lost: its read ends too, and removes it from the room
    }
    this.#writing = false;
  }
}

const rooms = new Map<string, Set<Outbox>>();

async function serve(conn: Deno.TcpConn): Promise<void> {
  using _conn = conn;
  conn.setNoDelay();
  const outbox = new Outbox(conn);
  const room = await join(conn, outbox);
  if (!room) return;
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (;;) {
      const count = await conn.read(buffer);
      if (count === null) break;
      const bytes = buffer.slice(0, count);
      for (const other of room) if (other !== outbox) other.push(bytes);
    }
  } catch {
    // The connection is lost.
  } finally {
    room.delete(outbox);
  }
}

/** Reads the name of the room and nothing more. */
async function join(
  conn: Deno.TcpConn,
  outbox: Outbox,
): Promise<Set<Outbox> | undefined> {
  const name = new Uint8Array(ROOM_BYTES);
  for (let got = 0; got < ROOM_BYTES;) {
    const count = await conn.read(name.subarray(got)).catch(() => null);
    if (count === null) return undefined;
    got += count;
  }
  const key = new TextDecoder().decode(name);
  const room = rooms.get(key) ?? new Set();
  rooms.set(key, room.add(outbox));
  outbox.push(JOINED);
  return room;
}

function joined(parts: Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (first && parts.length === 1) return first;
  const bytes = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function main([port]: string[]): Promise<void> {
  const listener = Deno.listen({
    hostname: "127.0.0.1",
    port: Number(port),
    tcpBacklog: BACKLOG,
  });
  for await (const conn of listener) serve(conn);
}

if (import.meta.main) await main(Deno.args);
