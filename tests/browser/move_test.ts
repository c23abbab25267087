/**
 * The page goes on at another server of its chat, without a reload. Here the chat has
 * one server, which is reached at two places; the first of them goes.
 */
import { assertEquals } from "@std/assert";
import { pageFiles } from "../../client/gui/page_session.ts";
import { serveLocally } from "../../client/gui/local.ts";
import { TypedServers } from "../../client/gui/typed_servers.ts";
import { KnownServers } from "../../client/trust/known_servers.ts";
import type { Way } from "../../core/net/alternates.ts";
import { AlternateList } from "../../server/alternates.ts";
import { CLOCK } from "../../server/net/clock.ts";
import { startWeb } from "../../web/serve/serve.ts";
import { pageTest, Person } from "../tools/browser.ts";
import { historyOf } from "../tools/class_room.ts";
import { FaultProxy } from "../tools/net/fault_proxy.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import {
  serveWebSockets,
  startTestServer,
  type TestServer,
} from "../tools/net/test_server.ts";
import { newCertificate } from "../tools/net/tls_tools.ts";
import { fileBrowser } from "./scene.ts";

const browser = fileBrowser();

/** A server that tells of others, and what its page needs beside it. */
function openServer() {
  const stack = new AsyncDisposableStack();
  const alternates = stack.use(new AlternateList(CLOCK.after));
  const server = stack.use(startTestServer({ alternates }));
  return {
    server,
    stack,
    tell: (way: Way, ...ports: number[]) =>
      alternates.set(
        ports.map((port) => ({
          hostname: "127.0.0.1",
          ports: { [way]: port },
        })),
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The place of a page goes: it is at `port` then, and nothing is lost. */
async function checkMove(
  alice: Person,
  { server, proxy, port }: {
    server: TestServer;
    proxy: FaultProxy;
    port: number;
  },
): Promise<void> {
  using bob = await RawClient.enter(server.port, "bob", "#default");
  await alice.say("before");
  await bob.next("FORWARD alice");

  proxy.refuses = true;
  proxy.cutAll();
  await alice.say("after");
  await bob.say("#default", "meanwhile");
  await alice.page.getByText(`Connected again, to 127.0.0.1:${port}`).waitFor();
  await alice.sees("meanwhile");
  await alice.allSent();

  const said = (await alice.messages()).map((one) =>
    one.replace("You", "alice")
  );
  assertEquals(said.toSorted(), [
    "alice: after",
    "alice: before",
    "bob: meanwhile",
  ]);
  assertEquals(await historyOf(server.port, "#default"), said);
  assertEquals(alice.complaints, []);
}

pageTest("a page goes on at another server", async () => {
  await using place = openServer();
  const { server, stack } = place;
  const web = stack.use(serveWebSockets(server));
  const proxy = stack.use(await FaultProxy.open({ target: web.port }));
  place.tell("http", proxy.port, web.port);
  const url = `http://127.0.0.1:${proxy.port}/`;
  await using alice = await Person.enter(browser(), url, "alice");

  await checkMove(alice, { server, proxy, port: web.port });
});

pageTest("a page over HTTPS goes on at another server over HTTPS", async () => {
  await using place = openServer();
  const { server, stack } = place;
  const web = stack.use(
    startWeb({
      hostname: "127.0.0.1",
      port: 0,
      tls: await newCertificate(),
      others: () => server.context.alternates?.list() ?? [],
      welcome: (wire, { address }) => server.welcome(wire, address, "TLS"),
    }),
  );
  const proxy = stack.use(await FaultProxy.open({ target: web.port }));
  place.tell("https", proxy.port, web.port);
  const url = `https://127.0.0.1:${proxy.port}/`;
  await using alice = await Person.enter(browser(), url, "alice", {
    ignoreHTTPSErrors: true,
  });

  await checkMove(alice, { server, proxy, port: web.port });
});

pageTest("a page of client.ts --gui goes on at another server", async () => {
  await using place = openServer();
  const { server, stack } = place;
  const proxy = stack.use(await FaultProxy.open({ target: server.port }));
  place.tell("tcp", server.port);
  const servers = new TypedServers({
    tls: undefined,
    known: new KnownServers(undefined),
    terminal: undefined,
    complain: () => {},
  });
  const local = stack.use(
    serveLocally({
      settings: { server: "127.0.0.1", port: proxy.port },
      dial: (asked, signal) => servers.dial(asked, signal),
      files: pageFiles({ listens: false }),
    }),
  );
  await using alice = await Person.open(browser(), local.address);
  await alice.comeIn("alice");

  await checkMove(alice, { server, proxy, port: server.port });
});

pageTest(
  "a page stays away from a server that does not admit it, and comes home",
  async () => {
    await using place = openServer();
    const { server, stack } = place;
    const web = stack.use(serveWebSockets(server));
    const proxy = stack.use(await FaultProxy.open({ target: web.port }));
    place.tell("http", web.port); // and of the place of the page it does not know
    const url = `http://127.0.0.1:${proxy.port}/`;
    await using alice = await Person.enter(browser(), url, "alice");
    await alice.say("before");
    await alice.allSent();
    const refused = alice.page.waitForEvent("console", {
      predicate: (message) =>
        message.text().includes(`ws://127.0.0.1:${web.port}/ws`) &&
        message.text().includes("403"),
    });

    proxy.refuses = true;
    proxy.cutAll();
    await alice.say("after");
    await refused;
    proxy.refuses = false;
    await alice.page.bringToFront();
    await alice.allSent();

    const there = alice.page.getByText("Connected again");
    assertEquals(await there.count(), 0);
    assertEquals(await historyOf(server.port, "#default"), [
      "alice: before",
      "alice: after",
    ]);
  },
);

pageTest(
  "a page may connect to a server that came later after a reload",
  async () => {
    await using place = openServer();
    const { server, stack } = place;
    const web = stack.use(serveWebSockets(server));
    const proxy = stack.use(await FaultProxy.open({ target: web.port }));
    const url = `http://127.0.0.1:${proxy.port}/`;
    await using alice = await Person.enter(browser(), url, "alice");
    place.tell("http", proxy.port, web.port);

    assertEquals(await reaches(alice, web.port), false);
    await alice.page.reload();
    assertEquals(await reaches(alice, web.port), true);
  },
);

/** Whether the page may open a WebSocket at the port. */
async function reaches({ page }: Person, port: number): Promise<boolean> {
  return await page.evaluate((port) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    return new Promise<boolean>((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
    });
  }, port);
}
