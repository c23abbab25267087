/** Clients go on at another server of Parley when theirs is killed, or stops. */
import { assert, assertEquals } from "@std/assert";
import { hasChromium, launchBrowser, Person } from "../tools/browser.ts";
import { historyOf } from "../tools/class_room.ts";
import { ClientProcess } from "../tools/client_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { Process } from "../tools/server_process.ts";
import { settingsIn, tempFolder } from "../tools/temp.ts";
import { type NatsServers, natsTest } from "./nats_servers.ts";

/** Three servers of Parley, which have told each other where they are. */
async function startThree(
  nats: NatsServers,
  scope: AsyncDisposableStack,
  ...more: string[]
) {
  const servers = [0, 1, 2].map((server) =>
    scope.use(
      new Process([
        ...["--port", "0", "--host", "127.0.0.1", "--db", ":memory:"],
        ...["--nats", nats.from(server).join(), "--server-name", `s${server}`],
        ...["--web-port", "0", ...more],
      ]),
    )
  );
  const all = await Promise.all(servers.map(async (process) => {
    const [, web] = await process.out.until(/https?:\/\/127\.0\.0\.1:(\d+)/);
    return { process, port: await process.port(), web: Number(web) };
  }));
  for (const { port } of all) {
    using watcher = await RawClient.connect(port);
    let told = await watcher.ask(`REGISTER watcher${port}\n\n`);
    while ((told.match(/^Alternate: /gm)?.length ?? 0) < 2) {
      told = await watcher.next("NOTICE set");
    }
    await watcher.ask("LOGOUT\n\n");
  }
  return all;
}

/** The ports of Parley that `text` says a client is connected to again. */
function movesIn(text: string): number[] {
  return Array.from(
    text.matchAll(/Connected again, to 127\.0\.0\.1:(\d+)$/gm),
    ([, port]) => Number(port),
  );
}

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  natsTest(
    `a terminal client and a page lose nothing when their server gets ${signal}`,
    async (nats) => {
      await using scope = new AsyncDisposableStack();
      const [first, ...others] = await startThree(nats, scope);
      const { port, web, process } = first!;
      const bob = scope.use(
        await RawClient.enter(others[0]!.port, "bob", "#default"),
      );
      const alice = scope.use(
        new ClientProcess(["alice", `127.0.0.1:${port}`, "--plain"]),
      );
      await alice.until("you joined #default");
      const browser = hasChromium ? await launchBrowser() : undefined;
      scope.defer(() => browser?.close());
      const url = `http://127.0.0.1:${web}/`;
      const carol = browser && await Person.enter(browser, url, "carol");
      await alice.type("one\n");
      await bob.next("FORWARD alice");
      await carol?.say("two");
      if (carol) await bob.next("FORWARD carol");

      process.kill(signal);
      await alice.until("Reconnecting");
      await alice.type("three\n");
      await bob.say("#default", "four");
      await alice.until("bob: four\n");
      await alice.until("alice: three\n");
      if (carol) {
        await carol.say("five");
        await carol.sees("four");
        await carol.sees("three");
        await carol.allSent();
        await alice.until("carol: five\n");
      }

      const kept = await historyOf(others[1]!.port, "#default");
      const texts = kept.map((line) => line.replace(/^\w+: /, "")).toSorted();
      assertEquals(
        texts,
        carol
          ? ["five", "four", "one", "three", "two"]
          : ["four", "one", "three"],
      );
      const lines = alice.out.split("\n").map((line) =>
        /(\w+: \w+)$/.exec(line)?.[1]
      )
        .filter((line) => line !== undefined && kept.includes(line));
      assertEquals(lines, kept);
      if (carol) {
        const seen = (await carol.messages()).map((one) =>
          one.replace("You", "carol")
        );
        assertEquals(seen, kept);
        assertEquals(carol.complaints, []);
      }
      const moves = movesIn(alice.out);
      assertEquals(moves.length, 1);
      assert(others.some((one) => one.port === moves[0]), `${moves}`);
    },
  );
}

natsTest(
  "a terminal client with TLS goes on with TLS, and asks nothing",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const tls = ["--tls", "--tls-port", "0"];
    const [first, ...others] = await startThree(nats, scope, ...tls);
    const { text } = first!.process.out;
    const [, port] = /on port (\d+) with TLS/.exec(text) ?? [];
    const [fingerprint = ""] = /\b[\dA-F]{2}(:[\dA-F]{2}){31}\b/.exec(text) ??
      [];
    const folder = scope.use(tempFolder());
    const alice = scope.use(
      new ClientProcess([
        ...["alice", `127.0.0.1:${port}`, "--plain", "--tls"],
        ...["--fingerprint", fingerprint],
      ], settingsIn(folder.path)),
    );
    await alice.until("you joined #default");

    first!.process.kill("SIGKILL");
    await alice.until("Reconnecting");
    await alice.type("one\n");
    await alice.until("alice: one\n");

    const [move] = movesIn(alice.out);
    const ways = others.map(({ process }) =>
      Number(/on port (\d+) with TLS/.exec(process.out.text)?.[1])
    );
    assert(ways.some((port) => port === move), `${move} of ${ways}`);
    assertEquals(await historyOf(others[0]!.port, "#default"), ["alice: one"]);
  },
);
