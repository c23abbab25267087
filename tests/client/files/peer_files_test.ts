/** Files between two people whose connection breaks and comes back. */
import { join } from "node:path";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { EXIT, Failure } from "../../../client/view/failure.ts";
import { FileFailure } from "../../../client/files/records.ts";
import { findFiles, SharedFolder } from "../../../client/files/file_source.ts";
import { MAX_UNDER_WAY } from "../../../client/files/peer_connection.ts";
import { PeerFiles } from "../../../client/files/peer_files.ts";
import type { Transfer } from "../../../client/files/transfer.ts";
import { Transfers } from "../../../client/files/transfers.ts";
import {
  hashOf,
  noise,
  snapshot,
  Wire,
  writeFiles,
} from "../../tools/file_tools.ts";
import { newSeed, seeded } from "../../tools/net/fault_proxy.ts";
import { tempFolder } from "../../tools/temp.ts";

const LOST = new Failure(EXIT.failed, "Direct connection lost");

/** One of the two, and what is told of the transfers. */
class Side {
  readonly transfers: Transfers;
  readonly files: PeerFiles;
  /** What is done about an offer. */
  onOffered: (offer: Transfer) => void = () => {};
  /** How much room there is. */
  free = Infinity;
  readonly refusals: string[] = [];
  /** The first that ended. */
  readonly ended = Promise.withResolvers<Transfer>();

  constructor(
    [me, peer]: readonly [me: string, peer: string],
    parts: { folder: string; shared?: SharedFolder | undefined },
  ) {
    this.transfers = new Transfers({
      ...parts,
      me,
      freeBytes: () => Promise.resolve(this.free),
      observer: {
        began() {},
        asks: (offer) => Promise.resolve(this.onOffered(offer)),
        refused: (_, why) => void this.refusals.push(why),
        ended: (transfer) => this.ended.resolve(transfer),
        moved() {},
      },
    });
    this.files = new PeerFiles(this.transfers, peer);
  }

  async send(...paths: string[]): Promise<Transfer> {
    return this.files.send(await findFiles(paths));
  }

  /** Accepts, with the room there is. */
  async accept(offer: Transfer): Promise<void> {
    assertEquals(await this.transfers.accept(offer), undefined);
  }
}

/** Alice and bob, on one connection after the other. */
class Two implements AsyncDisposable {
  readonly alice: Side;
  readonly bob: Side;
  /** Bytes of records that alice has sent. */
  sent = 0;
  readonly offered: Promise<Transfer>;
  /** After so many more bytes of either, the connection breaks once. */
  cutAfter = Infinity;
  readonly #cut = new Set<Promise<void>>();
  #wires: Wire[] = [];

  constructor(folder: string, shared?: SharedFolder) {
    const { promise, resolve } = Promise.withResolvers<Transfer>();
    this.offered = promise;
    this.alice = new Side(["alice", "bob"], { folder });
    this.bob = new Side(["bob", "alice"], { folder, shared });
    this.bob.onOffered = resolve;
  }

  connect(): void {
    const toBob = new Wire(async (record) => {
      this.sent += record.length;
      if (!this.#cuts(record)) await this.bob.files.receive(record);
    }, fail);
    const toAlice = new Wire(async (record) => {
      if (!this.#cuts(record)) await this.alice.files.receive(record);
    }, fail);
    this.#wires.push(toBob, toAlice);
    const lost = () => {
      throw LOST;
    };
    this.alice.files.connect((record) => toBob.say(record).catch(lost));
    this.bob.files.connect((record) => toAlice.say(record).catch(lost));
  }

  #cuts({ length }: Uint8Array): boolean {
    this.cutAfter -= length;
    const cuts = this.cutAfter < 0;
    if (cuts) this.cut();
    return cuts;
  }

  /** Breaks the connection; both find out by themselves. */
  cut(): void {
    this.cutAfter = Infinity;
    for (const wire of this.#wires) wire.cut();
    const cut = Promise.all([
      this.alice.files.disconnect(LOST),
      this.bob.files.disconnect(LOST),
    ]).then(() => this.onCut()).finally(() => this.#cut.delete(cut));
    this.#cut.add(cut);
  }

  /** What happens after a break. */
  onCut: () => void = () => {};

  async [Symbol.asyncDispose](): Promise<void> {
    for (const wire of this.#wires) wire.cut();
    await Promise.all([this.alice.files.end(LOST), this.bob.files.end(LOST)]);
    await Promise.all(this.#cut);
    await Promise.all(this.#wires.map(({ done }) => done));
  }
}

function fail(error: Error): never {
  throw error;
}

Deno.test("twenty breaks at random cost less than a fifth of the file", async () => {
  const seed = newSeed();
  const random = seeded(seed);
  using from = tempFolder();
  using to = tempFolder();
  await using two = new Two(to.path);
  const size = 60_000_000;
  writeFiles(from.path, { "notes.pdf": size });
  let breaks = 0;
  two.onCut = () => {
    breaks++;
    two.connect();
    if (breaks < 20) two.cutAfter = random() * size / 12;
  };
  two.connect();
  two.cutAfter = random() * size / 12;

  const sending = await two.alice.send(`${from.path}/notes.pdf`);
  await two.bob.accept(await two.offered);
  await sending.ended;

  assertEquals(snapshot(to.path), { "notes.pdf": hashOf(noise(size)) });
  assert(breaks >= 10, `seed ${seed}: ${breaks} breaks`);
  assert(two.sent < 1.2 * size, `seed ${seed}: ${two.sent} bytes`);
});

Deno.test("what is too much at once is offered when there is room for it", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using two = new Two(to.path);
  const names = Array.from({ length: MAX_UNDER_WAY + 5 }, (_, i) => `${i}`);
  writeFiles(from.path, Object.fromEntries(names.map((name) => [name, name])));
  let waits = true; // until there is as much as may be
  two.bob.onOffered = (offer) => {
    const { all } = two.bob.transfers;
    if (!waits) two.bob.accept(offer);
    else if (all.length === MAX_UNDER_WAY) {
      waits = false;
      for (const one of all) two.bob.accept(one);
    }
  };
  two.connect();

  const sendings: Transfer[] = [];
  for (const name of names) {
    sendings.push(await two.alice.send(`${from.path}/${name}`));
  }
  await Promise.all(sendings.map(({ ended }) => ended));

  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("an offer that nobody has answered yet is not asked twice after a break", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using two = new Two(to.path);
  writeFiles(from.path, { a: "a" });
  two.connect();
  const sending = await two.alice.send(`${from.path}/a`);
  const offer = await two.offered;

  const again = Promise.withResolvers<void>();
  two.onCut = () => {
    two.connect();
    again.resolve();
  };
  two.cut();
  await again.promise;
  assertEquals(two.bob.transfers.all, [offer]);
  await two.bob.accept(offer);

  await sending.ended;
  assertEquals((await offer.ended).paths, [join(to.path, "a")]);
});

Deno.test("what is got of a shared folder goes on after a break", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 9_000_000 });
  await using two = new Two(to.path, await SharedFolder.open(from.path));
  let moved = 0;
  two.onCut = () => {
    moved = got.moved;
    two.connect();
  };
  two.connect();
  two.cutAfter = 5_000_000;

  const got = two.alice.files.get("a");
  const { paths } = await got.ended;

  assertEquals(paths, [join(to.path, "a")]);
  assert(moved > 4_000_000, `${moved} bytes were there when it broke`);
  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("whoever sends something else than was asked for is declined", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.txt": 5, "trick.exe": 5 });
  const shared = await SharedFolder.open(from.path);
  shared.find = () => findFiles([`${from.path}/trick.exe`]);
  await using two = new Two(to.path, shared);
  two.connect();

  const { ended } = two.alice.files.get("notes.txt");

  const error = await assertRejects(() => ended, FileFailure);
  assertEquals(error.message, '"trick.exe" was sent instead of "notes.txt"');
  assertEquals(snapshot(to.path), {});
});

Deno.test("what is got and has no room is declined", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.txt": 5 });
  await using two = new Two(to.path, await SharedFolder.open(from.path));
  two.alice.free = 4;
  two.connect();

  const { ended } = two.alice.files.get("notes.txt");

  const error = await assertRejects(() => ended, FileFailure);
  assertEquals(error.message, "alice had no room for it");
  assertEquals(two.alice.refusals, [
    `Cannot accept notes.txt: it needs 5 B, and ${to.path} has room for 4 B`,
  ]);
  assertEquals(snapshot(to.path), {});
});

Deno.test("each side can cancel, in the middle and before the answer", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 9_000_000 });
  for (const who of ["alice", "bob"] as const) {
    for (const state of ["offered", "running"]) {
      await using two = new Two(to.path);
      two.connect();
      const sending = await two.alice.send(`${from.path}/a`);
      const offer = await two.offered;
      if (state === "running") await two.bob.accept(offer);
      const { transfers } = two[who];
      transfers.end(transfers.all[0]!);

      const does = who === "bob" && state === "offered"
        ? "declined"
        : "cancelled it";
      for (const { ended } of [sending, offer]) {
        const error = await assertRejects(() => ended, FileFailure);
        assertEquals(error.message, `${who} ${does}`);
      }
      assertEquals([two.alice.transfers.all, two.bob.transfers.all], [[], []]);
    }
  }
  assertEquals(snapshot(to.path), {});
});

Deno.test("the end of the session ends everything, and keeps what is there", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 9_000_000 });
  await using two = new Two(to.path);
  two.connect();
  const sending = await two.alice.send(`${from.path}/a`);
  const offer = await two.offered;
  await two.bob.accept(offer);
  const ended = Promise.withResolvers<void>();
  two.onCut = () => ended.resolve();
  two.cutAfter = 5_000_000;
  await ended.promise;
  assertEquals([sending.state.type, offer.state.type], ["paused", "paused"]);

  await two.bob.files.end(LOST);
  await two.alice.files.end(LOST);

  for (const { ended } of [sending, offer]) {
    await assertRejects(() => ended, FileFailure, "Direct connection lost");
  }
  assertEquals(Object.keys(snapshot(to.path)).length, 1);
});

Deno.test("what is got and cancelled before its offer comes is declined", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.txt": 5 });
  await using two = new Two(to.path, await SharedFolder.open(from.path));

  const got = two.alice.files.get("notes.txt");
  two.alice.transfers.end(got);
  two.connect();
  const later = two.alice.files.get("notes.txt");
  two.alice.transfers.end(later); // its request is on the way
  await assertRejects(() => later.ended, FileFailure, "alice cancelled it");
  const served = await two.bob.ended.promise;

  await assertRejects(() => served.ended, FileFailure, "alice cancelled it");
  assertEquals(snapshot(to.path), {});
});

Deno.test("what is got waits for no answer of the user", async () => {
  using to = tempFolder();
  await using two = new Two(to.path);

  const got = two.alice.files.get("notes.txt");

  assertEquals(two.alice.transfers.offers, []);
  assertEquals(got.state, { type: "offered", attempt: undefined });
  await two.alice.files.end(LOST);
  await got.settled;
});
