/** Both engines of TLS, against a client of node:tls. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createSecureContext, type SecureContext } from "node:tls";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { TlsEngine, Writing } from "../../tls/engine.ts";
import { SocketEngine } from "../../tls/socket_engine.ts";
import { findTlsWrap, WrapEngine } from "../../tls/wrap_engine.ts";
import { listenHere } from "../tools/net/test_server.ts";
import { newCertificate } from "../tools/net/tls_tools.ts";
import { within } from "../tools/net/within.ts";

const { cert, key } = await newCertificate();

type Make = (stream: Writing, context: SecureContext) => TlsEngine;

const ENGINES: Readonly<Record<string, Make>> = {
  "TLSWrap": (stream, context) =>
    new WrapEngine(stream, context, findTlsWrap()!), // there is one: see below
  "TLSSocket": (stream, context) => new SocketEngine(stream, context),
};

/** A client, and the engine that it has shaken hands with. */
async function connected(make: Make) {
  using listener = listenHere();
  const { port } = listener.addr;
  const client = connect({ host: "127.0.0.1", port, ca: cert });
  client.on("error", () => {});
  const secured = once(client, "secureConnect");
  const conn = await listener.accept();
  const engine = make(conn, createSecureContext({ cert, key }));
  await new Promise((resolve) => setImmediate(resolve)); // node:tls starts
  const buffer = new Uint8Array(20_000);
  const receive = async () => {
    const count = await within(conn.read(buffer), () => "something to read");
    engine.receive(count === null ? null : buffer.subarray(0, count));
  };
  while (!engine.isSecure) await receive();
  await within(secured, () => "a handshake");
  return {
    ...{ client, engine, receive },
    [Symbol.dispose]() {
      client.destroy();
      engine.destroy();
      conn.close();
    },
  };
}

/** All text that waits. */
function textOf({ received }: TlsEngine): Uint8Array {
  const text: number[] = [];
  const buffer = new Uint8Array(1_000);
  for (let count; (count = received.take(buffer)) > 0;) {
    text.push(...buffer.subarray(0, count));
  }
  return Uint8Array.from(text);
}

/** Bytes of which no two neighbours are alike. */
function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => at % 251);
}

Deno.test("this Deno has the TLSWrap that is fast", () => {
  assert(findTlsWrap() !== null);
});

for (const [name, make] of Object.entries(ENGINES)) {
  Deno.test(`${name}: text arrives as it was sent`, async () => {
    using connection = await connected(make);
    const { client, engine, receive } = connection;
    const sent = bytes(50_000);

    client.write(sent);
    while (engine.received.bytes < sent.length) await receive();

    assertEquals(textOf(engine), sent);
    assertEquals(engine.isEnded, false);
  });

  Deno.test(`${name}: writes of any size arrive in order`, async () => {
    using connection = await connected(make);
    const { client, engine } = connection;
    const sent = [1, 0, 16_384, 32_768, 32_769, 200_000, 7].map(bytes);
    const heard: Uint8Array[] = [];
    client.on("data", (text: Uint8Array) => heard.push(text));
    const ended = once(client, "end");

    const counts = sent.map((one) => engine.write(one)); // none waits for another
    const written = await Promise.all(counts);
    await engine.end();
    await within(ended, () => "the end");

    assertEquals(written, sent.map(({ length }) => length));
    assertEquals(Buffer.concat(heard), Buffer.concat(sent));
  });

  Deno.test(`${name}: a client that has ended is still written to`, async () => {
    using connection = await connected(make);
    const { client, engine, receive } = connection;
    const heard = once(client, "data");

    client.end("last words");
    while (!engine.isEnded) await receive();
    await engine.write(bytes(5));

    assertEquals(textOf(engine), new TextEncoder().encode("last words"));
    const [text] = await within(heard, () => "an answer");
    assertEquals(Uint8Array.from(text), bytes(5));
  });

  Deno.test(`${name}: a network that ends without a word of TLS is an end`, async () => {
    using connection = await connected(make);
    const { engine } = connection;

    engine.receive(null);

    assert(engine.isEnded);
  });

  Deno.test(`${name}: a write to a peer that never reads ends when it is destroyed`, async () => {
    using connection = await connected(make);
    const { client, engine } = connection;
    client.pause();

    const writing = engine.write(new Uint8Array(32 * 1024 * 1024));
    const ending = engine.end();
    const closing = [assertRejects(() => writing), ending];
    await new Promise((resolve) => setImmediate(resolve));
    engine.destroy();

    await within(Promise.all(closing), () => "the write's end");
    await assertRejects(() => engine.write(bytes(1)));
  });
}

// A TLSSocket tells nothing of it until the network ends.
Deno.test("TLSWrap: what is no TLS is not understood, at once", async () => {
  using connection = await connected(ENGINES["TLSWrap"]!);
  const { client, engine } = connection;
  const told = once(client, "error");

  assertThrows(
    () => engine.receive(Uint8Array.of(0x17, 3, 3, 0, 32, ...bytes(32))),
    Deno.errors.InvalidData,
  );

  const [error] = await within(told, () => "an alert");
  assertEquals(error.message, "received fatal alert: BadRecordMac");
});
