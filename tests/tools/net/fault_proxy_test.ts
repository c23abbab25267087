/** The proxy that breaks connections, between two plain sockets. */
import { assertEquals, assertRejects } from "@std/assert";
import { FaultProxy, type FaultProxyOptions } from "./fault_proxy.ts";
import { bytes } from "./raw_client.ts";
import { within } from "./within.ts";

const decoder = new TextDecoder();

/** A client and a server with a proxy between them. */
class Pair implements AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;

  private constructor(
    proxy: FaultProxy,
    client: Deno.TcpConn,
    server: Deno.TcpConn,
  ) {
    this.proxy = proxy;
    this.client = client;
    this.server = server;
  }

  static async open(
    options: Omit<FaultProxyOptions, "target"> = {},
  ): Promise<Pair> {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const target = listener.addr.port;
    const proxy = await FaultProxy.open({ ...options, target });
    const to = { hostname: "127.0.0.1", port: proxy.port };
    const [client, server] = await Promise.all([
      Deno.connect(to),
      listener.accept(),
    ]);
    const pair = new Pair(proxy, client, server);
    await client.write(bytes("hello")); // now both ends are joined for sure
    assertEquals(await readText(server, 5), "hello");
    return pair;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.server.close();
    await this.proxy[Symbol.asyncDispose]();
  }
}

/** Reads `count` bytes, in however many reads; less at the end. */
async function readText(conn: Deno.Conn, count: number): Promise<string> {
  const buffer = new Uint8Array(count);
  let at = 0;
  while (at < count) {
    const read = await within(conn.read(buffer.subarray(at)), () => "bytes");
    if (read === null) break;
    at += read;
  }
  return decoder.decode(buffer.subarray(0, at));
}

Deno.test("FaultProxy passes on what both sides say", async () => {
  await using pair = await Pair.open();

  await pair.server.write(bytes("and you"));

  assertEquals(await readText(pair.client, 7), "and you");
});

Deno.test("FaultProxy passes on the end of one direction, and the other goes on", async () => {
  await using pair = await Pair.open();

  await pair.client.closeWrite();

  assertEquals(await readText(pair.server, 1), "");
  await pair.server.write(bytes("late"));
  assertEquals(await readText(pair.client, 4), "late");
});

Deno.test("FaultProxy resets both sides, though neither did anything", async () => {
  await using pair = await Pair.open();

  pair.proxy.resetAll();

  for (const side of [pair.client, pair.server]) {
    await assertRejects(
      () => readText(side, 1),
      Deno.errors.ConnectionReset,
    );
  }
  assertEquals(pair.proxy.cuts, 1);
});

Deno.test("FaultProxy ends one direction, as if the other side had", async () => {
  await using pair = await Pair.open();

  pair.proxy.endTowards("client");

  assertEquals(await readText(pair.client, 1), "");
  await pair.client.write(bytes("still"));
  assertEquals(await readText(pair.server, 5), "still");
});

Deno.test("FaultProxy holds everything back in a stall, and loses nothing", async () => {
  await using pair = await Pair.open();

  pair.proxy.stall();
  await pair.client.write(bytes("one"));
  await pair.client.closeWrite();
  await pair.server.write(bytes("two"));
  const heard: string[] = [];
  const reading = [
    readText(pair.client, 3).then((text) => heard.push(text)),
    readText(pair.server, 4).then((text) => heard.push(text)),
  ];
  await throughAnother();
  assertEquals(heard, []);
  pair.proxy.flow();
  await Promise.all(reading);

  assertEquals(heard.sort(), ["one", "two"]);
});

Deno.test("FaultProxy can stall one direction alone, up to the end of a connection", async () => {
  await using pair = await Pair.open();
  const ended = { known: false };

  pair.proxy.stall("server");
  await pair.client.write(bytes("one"));
  await pair.server.write(bytes("two"));
  assertEquals(await readText(pair.client, 3), "two");
  await pair.client.closeWrite();
  const reading = readText(pair.server, 4).then((text) => {
    ended.known = true;
    return text;
  });
  await throughAnother();
  assertEquals(ended.known, false);
  pair.proxy.flow();

  assertEquals(await reading, "one");
});

/** Resolves when something that came later has passed another proxy. */
async function throughAnother(): Promise<void> {
  await using _pair = await Pair.open();
}

Deno.test("FaultProxy passes on single bytes, each by itself", async () => {
  await using pair = await Pair.open();
  const buffer = new Uint8Array(4);

  pair.proxy.fragmentBytes = 1;
  pair.proxy.delayMs = 1;
  const read = within(pair.server.read(buffer), () => "a byte");
  await pair.client.write(bytes("slow"));

  assertEquals(await read, 1);
  assertEquals(await readText(pair.server, 3), "low");
});

Deno.test("FaultProxy delays what passes", async () => {
  const asked = Promise.withResolvers<number>();
  const passed = Promise.withResolvers<void>();
  await using pair = await Pair.open({
    sleep(ms) {
      asked.resolve(ms);
      return passed.promise;
    },
  });
  let arrived = false;

  pair.proxy.delayMs = 20;
  await pair.client.write(bytes("x"));
  const reading = readText(pair.server, 1).finally(() => arrived = true);
  const delay = await within(asked.promise, () => "the delay");
  const arrivedBefore = arrived;
  passed.resolve();

  assertEquals([delay, arrivedBefore], [20, false]);
  assertEquals(await reading, "x");
});

Deno.test("FaultProxy cuts where chance says so, and counts", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using proxy = await FaultProxy.open({
    target: listener.addr.port,
    random: () => 0.5,
  });
  proxy.bytesPerCut = 10; // of which ln 2 is 6.9
  using client = await Deno.connect({
    hostname: "127.0.0.1",
    port: proxy.port,
  });
  using server = await listener.accept();

  await client.write(bytes("0123456789"));

  assertEquals(await readText(server, 10), "0123456");
  assertEquals(proxy.cuts, 1);
});
