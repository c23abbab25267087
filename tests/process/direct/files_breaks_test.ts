/** A transfer over real connections that break, at random. */
import { assert, assertEquals } from "@std/assert";
import { DirectTalk } from "../../../client/direct/direct_talk.ts";
import { Files } from "../../../client/files/files.ts";
import { PeerFiles } from "../../../client/files/peer_files.ts";
import type { Agreement } from "../../../client/direct/handshake.ts";
import { Rendezvous } from "../../../client/direct/rendezvous.ts";
import { agreements, receiveAll } from "../../tools/direct_tools.ts";
import { FaultProxy, newSeed, seeded } from "../../tools/net/fault_proxy.ts";
import { noise, snapshot, writeFiles } from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

const BREAKS = 20;
const SIZE = 100_000_000;

/** One side of a session: what it says and hears is kept. */
class Side {
  readonly lines: string[] = [];
  readonly files: Files;
  readonly talk: PeerFiles;
  /** Bytes of records that it has sent. */
  sent = 0;
  readonly #conversation: DirectTalk;
  readonly #rendezvous: Rendezvous;

  constructor(
    name: string,
    { agreement, rendezvous, folder }: {
      agreement: Agreement;
      rendezvous: Rendezvous;
      folder: string;
    },
  ) {
    const show = (item: object) => {
      if ("text" in item) this.lines.push(String(item.text));
    };
    this.files = new Files({ me: name, folder, show, accepts: () => true });
    this.talk = new PeerFiles(this.files.transfers, "peer");
    const connect = this.talk.connect.bind(this.talk);
    this.talk.connect = (say) =>
      connect((record) => {
        this.sent += record.length;
        return say(record);
      });
    const audience = {
      show,
      note: (text: string) => show({ text }),
      showError: (text: string) => show({ text }),
      cancelAdvice: "/cancel",
      explain: ({ message }: Error) => show({ text: message }),
      flushed: () => Promise.resolve(),
    };
    const ours = agreement.role === "caller";
    const start = { name: "peer", talk: this.talk, ours, forFiles: false };
    this.#conversation = new DirectTalk(start, audience);
    this.#rendezvous = rendezvous;
  }

  run(): Promise<void> {
    return this.#conversation.run(Promise.resolve(this.#rendezvous));
  }

  say(text: string): void {
    this.#conversation.send(text);
  }

  hangUp(): Promise<void> {
    return this.#conversation.end();
  }
}

Deno.test(`${BREAKS} breaks at random: it arrives whole, with less than a fifth sent again`, async () => {
  const seed = newSeed();
  const random = seeded(seed);
  using from = tempFolder();
  using to = tempFolder();
  Deno.writeFileSync(`${from.path}/big`, noise(SIZE));
  const [hers, his] = await agreements();
  const here = { hostname: "127.0.0.1" };
  const [caller, called] = [new Rendezvous(here), new Rendezvous(here)];
  await using proxy: FaultProxy = await FaultProxy.open({
    target: caller.candidates[0]!.port,
    random: () => proxy.cuts < BREAKS ? random() : 1, // then never
  });
  proxy.bytesPerCut = SIZE / BREAKS / 2; // so that chance hardly gives fewer
  caller.agree(hers, []);
  called.agree(his, [{ ...here, port: proxy.port }]);
  const parts = { folder: to.path };
  const alice = new Side("alice", {
    ...parts,
    agreement: hers,
    rendezvous: caller,
  });
  const bob = new Side("bob", { ...parts, agreement: his, rendezvous: called });
  const running = Promise.all([alice.run(), bob.run()]);

  const outgoing = await alice.files.find([`${from.path}/big`]);
  const transfer = alice.files.send(alice.talk, outgoing);
  alice.say("meanwhile");
  await transfer.ended;
  await alice.hangUp();
  await running;

  assertEquals(snapshot(to.path), snapshot(from.path));
  const told = `seed ${seed}: ${proxy.cuts} cuts, ${alice.sent} bytes`;
  assert(proxy.cuts >= BREAKS / 2, told);
  assert(alice.sent < 1.2 * SIZE, told);
  assertEquals(bob.lines.filter((line) => line === "meanwhile").length, 1);
});

Deno.test("a side that goes away in the middle leaves a role, and both are told", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 9_000_000 });
  const [hers, his] = await agreements();
  const here = { hostname: "127.0.0.1" };
  const [caller, called] = [new Rendezvous(here), new Rendezvous(here)];
  caller.agree(hers, []);
  called.agree(his, [...caller.candidates]);
  const parts = { folder: to.path };
  const alice = new Side("alice", {
    ...parts,
    agreement: hers,
    rendezvous: caller,
  });
  const bob = new Side("bob", { ...parts, agreement: his, rendezvous: called });
  const running = Promise.all([alice.run(), bob.run()]);
  const connect = Promise.withResolvers<void>();
  const receive = bob.talk.receive.bind(bob.talk);
  let received = 0;
  bob.talk.receive = async (record) => {
    received += record.length;
    if (received > 4_000_000) connect.resolve();
    await receive(record);
  };

  const outgoing = await alice.files.find([`${from.path}/a`]);
  const transfer = alice.files.send(alice.talk, outgoing);
  await connect.promise;
  await alice.hangUp();
  await running;

  const [name = "", ...others] = Object.keys(snapshot(to.path));
  assert(/^a\.[0-9a-f]{8}\.part$/.test(name), name);
  assertEquals([others.length, transfer.state.type], [0, "failed"]);
  assert(alice.lines.some((line) => line.startsWith("a to peer: ")));
  assert(bob.lines.some((line) => line.startsWith("a from peer: ")));
});

Deno.test("a peer that sends what no client sends is disconnected", async () => {
  using to = tempFolder();
  const [hers, his] = await agreements();
  const here = { hostname: "127.0.0.1" };
  const [caller, called] = [new Rendezvous(here), new Rendezvous(here)];
  caller.agree(hers, []);
  called.agree(his, [...caller.candidates]);
  const bob = new Side("bob", {
    folder: to.path,
    agreement: his,
    rendezvous: called,
  });
  const running = bob.run();
  const channel = await caller.connect();

  const heard = receiveAll(channel);
  await channel.send(new Uint8Array([0x20, 0x7b]));
  await running;
  await heard;
  await channel[Symbol.asyncDispose]();
  await caller[Symbol.asyncDispose]();

  assertEquals(
    bob.lines.at(-1),
    "Direct session ended: peer sent an invalid record, " +
      "a control record that is no JSON",
  );
});
