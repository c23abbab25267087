/** Conversations: what is said arrives once and in order, or is told of. */
import { assertEquals } from "@std/assert";
import {
  type Audience,
  DirectTalk,
  type DirectTalkStart,
} from "../../../client/direct/direct_talk.ts";
import { Files } from "../../../client/files/files.ts";
import { PeerFiles } from "../../../client/files/peer_files.ts";
import { Rendezvous } from "../../../client/direct/rendezvous.ts";
import { agreements } from "../../tools/direct_tools.ts";
import { FaultProxy } from "../../tools/net/fault_proxy.ts";
import { within } from "../../tools/net/within.ts";

const HERE = { hostname: "127.0.0.1" };

/** Remembers what was shown, and waits for it. */
class Listener implements Audience {
  readonly cancelAdvice = "/cancel";
  readonly texts: string[] = [];
  #waiting: (() => void)[] = [];

  note(text: string): void {
    this.texts.push(text);
    for (const look of this.#waiting.splice(0)) look();
  }

  show: Audience["show"] = ({ text }) => this.note(text);
  showError: Audience["showError"] = (text) => this.note(text);
  explain: Audience["explain"] = ({ message }) => this.note(message);

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

/** What a session with `name` starts with. */
function startWith(name: string) {
  const { transfers } = new Files({ me: "somebody", show: () => {} });
  const talk = new PeerFiles(transfers, name);
  return { name, talk, ours: name === "bob", forFiles: false };
}

/** Two who are about to talk through a proxy that breaks their connection. */
async function strangers(
  reconnectWithinMs?: number,
  more: Partial<DirectTalkStart> = {},
) {
  const [caller, called] = await agreements();
  const quick = { ...HERE, timeoutMs: 2_000 };
  const [hers, his] = [new Rendezvous(quick), new Rendezvous(quick)];
  const proxy = await FaultProxy.open({ target: his.candidates[0]!.port });
  hers.agree(caller, [{ ...HERE, port: proxy.port }]);
  his.agree(called, []);
  const [a, b] = [new Listener(), new Listener()];
  const start = (name: string) => ({
    ...startWith(name),
    ...(reconnectWithinMs === undefined ? {} : { reconnectWithinMs }),
    ...more,
  });
  const alice = new DirectTalk(start("bob"), a);
  const bob = new DirectTalk(start("alice"), b);
  const run = () =>
    Promise.all([
      alice.run(Promise.resolve(hers)),
      bob.run(Promise.resolve(his)),
    ]);
  return { alice, bob, a, b, proxy, run };
}

/** Two who talk. */
async function talkers(reconnectWithinMs?: number) {
  const pair = await strangers(reconnectWithinMs);
  const running = pair.run();
  const { a, b } = pair;
  await Promise.all([a, b].map((one) => one.until("Compare this")));
  return { ...pair, running };
}

for (
  const [what, more, caller, called] of [
    ["a conversation", {}, "/hangup", "/hangup"],
    [
      "files that are offered",
      { forFiles: true, isOffered: true },
      "/cancel",
      "/cancel",
    ],
    ["files of a shared folder", { forFiles: true }, "/cancel", ""],
  ] as const
) {
  Deno.test(`each side of ${what} is told how to end it`, async () => {
    const { a, b, alice, bob, run } = await strangers(undefined, more);

    const running = run();
    await Promise.all([a, b].map((one) => one.until("Compare this")));
    await Promise.all([alice.end(), bob.end()]);
    await running;

    for (
      const [one, name, end] of [[a, "bob", caller], [
        b,
        "alice",
        called,
      ]] as const
    ) {
      const advice = end && ` If ${name} sees another code, ${end}.`;
      assertEquals(
        one.texts[0]?.replace(/\d{3} \d{3}/, "CODE"),
        `Direct session with ${name}. Compare this code by voice: CODE.${advice}`,
      );
    }
  });
}

Deno.test("a user who waits for the connection is told what may help", async () => {
  const [caller] = await agreements();
  const hers = new Rendezvous(HERE);
  hers.agree(caller, []);
  const a = new Listener();
  const alice = new DirectTalk({ ...startWith("bob"), hintAfterMs: 0 }, a);

  const running = alice.run(Promise.resolve(hers));
  await a.until("Still connecting to bob. ");
  await alice.end();
  await running;

  assertEquals(a.texts.length, 1);
});

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
  const { alice, a, b, proxy, run } = await strangers();
  await using _proxy = proxy;

  const running = run();
  await alice.end();
  await running;

  assertEquals(a.texts, []);
  assertEquals(b.texts.at(-1), "alice ended the direct session");
});
