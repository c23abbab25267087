/** Files between two people whose connection breaks and comes back. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { EXIT, Failure } from "../../../client/terminal/failure.ts";
import { FileFailure } from "../../../client/files/failure.ts";
import type { Job } from "../../../client/files/job.ts";
import { SharedFolder } from "../../../client/files/share.ts";
import { findSources } from "../../../client/files/disk.ts";
import { MAX_UNDER_WAY } from "../../../client/files/exchange.ts";
import { FileTalk } from "../../../client/files/talk.ts";
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

/** Alice and bob, on one connection after the other. */
class Talks implements AsyncDisposable {
  readonly alice: FileTalk;
  readonly bob: FileTalk;
  /** Bytes of records that alice has sent. */
  sent = 0;
  readonly offered: Promise<Job>;
  /** After so many more bytes of either, the connection breaks once. */
  cutAfter = Infinity;
  readonly #cut = new Set<Promise<void>>();
  #wires: Wire[] = [];

  constructor(folder: string, shared?: SharedFolder) {
    const { promise, resolve } = Promise.withResolvers<Job>();
    this.offered = promise;
    const parts = {
      folder: () => folder,
      served: () => {},
      lackOfRoom: (job: Job) => Promise.resolve(this.lackOfRoom(job)),
    };
    this.alice = new FileTalk({
      ...parts,
      me: "alice",
      peer: "bob",
      shared: undefined,
      offered: () => {},
    });
    this.bob = new FileTalk({
      ...parts,
      me: "bob",
      peer: "alice",
      shared,
      offered: (job) => {
        resolve(job);
        this.onOffered(job);
      },
    });
  }

  connect(): void {
    const toBob = new Wire(async (record) => {
      this.sent += record.length;
      if (!this.#cuts(record)) await this.bob.receive(record);
    }, fail);
    const toAlice = new Wire(async (record) => {
      if (!this.#cuts(record)) await this.alice.receive(record);
    }, fail);
    this.#wires.push(toBob, toAlice);
    const lost = () => {
      throw LOST;
    };
    this.alice.connect((record) => toBob.say(record).catch(lost));
    this.bob.connect((record) => toAlice.say(record).catch(lost));
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
      this.alice.disconnect(LOST),
      this.bob.disconnect(LOST),
    ]).then(() => this.onCut()).finally(() => this.#cut.delete(cut));
    this.#cut.add(cut);
  }

  /** Why there is no room for something. */
  lackOfRoom: (job: Job) => string | undefined = () => undefined;

  /** What bob does about an offer. */
  onOffered: (job: Job) => void = () => {};

  /** What happens after a break. */
  onCut: () => void = () => {};

  async [Symbol.asyncDispose](): Promise<void> {
    for (const wire of this.#wires) wire.cut();
    await Promise.all([this.alice.end(LOST), this.bob.end(LOST)]);
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
  await using talks = new Talks(to.path);
  const size = 60_000_000;
  writeFiles(from.path, { "notes.pdf": size });
  let breaks = 0;
  talks.onCut = () => {
    breaks++;
    talks.connect();
    if (breaks < 20) talks.cutAfter = random() * size / 12;
  };
  talks.connect();
  talks.cutAfter = random() * size / 12;

  const sending = talks.alice.send(
    await findSources([`${from.path}/notes.pdf`]),
  );
  talks.bob.accept(await talks.offered);
  await sending.ended;

  assertEquals(snapshot(to.path), { "notes.pdf": hashOf(noise(size)) });
  assert(breaks >= 10, `seed ${seed}: ${breaks} breaks`);
  assert(talks.sent < 1.2 * size, `seed ${seed}: ${talks.sent} bytes`);
});

Deno.test("what is too much at once is offered when there is room for it", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using talks = new Talks(to.path);
  const names = Array.from({ length: MAX_UNDER_WAY + 5 }, (_, i) => `${i}`);
  writeFiles(from.path, Object.fromEntries(names.map((name) => [name, name])));
  let waits = true; // until there is as much as may be
  talks.onOffered = (job) => {
    const { jobs } = talks.bob;
    if (!waits) talks.bob.accept(job);
    else if (jobs.length === MAX_UNDER_WAY) {
      waits = false;
      for (const one of jobs) talks.bob.accept(one);
    }
  };
  talks.connect();

  const sendings: Job[] = [];
  for (const name of names) {
    const outgoing = await findSources([`${from.path}/${name}`]);
    sendings.push(talks.alice.send(outgoing));
  }
  await Promise.all(sendings.map(({ ended }) => ended));

  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("an offer that nobody has answered yet is not asked twice after a break", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using talks = new Talks(to.path);
  writeFiles(from.path, { a: "a" });
  talks.connect();
  const sending = talks.alice.send(await findSources([`${from.path}/a`]));
  const job = await talks.offered;

  const again = Promise.withResolvers<void>();
  talks.onCut = () => {
    talks.connect();
    again.resolve();
  };
  talks.cut();
  await again.promise;
  assertEquals(talks.bob.jobs, [job]);
  talks.bob.accept(job);

  await sending.ended;
  assertEquals(await job.ended, [`${to.path}/a`]);
});

Deno.test("what is got of a shared folder goes on after a break", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 9_000_000 });
  await using talks = new Talks(to.path, await SharedFolder.open(from.path));
  let moved = 0;
  talks.onCut = () => {
    moved = job.moved;
    talks.connect();
  };
  talks.connect();
  talks.cutAfter = 5_000_000;

  const job = talks.alice.get("a");
  const paths = await job.ended;

  assertEquals(paths, [`${to.path}/a`]);
  assert(moved > 4_000_000, `${moved} bytes were there when it broke`);
  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("whoever sends something else than was asked for is declined", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.txt": 5, "trick.exe": 5 });
  const shared = await SharedFolder.open(from.path);
  shared.find = () => findSources([`${from.path}/trick.exe`]);
  await using talks = new Talks(to.path, shared);
  talks.connect();

  const { ended } = talks.alice.get("notes.txt");

  const error = await assertRejects(() => ended, FileFailure);
  assertEquals(error.message, '"trick.exe" was sent instead of "notes.txt"');
  assertEquals(snapshot(to.path), {});
});

Deno.test("what is got and has no room is declined", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.txt": 5 });
  await using talks = new Talks(to.path, await SharedFolder.open(from.path));
  talks.lackOfRoom = (job) => `no room for ${job.size} bytes`;
  talks.connect();

  const { ended } = talks.alice.get("notes.txt");

  await assertRejects(() => ended, FileFailure, "no room for 5 bytes");
  assertEquals(snapshot(to.path), {});
});

Deno.test("each side can cancel, in the middle and before the answer", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 9_000_000 });
  const outgoing = await findSources([`${from.path}/a`]);
  for (const who of ["alice", "bob"] as const) {
    for (const state of ["asking", "running"]) {
      await using talks = new Talks(to.path);
      talks.connect();
      const sending = talks.alice.send(outgoing);
      const job = await talks.offered;
      if (state === "running") talks.bob.accept(job);
      const { [who]: talk } = talks;
      await talk.cancel(talk.jobs[0]!);

      const does = who === "bob" && state === "asking"
        ? "declined"
        : "cancelled it";
      for (const { ended } of [sending, job]) {
        const error = await assertRejects(() => ended, FileFailure);
        assertEquals(error.message, `${who} ${does}`);
      }
      assertEquals([talks.alice.jobs, talks.bob.jobs], [[], []]);
    }
  }
  assertEquals(snapshot(to.path), {});
});

Deno.test("the end of the session ends everything, and keeps what is there", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 9_000_000 });
  await using talks = new Talks(to.path);
  talks.connect();
  const sending = talks.alice.send(await findSources([`${from.path}/a`]));
  const job = await talks.offered;
  talks.bob.accept(job);
  const ended = Promise.withResolvers<void>();
  talks.onCut = () => ended.resolve();
  talks.cutAfter = 5_000_000;
  await ended.promise;
  assertEquals([sending.state, job.state], ["paused", "paused"]);

  await talks.bob.end(LOST);
  await talks.alice.end(LOST);

  for (const { ended } of [sending, job]) {
    await assertRejects(() => ended, FileFailure, "Direct connection lost");
  }
  assertEquals(Object.keys(snapshot(to.path)).length, 1);
});
