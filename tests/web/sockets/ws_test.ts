/** The server's WebSockets with another program's client: that of npm's `ws`. */
import { once } from "node:events";
import { assertEquals, assertMatch } from "@std/assert";
import { WebSocket } from "ws";
import { startWeb } from "../../../web/serve/serve.ts";
import type { SocketWire } from "../../../web/serve/socket.ts";
import { newCertificate } from "../../tools/net/tls_tools.ts";
import { within } from "../../tools/net/within.ts";

/** Sends back all that comes, and ends when the client does. */
async function echo(wire: SocketWire): Promise<void> {
  for await (const message of wire.messages()) {
    await wire.send(message).catch(() => {}); // it has ended
  }
  wire.close();
}

for (const way of ["ws", "wss"] as const) {
  /** A client, and what it hears. */
  const open = async (protocols: string[] = [], serve = echo) => {
    const { cert, key } = await newCertificate();
    const served = Promise.withResolvers<void>();
    const web = startWeb({
      hostname: "127.0.0.1",
      port: 0,
      ...(way === "wss" ? { tls: { cert, key } } : {}),
      welcome: (wire) => serve(wire).then(served.resolve, served.reject),
    });
    const url = `${way}://127.0.0.1:${web.port}/ws`;
    const socket = new WebSocket(url, protocols, { ca: cert });
    const closed = once(socket, "close");
    await within(once(socket, "open"), () => "a WebSocket");
    return {
      socket,
      /** Gives the code with which the server has closed it. */
      async closed(): Promise<number> {
        const [code] = await within(closed, () => "the end");
        return code;
      },
      async next(): Promise<[bytes: number[], isBinary: boolean]> {
        const [data, isBinary] = await within(
          once(socket, "message"),
          () => "a message",
        );
        return [[...data], isBinary];
      },
      async [Symbol.asyncDispose]() {
        socket.terminate();
        await closed;
        await served.promise;
        web[Symbol.dispose]();
      },
    };
  };

  Deno.test(`over ${way}, messages of each length come back`, async () => {
    await using peer = await open();
    for (const length of [0, 1, 125, 126, 127, 128, 65_535, 65_536]) {
      const bytes = Uint8Array.from({ length }, (_, index) => index * 31);
      const next = peer.next();
      peer.socket.send(bytes);
      assertEquals(await next, [[...bytes], true]);
    }
  });

  Deno.test(`over ${way}, fragments of text come back as one message`, async () => {
    await using peer = await open();
    const ponged = once(peer.socket, "pong");
    const next = peer.next();

    peer.socket.send("Grü", { fin: false });
    peer.socket.ping("hello");
    peer.socket.send("ße", { fin: true });

    assertEquals(await next, [[...new TextEncoder().encode("Grüße")], true]);
    const [data] = await within(ponged, () => "a pong");
    assertEquals(`${data}`, "hello");
  });

  for (const code of [1_000, 3_000, 4_999, undefined]) {
    Deno.test(`over ${way}, Close with ${code} is answered`, async () => {
      await using peer = await open();

      peer.socket.close(code);

      assertEquals(await peer.closed(), code ?? 1_005); // none
    });
  }

  Deno.test(`over ${way}, a message over the limit is answered with 1009`, async () => {
    await using peer = await open();

    peer.socket.send(new Uint8Array(65_537));

    assertEquals(await peer.closed(), 1_009);
  });

  Deno.test(`over ${way}, the server ends with 1000 after what it sent`, async () => {
    await using peer = await open([], async (wire) => {
      await wire.read(new Uint8Array(9));
      wire.send(new Uint8Array(200_000));
      await wire.send(Uint8Array.of(1));
      await wire.closeWrite();
      while (await wire.read(new Uint8Array(9)) !== null);
      wire.close();
    });
    const heard: number[] = [];
    peer.socket.on("message", ({ length }) => heard.push(length));

    peer.socket.send("go");

    const code = await peer.closed();
    assertEquals([heard, code], [[200_000, 1], 1_000]);
  });

  Deno.test(`over ${way}, no extension is used, and the first protocol`, async () => {
    await using peer = await open(["parley", "chat"]);

    assertEquals(peer.socket.extensions, "");
    assertMatch(peer.socket.protocol, /^parley$/);
  });
}
