/** A typed line means the same in the terminal client and in the web client. */
import { assert, assertEquals } from "@std/assert";
import type { Browser } from "playwright-core";
import {
  hasChromium,
  launchBrowser,
  pageTest,
  Person,
} from "../tools/browser.ts";
import { ClientProcess } from "../tools/client_tools.ts";
import {
  RawClient,
  serveWebSockets,
  startTestServer,
} from "../tools/net/raw_client.ts";

let browser: Browser;
Deno.test.beforeAll(async () => {
  if (hasChromium) browser = await launchBrowser();
});
Deno.test.afterAll(async () => await browser?.close());

/** A user of one of the clients. */
interface Typist extends AsyncDisposable {
  /** Types a line, and Enter. */
  type(line: string): Promise<void>;
  /** Waits until the client shows a text that begins like this. */
  sees(text: string): Promise<void>;
  /** Waits until a private message of a user is there. */
  hears(user: string): Promise<void>;
}

/** The clients, and how a user of each registers as alice in #default. */
const CLIENTS: Readonly<
  Record<string, (ports: { tcp: number; web: number }) => Promise<Typist>>
> = {
  async "terminal client"({ tcp }) {
    const client = new ClientProcess([
      ...["alice", "127.0.0.1", "--port", `${tcp}`, "--plain"],
    ]);
    await client.until("you joined #default");
    return {
      type: (line) => client.type(`${line}\n`),
      sees: async (text) => void await client.until(text),
      hears: async (user) => void await client.until(`${user} -> you: `),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
  },
  async "web client"({ web }) {
    const url = `http://127.0.0.1:${web}/`;
    const person = await Person.enter(browser, url, "alice");
    const shown = person.page.locator("#messages, #toasts");
    return {
      async type(line) {
        await person.say(line);
        // The next frame may show another conversation, with its own draft.
        await person.page.evaluate("new Promise(requestAnimationFrame)");
      },
      sees: (text) => shown.getByText(text).first().waitFor(),
      hears: (user) =>
        person.page.locator("#private").getByText(user, { exact: true })
          .waitFor(),
      async [Symbol.asyncDispose]() {
        assertEquals(person.complaints, []);
        await person[Symbol.asyncDispose]();
      },
    };
  },
};

/** What alice types, with bob and eve in her room. */
interface Scene {
  readonly alice: Typist;
  readonly bob: RawClient;
  readonly eve: RawClient;
}

for (const [client, open] of Object.entries(CLIENTS)) {
  const lineTest = (name: string, test: (scene: Scene) => Promise<void>) =>
    pageTest(`${client}: ${name}`, async () => {
      const server = startTestServer();
      const web = await serveWebSockets(server);
      try {
        using bob = await RawClient.enter(server.port, "bob", "#default");
        using eve = await RawClient.enter(server.port, "eve", "#default");
        const ports = { tcp: server.port, web: web.port };
        await using alice = await open(ports);
        await test({ alice, bob, eve });
      } finally {
        web[Symbol.dispose]();
        await server[Symbol.asyncDispose]();
      }
    });

  /** The next message that eve reads, which has to be this one. */
  const readsNext = async (eve: RawClient, text: string) => {
    const message = await eve.next("FORWARD");
    assert(message.endsWith(`\n\n${text}`), message);
  };

  for (
    const line of [
      ...["@bob: secret", "@bob secret", "@bob:secret", " @bob secret"],
      ...["\u00a0@bob secret", " /msg bob secret", "\u00a0/msg bob secret"],
    ]
  ) {
    lineTest(
      `${JSON.stringify(line)} is private`,
      async ({ alice, bob, eve }) => {
        await alice.type(line);
        await alice.type("@ALL: the end");

        const message = await bob.next("FORWARD");
        assert(/\nTo: bob\n/.test(message), message);
        assert(message.endsWith("\n\nsecret"), message);
        await readsNext(eve, "the end");
      },
    );
  }

  lineTest("commands run and are not published", async ({ alice, eve }) => {
    await alice.type("LIST");
    await alice.sees("In #default (3): ");
    await alice.type("/help");
    await alice.sees("Send a private message, as @NAME: TEXT does");
    await alice.type("/help nosuch");
    await alice.sees('Unknown command "/nosuch". Type /help.');
    await alice.type("/join a b");
    await alice.sees('Invalid room name "a b": use 1 to 32');
    await alice.type("/WHO all");
    await alice.sees("Connected: 3");
    await alice.type("/ping");
    await alice.sees("The server answers in ");
    await alice.type("the end");

    await readsNext(eve, "the end");
  });

  lineTest(
    "an unknown command and a wrong format get a hint and are not published",
    async ({ alice, eve }) => {
      await alice.type("/jion #lab");
      await alice.sees('Unknown command "/jion". Did you mean /join?');
      await alice.type("@bob:");
      await alice.sees("To send a private message: @NAME: TEXT");
      await alice.type("/msg bob");
      await alice.sees("Usage: /msg NAME TEXT");
      await alice.type("the end");

      await readsNext(eve, "the end");
    },
  );

  lineTest("//text sends /text", async ({ alice, eve }) => {
    await alice.type("//help");

    await readsNext(eve, "/help");
  });

  lineTest(
    "/reply answers the last private message",
    async ({ alice, bob, eve }) => {
      await alice.type("/reply too early");
      await alice.sees("You have no private message to reply to");
      await bob.say("alice", "psst");
      await alice.hears("bob");
      await alice.type("/reply yes?");
      await alice.type("@ALL: the end");

      const message = await bob.next("FORWARD");
      assert(message.endsWith("\n\nyes?"), message);
      await readsNext(eve, "the end");
    },
  );

  lineTest(
    "/join, /leave and LEAVE change the rooms",
    async ({ alice, bob }) => {
      await alice.type("/join lab");
      await bob.ask("JOIN #lab\n\n");
      await alice.type("hello lab");
      const hello = await bob.next("FORWARD");
      assert(/\nTo: #lab\n/.test(hello), hello);
      await alice.type("/leave #lab");
      assert(/User: alice/.test(await bob.next("NOTICE left")));
      await alice.type("LEAVE");
      assert(/User: alice/.test(await bob.next("NOTICE left")));
    },
  );

  lineTest("LOGOUT disconnects", async ({ alice, bob }) => {
    await alice.type("LOGOUT");

    assert(/User: alice/.test(await bob.next("NOTICE offline")));
  });
}
