/**
 * Clients move to other servers of their chat, and lose nothing. Here the chat has
 * one server, which is reached at several places: each of them can go.
 */
import { assert, assertEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { identityOf } from "../../../client/trust/trust.ts";
import { AlternateList } from "../../../server/alternates.ts";
import { CLOCK } from "../../../server/net/clock.ts";
import {
  allSent,
  checkNothingLost,
  historyOf,
  Pupil,
} from "../../tools/class_room.ts";
import { ClientProcess, FakeServer } from "../../tools/client_tools.ts";
import { FaultProxy } from "../../tools/net/fault_proxy.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import {
  lastingPort,
  listenHere,
  startTestServer,
} from "../../tools/net/test_server.ts";
import { Interceptor, startTlsServer } from "../../tools/net/tls_tools.ts";
import { enough, PUPILS } from "../../tools/system/amounts.ts";
import { settingsIn, tempFolder } from "../../tools/temp.ts";

/** A list of others, at ports of this computer. */
function listOf(...ports: number[]) {
  const list = new AlternateList(CLOCK.after);
  list.set(ports.map((tcp) => ({ hostname: "127.0.0.1", ports: { tcp } })));
  return list;
}

Deno.test(`${PUPILS} clients in 5 rooms lose nothing while the places where they are go, one by one`, async () => {
  using alternates = listOf();
  await using server = startTestServer({ alternates });
  await using places = new AsyncDisposableStack();
  const proxies: FaultProxy[] = [];
  for (let i = 0; i < 3; i++) {
    proxies.push(places.use(await FaultProxy.open({ target: server.port })));
  }
  alternates.set(
    proxies.map(({ port }) => ({
      hostname: "127.0.0.1",
      ports: { tcp: port },
    })),
  );
  const classroom = {
    port: proxies[0]!.port,
    clients: PUPILS,
    rooms: 5,
    messages: enough(100),
  };
  const total = classroom.clients * classroom.messages;
  const seen: Pupil[] = [];

  await checkNothingLost(classroom, () => server.port, (pupils) => {
    seen.push(...pupils);
    const going = (async () => {
      for (let round = 0; round < 9; round++) {
        await allSent(pupils, total * (round + 1) / 10);
        const gone = proxies[round % 3]!;
        gone.refuses = true;
        gone.cutAll();
        proxies[(round + 2) % 3]!.refuses = false;
      }
    })();
    return { [Symbol.asyncDispose]: () => going };
  });

  const moves = seen.flatMap(({ notes }) =>
    notes.filter((note) => /^\* Connected again, to 127\.0\.0\.1:/.test(note))
  );
  assert(moves.length >= PUPILS, `${moves.length} moves`);
});

Deno.test("client.ts goes on at another server, and says so in one line", async () => {
  using alternates = listOf();
  await using server = startTestServer({ alternates });
  alternates.set([{ hostname: "127.0.0.1", ports: { tcp: server.port } }]);
  const proxy = await FaultProxy.open({ target: server.port });
  using bob = await RawClient.enter(server.port, "bob", "#default");
  await using alice = new ClientProcess([
    ...["alice", `127.0.0.1:${proxy.port}`, "--plain"],
  ]);
  await alice.until("you joined #default");
  await bob.next("NOTICE joined");

  await alice.type("before\n");
  await bob.next("FORWARD alice");
  await proxy[Symbol.asyncDispose]();
  await alice.until("Reconnecting");
  await bob.say("#default", "meanwhile");
  await bob.next("SENT");
  await alice.type("after\n");
  await alice.until(`Connected again, to 127.0.0.1:${server.port}\n`);
  await alice.until("alice: after\n");
  const { code, out } = await alice.end();

  assertEquals(code, 0);
  const lines = out.split("\n");
  assertEquals(
    lines.filter((line) => line.endsWith("bob: meanwhile")).length,
    1,
  );
  assertEquals(lines.filter((line) => /onnected again/.test(line)).length, 1);
  assertEquals(await historyOf(server.port, "#default"), [
    "alice: before",
    ...["bob: meanwhile", "alice: after"],
  ]);
});

/**
 * A server with TLS, and a proxy before it, where alice is; and another place, of
 * which she was told, with a certificate of its own.
 *
 * @param tell Gives the fingerprint that is told, for the true one.
 */
async function openTlsPlaces(tell: (fingerprint: string) => string) {
  const stack = new AsyncDisposableStack();
  const alternates = stack.use(listOf());
  const server = stack.use(await startTlsServer({ alternates }));
  const proxy = stack.use(await FaultProxy.open({ target: server.tlsPort }));
  const other = stack.use(await Interceptor.before(server));
  const folder = stack.use(tempFolder());
  const plain = stack.use(new FakeServer());
  const print = (cert: string) =>
    identityOf(new X509Certificate(cert)).fingerprint;
  alternates.set([{
    hostname: "127.0.0.1",
    ports: { tcp: plain.port, tls: other.port },
    sha256: tell(print(other.certificate.cert)),
  }]);
  const alice = stack.use(
    new ClientProcess([
      ...["alice", `127.0.0.1:${proxy.port}`, "--plain", "--tls"],
      ...["--fingerprint", print(server.certificate.cert)],
    ], settingsIn(folder.path)),
  );
  await alice.until("you joined #default");
  return {
    ...{ server, proxy, other, alice, plain },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("client.ts --tls goes on at a server whose fingerprint it was told", async () => {
  await using places = await openTlsPlaces((fingerprint) => fingerprint);
  const { alice, other, proxy, server } = places;

  proxy.refuses = true;
  proxy.cutAll();
  await alice.type("after\n");
  await alice.until(`Connected again, to 127.0.0.1:${other.port}\n`);
  await alice.until("alice: after\n");

  assertEquals(await historyOf(server.port, "#default"), ["alice: after"]);
});

Deno.test("client.ts --tls sends nothing to a server with another certificate, nor without TLS", async () => {
  await using places = await openTlsPlaces(() => "c3".repeat(32));
  const { alice, other, plain, proxy, server } = places;
  let dialled = false;
  const dialling = plain.accept().then(() => dialled = true, () => {});

  proxy.refuses = true;
  proxy.cutAll();
  await alice.type("after\n");
  await other.connected;
  proxy.refuses = false;
  await alice.until("alice: after\n");

  assertEquals([other.heard, dialled], [0, false]);
  assert(!alice.out.includes("Connected again"), alice.out);
  assertEquals(await historyOf(server.port, "#default"), ["alice: after"]);
  plain[Symbol.dispose]();
  await dialling;
});

Deno.test("clients leave a server that stops for the one that goes on with its file", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const port = lastingPort();
  using alternates = listOf(port);
  const first = startTestServer({ db, alternates });
  await using alice = new Pupil("alice", "#lab", first.port);
  await using bob = new Pupil("bob", "#lab", first.port);
  for (const pupil of [alice, bob]) await pupil.enter();
  alice.say("one");
  await bob.saw(1);

  await first[Symbol.asyncDispose]();
  await Promise.all([alice.isAway, bob.isAway]);
  alice.say("two");
  await using second = startTestServer({ db, tcp: listenHere(port) });
  bob.say("three");
  await Promise.all([alice.saw(3), bob.saw(3)]);

  assertEquals(alice.seen, bob.seen);
  assertEquals(await historyOf(second.port, "#lab"), alice.seen);
  for (const { notes } of [alice, bob]) {
    const again = notes.filter((note) => note.includes("onnected again"));
    assertEquals(again, [`* Connected again, to 127.0.0.1:${port}\n`]);
    assert(!notes.join("").includes("another history"), notes.join(""));
  }
});

Deno.test("a session goes on at another server with its token, its last id and its journal", async () => {
  const first = new FakeServer();
  using second = new FakeServer();
  await using alice = new Pupil("alice", "#lab", first.port);
  const entering = alice.enter();
  const peer = await first.accept();
  const told = `Alternate: 127.0.0.1 tcp=${second.port}\n`;
  await peer.request();
  await peer.say(`REGISTERED alice\nToken: t1\nJournal: j1\nLast-id: 4\n\n`);
  await peer.request();
  await peer.say("JOINED #lab\nLast-id: 4\n\n");
  await peer.request();
  await peer.say(`HISTORY #lab\nCount: 0\n\nNOTICE set\n${told}\n`);
  await entering;
  await peer.say(
    "FORWARD bob\nTo: #lab\nId: 5\nContent-length: 4\n\nfive",
  );
  await alice.saw(1);
  alice.say("mine");
  assertEquals(await peer.request(), "SEND #lab\nmine");
  const { key } = peer.headers;

  first[Symbol.dispose]();
  peer.hangUp();
  using there = await second.accept();

  assertEquals(await there.request(), "REGISTER alice");
  assertEquals(there.headers, { token: "t1", after: "5", journal: "j1" });
  await there.say(`REGISTERED alice\nToken: t1\nJournal: j1\nLast-id: 5\n\n`);
  assertEquals(await there.request(), "JOIN #lab");
  await there.say("JOINED #lab\nLast-id: 5\n\n");
  assertEquals(await there.request(), "HISTORY #lab");
  await there.say("HISTORY #lab\nCount: 0\n\n");
  assertEquals(await there.request(), "SEND #lab\nmine");
  assertEquals(there.headers["key"], key);
  await there.say("SENT #lab\nId: 6\n\n");
  await alice.saw(2);
  assertEquals(alice.seen, ["bob: five", "alice: mine"]);
});
