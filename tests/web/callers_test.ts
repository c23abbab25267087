/** Connections to the page that are no WebSockets: how many there can be. */
import { assertEquals, assertMatch } from "@std/assert";
import { certificateFor } from "../../server/certificate.ts";
import { Callers } from "../../web/serve/callers.ts";
import { startWeb, type Web } from "../../web/serve/serve.ts";
import { UPGRADE } from "../tools/net/ask_http.ts";
import { startTestServer, type TestServer } from "../tools/net/test_server.ts";
import { within } from "../tools/net/within.ts";

/** The answer to a request for nothing, and nothing after it. */
const REQUEST = "GET /nothing HTTP/1.1\r\nHost: [::1]\r\n\r\n";

const OPEN = ["GET /ws HTTP/1.1", "Host: [::1]", ...UPGRADE, "", ""]
  .join("\r\n");

/** Connects to the page; with TLS, if there is a certificate. */
async function connect(
  { port }: Web,
  { cert }: { cert?: string } = {},
): Promise<Deno.Conn> {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  if (cert === undefined) return tcp;
  return await Deno.startTls(tcp, { hostname: "127.0.0.1", caCerts: [cert] });
}

/** Says something, and gives the first line of the answer; "" at the end. */
async function ask(conn: Deno.Conn, request: string): Promise<string> {
  try {
    await conn.write(new TextEncoder().encode(request));
    const buffer = new Uint8Array(4_096);
    const count = await within(conn.read(buffer), () => "an answer");
    const text = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
    return text.split("\r\n")[0] ?? "";
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return "";
    if (error instanceof Deno.errors.BrokenPipe) return "";
    if (error instanceof Deno.errors.UnexpectedEof) return "";
    throw error;
  }
}

/** The page of a server, with three connections at most. */
async function openWeb(
  { welcome }: TestServer,
  { certified }: { certified: boolean },
) {
  const tls = certified ? await certificateFor({ db: ":memory:" }) : undefined;
  const web = startWeb({
    hostname: "127.0.0.1",
    port: 0,
    callers: { total: 3, perAddress: 3 },
    ...(tls ? { tls } : {}),
    welcome: (wire, { address }) => welcome(wire, address),
  });
  return {
    web,
    tls,
    [Symbol.dispose]: () => web[Symbol.dispose](),
  };
}

/** A connection, as far as it is counted. */
function fakeCaller() {
  const fake = {
    closed: false,
    close: () => void (fake.closed = true),
  };
  return fake;
}

/** Adds so many connections from an address. */
function add(callers: Callers, host: string, count: number) {
  return Array.from({ length: count }, () => {
    const caller = fakeCaller();
    callers.add(caller, host);
    return caller;
  });
}

/** Which of them were ended. */
function ended(callers: readonly { closed: boolean }[]): boolean[] {
  return callers.map(({ closed }) => closed);
}

Deno.test("the address with most connections loses the oldest, and no other loses any", () => {
  const callers = new Callers({ total: 4, perAddress: 10 });

  const few = add(callers, "10.0.0.1", 2);
  const many = add(callers, "10.0.0.2", 5);

  assertEquals(ended(few), [false, false]);
  assertEquals(ended(many), [true, true, true, false, false]);
});

Deno.test("an address above its own limit loses its oldest, however much room there is", () => {
  const callers = new Callers({ total: 100, perAddress: 2 });

  const few = add(callers, "10.0.0.1", 2);
  const many = add(callers, "10.0.0.2", 3);

  assertEquals(ended(few), [false, false]);
  assertEquals(ended(many), [true, false, false]);
});

Deno.test("connections that were removed do not count", () => {
  const callers = new Callers({ total: 2, perAddress: 2 });
  const stays = add(callers, "10.0.0.1", 1);
  for (let count = 0; count < 5; count++) {
    const [gone] = add(callers, "10.0.0.1", 1);
    callers.remove(gone!, "10.0.0.1");
    callers.remove(gone!, "10.0.0.1");
  }

  add(callers, "10.0.0.1", 1);
  assertEquals(ended(stays), [false]);
  add(callers, "10.0.0.1", 1);
  assertEquals(ended(stays), [true]);
});

for (const way of ["HTTP", "HTTPS"]) {
  const certified = way === "HTTPS";

  Deno.test(`over ${way}, who opens more connections than there may be loses the oldest`, async () => {
    await using server = startTestServer();
    using place = await openWeb(server, { certified });
    const { web, tls } = place;
    const conns = new DisposableStack();
    using _conns = conns;
    const open = async () => conns.use(await connect(web, tls));

    const silent = conns.use(
      await Deno.connect({ hostname: "127.0.0.1", port: web.port }),
    );
    const sockets = [await open(), await open(), await open()];
    const answers = [];
    for (const one of sockets) answers.push(await ask(one, OPEN));
    const ended = await ask(silent, "");
    const kept = [await open(), await open(), await open()];
    for (const one of kept) answers.push(await ask(one, REQUEST));
    const newest = await open();
    const after = await ask(newest, REQUEST);
    const [first, second] = [
      await ask(kept[0]!, REQUEST),
      await ask(kept[1]!, REQUEST),
    ];

    assertEquals(ended, "");
    assertEquals(
      answers.map((one) => one.slice(9, 12)),
      ["101", "101", "101", "404", "404", "404"],
    );
    assertMatch(after, / 404 /);
    assertEquals(first, "");
    assertMatch(second, / 404 /);
  });

  Deno.test(`over ${way}, connections that are closed make room`, async () => {
    await using server = startTestServer();
    using place = await openWeb(server, { certified });
    const { web, tls } = place;
    using oldest = await connect(web, tls);

    for (let count = 0; count < 5; count++) {
      using one = await connect(web, tls);
      await ask(one, REQUEST.replace("Host", "Connection: close\r\nHost"));
      await ask(one, ""); // the end
    }

    assertMatch(await ask(oldest, REQUEST), / 404 /);
  });
}
