/** A typed line means the same on a terminal, with `--plain` and in the web client. */
import { assert, assertEquals } from "@std/assert";
import { pageTest, Person } from "../tools/browser.ts";
import { ClientProcess, TmuxScreen } from "../tools/client_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { serveWebSockets, startTestServer } from "../tools/net/test_server.ts";
import { TYPED_LINES } from "../core/text/typed_lines.ts";
import { fileBrowser } from "./scene.ts";
import { isInstalled } from "../tools/system/programs.ts";

const browser = fileBrowser();

/** A user of one of the clients. */
interface Typist extends AsyncDisposable {
  /** Types a line, and Enter. */
  type(line: string): Promise<void>;
  /** Types a line without Enter, and Enter later, if the client can tell. */
  begin?(line: string): Promise<() => Promise<void>>;
  /** Waits until the client shows a text that begins like this. */
  sees(text: string): Promise<void>;
  /** Waits until a private message of a user is there. */
  hears(user: string): Promise<void>;
}

/** The clients, and how a user of each registers as alice in #default. */
const CLIENTS: Readonly<
  Record<string, (ports: { tcp: number; web: number }) => Promise<Typist>>
> = {
  async "terminal"({ tcp }) {
    const screen = await TmuxScreen.open(200);
    await screen.client("alice", "127.0.0.1", "--port", `${tcp}`);
    await screen.until("#default>");
    return {
      type: (line) => screen.line(line),
      begin: async (line) => {
        await screen.type(line);
        await screen.until(`> ${line}`);
        return () => screen.keys("Enter");
      },
      sees: async (text) => void await screen.until(text),
      hears: async (user) => void await screen.until(`${user} -> you: `),
      [Symbol.asyncDispose]: () => screen[Symbol.asyncDispose](),
    };
  },
  async "terminal with --plain"({ tcp }) {
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
    const person = await Person.enter(browser(), url, "alice");
    const shown = person.page.locator("#messages, #toasts");
    return {
      async type(line) {
        await person.say(line);
        // The next frame may show another conversation, with its own draft.
        await person.page.evaluate("new Promise(requestAnimationFrame)");
      },
      begin: async (line) => {
        const field = person.page.locator("#text");
        await field.fill(line);
        return () => field.press("Enter");
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

/** The clients of a test: alice types, with bob and eve in her room. */
interface Scene {
  readonly alice: Typist;
  readonly bob: RawClient;
  readonly eve: RawClient;
}

for (const [client, open] of Object.entries(CLIENTS)) {
  const lineTest = (name: string, test: (scene: Scene) => Promise<void>) =>
    pageTest(`${client}: ${name}`, async () => {
      if (client === "terminal" && !isInstalled("tmux")) return;
      const server = startTestServer();
      const web = serveWebSockets(server);
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

  lineTest("each line of the table does what it says", async (scene) => {
    const { alice, bob, eve } = scene;
    for (const [index, row] of TYPED_LINES.entries()) {
      const { line, hint } = row;
      const end = `the end of line ${index}`;
      await alice.type("/join default");
      await alice.type(line);
      if (hint !== undefined) await alice.sees(hint);
      await alice.type(`@ALL: ${end}`);

      for (
        const [reader, text] of [[bob, row.bob], [eve, undefined]] as const
      ) {
        const said = text ?? row.room;
        for (const next of [...(said === undefined ? [] : [said]), end]) {
          const message = await reader.next("FORWARD");
          assertEquals(message.slice(message.indexOf("\n\n") + 2), next, line);
        }
        await reader.send("PING\n\n"); // no silence, however long all lines take
      }
    }
  });

  lineTest("commands run and are not published", async ({ alice, eve }) => {
    await alice.type("LIST");
    await alice.sees("In #default (3):");
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
    "/reply goes to the user who had written when it was begun",
    async ({ alice, bob, eve }) => {
      await bob.say("alice", "shall we meet?");
      await alice.hears("bob");
      if (alice.begin) {
        const enter = await alice.begin("/reply yes, at eight");
        await eve.say("alice", "homework?");
        await alice.hears("eve");
        await enter();
      } else {
        await eve.say("alice", "homework?");
        await alice.hears("eve");
        await alice.type("/reply yes, at eight");
        await alice.sees("Not sent: eve has written meanwhile.");
      }
      await alice.type("@ALL: the end");
      await alice.type("/reply yours, too");

      if (alice.begin) {
        assert((await bob.next("FORWARD")).endsWith("\n\nyes, at eight"));
      }
      await readsNext(bob, "the end");
      await readsNext(eve, "the end");
      await readsNext(eve, "yours, too");
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
