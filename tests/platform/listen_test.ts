/**
 * Listening as Windows and macOS need it, on real sockets: `::1` stands for a socket
 * of IPv6 alone, and `127.0.0.1` for one of IPv4.
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  listenAlone,
  listenEverywhere,
  type Place,
  type PortListener,
} from "../../platform/listen.ts";
import {
  backlogOf,
  ownsPorts,
  secondHost,
  type System,
} from "../../platform/system.ts";
import { within } from "../tools/net/within.ts";

/** Listens as Windows does, where `::` is not IPv4 too. */
function listenApart({ hostname, ...place }: Place): Deno.TcpListener {
  const alone = hostname === "::" ? "::1" : "127.0.0.1";
  return Deno.listen({ ...place, hostname: alone });
}

/** The ports from which connections come to `listener`, one after the other. */
async function acceptFrom(listener: PortListener): Promise<number> {
  using conn = await within(listener.accept(), () => "a connection");
  return conn.remoteAddr.port;
}

for (
  const [hostname, system, expected] of [
    ["0.0.0.0", "linux", true],
    ["::", "linux", true],
    ["::", "freebsd", true],
    ["0.0.0.0", "windows", false],
    ["::", "windows", false],
    ["127.0.0.1", "windows", true],
    ["192.168.1.5", "windows", true],
    ["0.0.0.0", "darwin", false],
    ["::", "darwin", false],
    ["::1", "darwin", true],
  ] as const satisfies readonly [string, System, boolean][]
) {
  Deno.test(`${system} ${expected ? "gives" : "may not give"} all connections to ${hostname}`, () => {
    assertEquals(ownsPorts(hostname, system), expected);
  });
}

Deno.test("Windows holds more than 200 connections if the number is negative", () => {
  assertEquals(backlogOf(4_096, "windows"), -4_096);
  assertEquals(backlogOf(4_096, "linux"), 4_096);
  assertEquals(backlogOf(4_096, "darwin"), 4_096);
});

Deno.test("a second address is needed for :: on Windows alone", () => {
  assertEquals(secondHost("::", "windows"), "0.0.0.0");
  assertEquals(secondHost("0.0.0.0", "windows"), undefined);
  assertEquals(secondHost("::", "linux"), undefined);
  assertEquals(secondHost("::", "darwin"), undefined);
});

Deno.test("on Windows, :: takes IPv6 and IPv4 on one port", async () => {
  const parts = { system: "windows", listen: listenApart } as const;
  const place = { hostname: "::", port: 0 };
  const listener = await listenAlone(place, parts);
  const { port } = listener.addr;

  for (const hostname of ["127.0.0.1", "::1", "::1", "127.0.0.1"]) {
    using conn = await Deno.connect({ hostname, port });

    assertEquals(await acceptFrom(listener), conn.localAddr.port);
  }

  const next = listener.accept();
  listener.close();
  await assertRejects(() => next, Deno.errors.BadResource);
});

Deno.test("where :: takes IPv4 too, one socket is enough", () => {
  const taken = () => {
    throw new Deno.errors.AddrInUse("Of the system");
  };
  const listen = (place: Place) =>
    place.hostname === "::" ? Deno.listen({ ...place }) : taken();

  const listeners = listenEverywhere({ port: 0 }, { system: "linux", listen });

  assertEquals(listeners.map(({ addr }) => addr.hostname), ["::"]);
  for (const listener of listeners) listener.close();
});

Deno.test("on Windows, a port that is free for IPv6 alone is in use", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = other.addr;
  const parts = { system: "windows", listen: listenApart } as const;

  assertThrows(() => listenEverywhere({ port }, parts), Deno.errors.AddrInUse);

  // The socket of IPv6 is closed again.
  await assertRejects(
    () => Deno.connect({ hostname: "::1", port }),
    Deno.errors.ConnectionRefused,
  );
});

Deno.test("on Windows, the next port is tried if the system chose one in use", () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let chosen = other.addr.port;
  const listen = ({ hostname, port }: Place) => {
    const first = port || chosen;
    chosen = 0;
    return listenApart({ hostname, port: first });
  };

  const listeners = listenEverywhere(
    { port: 0 },
    { system: "windows", listen },
  );

  const [six, four] = listeners.map(({ addr }) => addr);
  assertEquals([six?.hostname, four?.hostname], ["::1", "127.0.0.1"]);
  assertEquals(six?.port, four?.port);
  for (const listener of listeners) listener.close();
});

Deno.test("a port that another program has on 127.0.0.1 is in use", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = other.addr;
  const ours = Deno.listen({ hostname: "::1", port });

  const error = await assertRejects(
    () =>
      listenAlone({ hostname: "0.0.0.0", port }, {
        listen: () => ours,
        connect: ({ hostname, port }) => Deno.connect({ hostname, port }),
        arrivesWithinMs: 50, // it connects, however long that takes
      }),
    Deno.errors.AddrInUse,
  );

  assertEquals("code" in error && error.code, "EADDRINUSE");
  assertThrows(() => ours.close(), Deno.errors.BadResource); // it is closed
});

Deno.test("clients that connect during the check are accepted after it, in order", async () => {
  const clients: Deno.TcpConn[] = [];
  const connect = async (to: Deno.ConnectOptions) => {
    const { port } = to;
    clients.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    clients.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    return Deno.connect(to);
  };

  const listener = await listenAlone(
    { hostname: "0.0.0.0", port: 0 },
    { listen: listenApart, connect },
  );

  for (const client of clients) {
    assertEquals(await acceptFrom(listener), client.localAddr.port);
    client.close();
  }
  listener.close();
});

Deno.test("an address of this computer that cannot be reached at all is no other program's", async () => {
  const listener = await listenAlone({ hostname: "0.0.0.0", port: 0 }, {
    listen: listenApart,
    connect: () => Promise.reject(new Deno.errors.ConnectionRefused()),
  });
  const { port } = listener.addr;
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });

  assertEquals(await acceptFrom(listener), conn.localAddr.port);
  listener.close();
});
