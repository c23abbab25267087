/** Reading slowly over TLS, from a server whose certificate no authority signed. */
import { assert, assertEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { KnownServers } from "../../../client/trust/known_servers.ts";
import { Trust } from "../../../client/trust/trust.ts";
import { newCertificate } from "../../tools/net/tls_tools.ts";
import { within } from "../../tools/net/within.ts";

/** A client's connection to a server that does this with its side. */
async function connected(serve: (socket: TLSSocket) => void) {
  const { cert, key } = await newCertificate();
  const server = createServer({ cert, key }, serve);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const trust = new Trust({
    fingerprint: new X509Certificate(cert).fingerprint256
      .replaceAll(":", "").toLowerCase(),
    caFile: undefined,
    known: new KnownServers(undefined),
    terminal: undefined,
  });
  const { port } = server.address() as AddressInfo; // the cast: it has a port
  const conn = await trust.dial(
    { hostname: "127.0.0.1", port },
    new AbortController().signal,
  );
  return {
    conn,
    [Symbol.dispose]() {
      conn.close();
      server.close();
    },
  };
}

/** Lets other tasks run: with 1,000 turns, all that the system had is read. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

for (const bytes of [1_000, 65_536, 65_537, 1_000_000]) {
  Deno.test(`over TLS the end comes after ${bytes} bytes, also to a client that reads slowly`, async () => {
    using connection = await connected((socket) => {
      socket.end("x".repeat(bytes));
    });
    const buffer = new Uint8Array(16_384);

    let heard = 0;
    for (;;) {
      const count = await within(
        connection.conn.read(buffer),
        () => `the end after ${heard} bytes`,
      );
      if (count === null) break;
      heard += count;
      if (heard % 3 === 0) await turns(20);
    }

    assertEquals(heard, bytes);
  });
}

Deno.test("over TLS a server can send no more than the client reads", async () => {
  const piece = new Uint8Array(65_536);
  let sent = 0;
  using connection = await connected(async (socket) => {
    socket.on("error", () => {});
    while (sent < 2_000) { // more than the buffers of a system hold
      await new Promise((resolve) => socket.write(piece, resolve));
      sent++;
    }
  });
  await connection.conn.read(new Uint8Array(1));

  let before = -1;
  for (let still = 0; still < 1_000; still++) {
    if (sent !== before) still = 0;
    before = sent;
    await turns(1);
  }

  assert(sent < 500, `${sent} pieces were sent`);
});
