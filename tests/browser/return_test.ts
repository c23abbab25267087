/** The page comes back: nothing is lost, said twice or out of order. */
import { assert, assertEquals } from "@std/assert";
import { pageTest, Person } from "../tools/browser.ts";
import { quietServer } from "../tools/client_tools.ts";
import { FaultProxy, newSeed, seeded } from "../tools/net/fault_proxy.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { serveWebSockets } from "../tools/net/test_server.ts";
import { Process } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";
import { fileBrowser } from "./scene.ts";

const browser = fileBrowser();

/** A server process with a page, which keeps its messages in `folder`. */
async function startProcess(folder: string) {
  const process = new Process([
    ...["--host", "127.0.0.1", "--port", "0", "--web-port", "0"],
    ...["--db", `${folder}/parley.db`],
  ]);
  const [, web] = await process.out.until(/http:\/\/127\.0\.0\.1:(\d+)/);
  return { process, port: await process.port(), web: Number(web) };
}

pageTest(
  "a server that is killed and started again loses and doubles nothing",
  async () => {
    using folder = tempFolder();
    const first = await startProcess(folder.path);
    await using proxy = await FaultProxy.open({ target: first.web });
    const url = `http://127.0.0.1:${proxy.port}/`;
    await using alice = await Person.enter(browser(), url, "alice");
    await using bob = await Person.enter(browser(), url, "bob");
    await alice.say("before");
    await bob.sees("before");

    proxy.refuses = true;
    await first.process.stop("SIGKILL");
    await alice.page.getByText(
      /^Connection lost: the server closed it\. Reconnecting\. What you type/,
    ).waitFor();
    for (const text of ["one", "two", "three"]) await alice.say(text);
    await bob.say("four");
    const second = await startProcess(folder.path);
    await using _process = second.process;
    proxy.target = second.web;
    proxy.refuses = false;
    for (const person of [alice, bob]) await person.page.bringToFront();
    await Promise.all([alice.sees("four"), bob.sees("three")]);
    await Promise.all([alice.allSent(), bob.allSent()]);
    const said = (await alice.messages()).map((one) =>
      one.replace("You", "alice")
    );
    const heard = (await bob.messages()).map((one) =>
      one.replace("You", "bob")
    );
    await using carol = await Person.enter(browser(), url, "carol");
    await carol.sees("four");

    assertEquals(said.toSorted(), [
      "alice: before",
      "alice: one",
      "alice: three",
      "alice: two",
      "bob: four",
    ]);
    assertEquals(heard, said);
    assertEquals(await carol.messages(), said);
  },
);

/** More of them in a row would make the pauses longer than a test can wait. */
const CUTS = 10;

pageTest(
  "connections that are cut at random lose and double nothing",
  async () => {
    const seed = newSeed();
    const random = seeded(seed);
    await using server = quietServer();
    const web = serveWebSockets(server);
    await using proxy: FaultProxy = await FaultProxy.open({
      target: web.port,
      random: () => proxy.cuts < CUTS ? random() : 1, // then never
    });
    const url = `http://127.0.0.1:${proxy.port}/`;
    try {
      await using alice = await Person.enter(browser(), url, "alice");
      await using bob = await Person.enter(browser(), url, "bob");
      using terry = await RawClient.enter(server.port, "terry", "#default");

      proxy.bytesPerCut = 3_000;
      proxy.cutAll();
      for (let round = 0; round < 20; round++) {
        if (round === 10) proxy.cutAll(); // chance may cut none
        await alice.say(`a${round}`);
        await terry.say("#default", `t${round}`);
        await bob.say(`b${round}`);
      }
      await bob.allSent();
      proxy.bytesPerCut = Infinity;
      proxy.cutAll();
      await alice.allSent();
      await Promise.all([alice, bob].map((one) => one.sees("t19")));
      await Promise.all([alice.sees("b19"), bob.sees("a19")]);

      const said = (await alice.messages()).map((s) =>
        s.replace("You", "alice")
      );
      const heard = (await bob.messages()).map((s) => s.replace("You", "bob"));
      assertEquals(said, heard);
      assertEquals(said.length, 60);
      assertEquals(new Set(said).size, 60);
      for (const name of ["alice", "bob", "terry"]) {
        const theirs = said.filter((one) => one.startsWith(`${name}:`));
        const wanted = Array.from(
          theirs,
          (_, round) => `${name}: ${name[0]}${round}`,
        );
        assertEquals(theirs, wanted);
      }
      assert(proxy.cuts > 5, `only ${proxy.cuts} cuts`);
    } catch (cause) {
      throw new Error(`PARLEY_SEED=${seed}`, { cause });
    } finally {
      web[Symbol.dispose]();
    }
  },
);
