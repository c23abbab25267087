/** Conversations: what is said arrives once and in order, or is told of. */
import { assertEquals } from "@std/assert";
import {
  type Audience,
  DirectTalk,
} from "../../../client/direct/direct_talk.ts";
import { Files } from "../../../client/files/files.ts";
import { Rendezvous } from "../../../client/direct/rendezvous.ts";
import { agreements } from "../../tools/direct_tools.ts";
import { FaultProxy } from "../../tools/net/fault_proxy.ts";
import { within } from "../../tools/net/raw_client.ts";

const HERE = { hostname: "127.0.0.1" };

/** Remembers what was shown, and waits for it. */
class Listener implements Audience {
  readonly texts: string[] = [];
  #waiting: (() => void)[] = [];

  show: Audience["show"] = (item) => {
    this.texts.push("text" in item ? item.text : "");
    for (const look of this.#waiting.splice(0)) look();
  };

  flushed(): Promise<void> {
    return Promise.resolve();
  }

  async until(text: string): Promise<void> {
    while (!this.texts.some((one) => one.includes(text))) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await within(promise, () => `"${text}" in ${this.texts.join("\n")}`);
    }
  }
}

/** Two who are about to talk through a proxy that breaks their connection. */
async function strangers(reconnectWithinMs?: number) {
  const [caller, called] = await agreements();
  const quick = { ...HERE, timeoutMs: 2_000 };
  const [hers, his] = [new Rendezvous(quick), new Rendezvous(quick)];
  const proxy = await FaultProxy.open({ target: his.candidates[0]!.port });
  hers.agree(caller, [{ ...HERE, port: proxy.port }]);
  his.agree(called, []);
  const [a, b] = [new Listener(), new Listener()];
  const options = () => ({
    talk: new Files({ me: "somebody", show: () => {} }).transfers.withPeer(
      "the other",
    ),
    ...(reconnectWithinMs === undefined ? {} : { reconnectWithinMs }),
  });
  const alice = new DirectTalk(
    { name: "bob", rendezvous: hers, agreement: caller },
    a,
    options(),
  );
  const bob = new DirectTalk(
    { name: "alice", rendezvous: his, agreement: called },
    b,
    options(),
  );
  return { alice, bob, a, b, proxy };
}

/** Two who talk. */
async function talkers(reconnectWithinMs?: number) {
  const pair = await strangers(reconnectWithinMs);
  const running = Promise.all([pair.alice.run(), pair.bob.run()]);
  const { a, b } = pair;
  await Promise.all([a, b].map((one) => one.until("Compare this")));
  return { ...pair, running };
}

Deno.test("messages arrive once and in order, however often the connection breaks", async () => {
  const { alice, bob, a, b, proxy, running } = await talkers();
  await using _proxy = proxy;

  const wanted: string[] = [];
  for (let round = 0; round < 10; round++) {
    for (let index = 0; index < 20; index++) {
      wanted.push(`<${round}.${index}>`);
      alice.send(`a ${wanted.at(-1)}`);
      bob.send(`b ${wanted.at(-1)}`);
    }
    await b.until(`a <${round}.0>`);
    proxy.cutAll();
  }
  wanted.push("<last>"); // it arrives on a connection that is not cut
  alice.send("a <last>");
  bob.send("b <last>");
  await Promise.all([
    a.until(`b ${wanted.at(-1)}`),
    b.until(`a ${wanted.at(-1)}`),
  ]);

  const heard = ({ texts }: Listener, from: string) =>
    texts.filter((text) => text.startsWith(`${from} <`));
  assertEquals(heard(b, "a"), wanted.map((text) => `a ${text}`));
  assertEquals(heard(a, "b"), wanted.map((text) => `b ${text}`));
  await alice.end();
  await running;
  assertEquals(b.texts.at(-1), "alice ended the direct session");
});

Deno.test("a peer that is lost for good is reported, with how much may not have arrived", async () => {
  const { alice, bob, a, b, proxy, running } = await talkers(0);
  proxy.refuses = true;
  proxy.cutAll();
  await a.until("Reconnecting to bob");
  alice.send("into the void");
  bob.send("here too");
  bob.send("and here");
  await running;

  assertEquals(a.texts.at(-1), "bob may not have received your last message");
  assertEquals(
    b.texts.at(-1),
    "alice may not have received your last 2 messages",
  );
  alice.send("late");
  await a.until("Not sent: the direct session with bob is over");
  await proxy[Symbol.asyncDispose]();
});

Deno.test("a side that hangs up while both connect has not lost the other side", async () => {
  const { alice, bob, a, b, proxy } = await strangers();
  await using _proxy = proxy;

  const running = Promise.all([alice.run(), bob.run()]);
  await alice.end();
  await running;

  assertEquals(a.texts, []);
  assertEquals(b.texts.at(-1), "alice ended the direct session");
});
