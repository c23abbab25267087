/** TLS over a TCP connection: what it holds, and what is left of it. */
import { once } from "node:events";
import { connect as connectOver } from "node:tls";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SYSTEM } from "../../../platform/system.ts";
import type { AcceptedConn } from "../../../server/net/acceptor.ts";
import { nextTurn } from "../../../server/net/clock.ts";
import { withTls } from "../../../server/net/tls.ts";
import { connectFrom } from "../../tools/net/connect_from.ts";
import { listenHere } from "../../tools/net/test_server.ts";
import { newCertificate } from "../../tools/net/tls_tools.ts";
import { within } from "../../tools/net/within.ts";

const certificate = await newCertificate();

/** A listener for TLS that counts the bytes that it reads. */
function listenCounting() {
  const tcp = listenHere();
  const counted = { bytes: 0 };
  const listener = withTls(
    {
      addr: tcp.addr,
      accept: async () => counting(await tcp.accept(), counted),
      close: () => tcp.close(),
    },
    certificate,
  );
  return { listener, counted };
}

function counting(conn: Deno.TcpConn, counted: { bytes: number }) {
  return {
    remoteAddr: conn.remoteAddr,
    read: async (buffer) => {
      const count = await conn.read(buffer);
      counted.bytes += count ?? 0;
      return count;
    },
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  } as Deno.TcpConn; // the cast: no more of it is used
}

/** A connection over TLS, of which the server has read what the client sent first. */
async function connected(listener: ReturnType<typeof withTls>) {
  const accepted = listener.accept();
  const client = await Deno.connectTls({
    hostname: "127.0.0.1",
    port: listener.port,
    caCerts: [certificate.cert],
  });
  const wire = await accepted;
  await Promise.all([
    client.write(new Uint8Array(1)),
    wire.read(new Uint8Array(1)),
  ]);
  return { client, wire };
}

Deno.test("over TLS a client sends no more than its reader takes", async () => {
  const { listener, counted } = listenCounting();
  const { client, wire } = await connected(listener);
  const size = 8 * 1024 * 1024;
  const before = counted.bytes;

  const sending = (async () => {
    const all = new Uint8Array(size).fill(7);
    for (let at = 0; at < size;) at += await client.write(all.subarray(at));
  })();
  for (let turn = 0; turn < 500; turn++) await nextTurn();
  const ahead = counted.bytes - before;
  let taken = 0;
  for (const buffer = new Uint8Array(100_000); taken < size;) {
    const count = await wire.read(buffer);
    assert(buffer.subarray(0, count!).every((byte) => byte === 7));
    taken += count!;
  }
  await sending;

  assert(ahead <= 17 * 1024, `${ahead} bytes were read that nobody asked for`);
  assertEquals(taken, size);
  for (const one of [client, wire, listener]) one.close();
});

Deno.test("over TLS many messages in one write arrive in reads of any size", async () => {
  const { listener } = listenCounting();
  const { client, wire } = await connected(listener);
  const sent = Uint8Array.from({ length: 50_000 }, (_, at) => at % 251);
  const heard: number[] = [];

  const writing = client.write(sent); // it fits into the system's buffers
  for (let size = 1; heard.length < sent.length; size = size * 3 % 4_099) {
    const buffer = new Uint8Array(size);
    heard.push(...buffer.subarray(0, (await wire.read(buffer))!));
  }
  await writing;

  assertEquals(Uint8Array.from(heard), sent);
  for (const one of [client, wire, listener]) one.close();
});

Deno.test("a connection that is closed before its turn gets no handshake", async () => {
  const { listener, counted } = listenCounting();
  const turn = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  let metered = 0;
  listener.limit({
    turn() {
      asked.resolve();
      return turn.promise;
    },
    meter() {
      metered++;
      return () => undefined;
    },
  });
  const accepted = listener.accept();
  using client = await connectTcp(listener.port);
  await client.write(HALF_HANDSHAKE);
  const wire = await accepted;
  const reading = wire.read(new Uint8Array(1));

  await asked.promise;
  wire.close();
  turn.resolve();

  await assertRejects(() => reading);
  assertEquals([counted.bytes, metered], [HALF_HANDSHAKE.length, 0]);
  listener.close();
});

Deno.test("a record that is not sealed is the end of its connection", async () => {
  const { listener } = listenCounting();
  const accepted = listener.accept();
  const socket = await connectFrom("127.0.0.2", listener.port);
  const client = connectOver({ socket, ca: certificate.cert });
  client.on("error", () => {});
  const wire = await accepted;
  const reading = wire.read(new Uint8Array(1));
  await within(once(client, "secureConnect"), () => "a handshake");

  socket.write(Uint8Array.from([0x17, 3, 3, 0, 32, ...Array(32).fill(7)]));

  await assertRejects(
    () => within(reading, () => "the end"),
    Deno.errors.InvalidData,
  );
  client.destroy();
  wire.close();
  listener.close();
});

/** The beginning of a handshake. */
const HALF_HANDSHAKE = new Uint8Array([0x16, 3, 1, 0, 200, 1]);

/** The beginning of a record with text. */
const HALF_RECORD = new Uint8Array([0x17, 3, 3, 0x40, 0, 1, 2, 3]);

function connectTcp(port: number): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

/** What a peer does that stalls, and lets go of its own socket. */
type Stall = (
  listener: ReturnType<typeof withTls>,
) => Promise<{ wire: AcceptedConn; waiting: Promise<unknown>; end(): void }>;

const STALLS: Readonly<Record<string, Stall>> = {
  "that sends nothing": async (listener) => {
    const accepted = listener.accept();
    const client = await connectTcp(listener.port);
    const wire = await accepted;
    const waiting = wire.read(new Uint8Array(1));
    return { wire, waiting, end: () => client.close() };
  },
  "in the middle of a handshake": async (listener) => {
    const accepted = listener.accept();
    const client = await connectTcp(listener.port);
    await client.write(HALF_HANDSHAKE);
    const wire = await accepted;
    const waiting = wire.read(new Uint8Array(1));
    return { wire, waiting, end: () => client.close() };
  },
  "in the middle of a record": async (listener) => {
    const accepted = listener.accept();
    const socket = await connectFrom("127.0.0.2", listener.port);
    const client = connectOver({ socket, ca: certificate.cert });
    client.on("error", () => {});
    const wire = await accepted;
    const waiting = wire.read(new Uint8Array(1));
    await within(once(client, "secureConnect"), () => "a handshake");
    await new Promise((resolve) => socket.write(HALF_RECORD, resolve));
    return { wire, waiting, end: () => client.destroy() };
  },
  "that never reads": async (listener) => {
    const { client, wire } = await connected(listener);
    const waiting = wire.write(new Uint8Array(32 * 1024 * 1024));
    return { wire, waiting, end: () => client.close() };
  },
};

for (const [name, stall] of Object.entries(STALLS)) {
  Deno.test(`nothing is left of a peer over TLS ${name}`, async () => {
    const { listener } = listenCounting();
    const before = openSockets();
    const open = () => openSockets().difference(before).size;
    const until = async (count: number) => {
      while (open() !== count) await nextTurn();
    };

    const { wire, waiting, end } = await stall(listener);
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    wire.close();
    await within(Promise.allSettled([waiting]), () => "the wire's end");

    const own = SYSTEM === "linux" ? 1 : 0;
    await within(until(own), () => `${open()} sockets beside the peer's own`);
    end();
    await within(until(0), () => `${open()} sockets`);
    listener.close();
  });
}

/** The sockets of this process; on Linux alone they can be listed. */
function openSockets(): Set<string> {
  if (SYSTEM !== "linux") return new Set();
  const links = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ""; // it was the folder itself
    }
  });
  return new Set(links.filter((link) => link.startsWith("socket:")));
}
