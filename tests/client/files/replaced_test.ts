/**
 * Another program has put something in the place of a partial file: a link to a
 * file of the user must not be written through.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ItemList, namesOn } from "../../../client/files/names.ts";
import { PartialFile } from "../../../client/files/partial_file.ts";
import { FileFailure } from "../../../client/files/records.ts";
import { link, noise, snapshot } from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";
import { needs } from "../../tools/system/skips.ts";

const MEGABYTE = 1_048_576;
const PIECE = 262_144;
const VICTIM = "do not touch me";

/** A folder for downloads, and beside it a file that must stay as it is. */
function folders() {
  const temp = tempFolder();
  const [folder, outside] = ["in", "out"].map((one) => `${temp.path}/${one}`);
  Deno.mkdirSync(folder!);
  Deno.mkdirSync(outside!);
  const victim = `${outside}/victim`;
  Deno.writeTextFileSync(victim, VICTIM, { mode: 0o600 });
  const { mode } = Deno.statSync(victim);
  return {
    folder: folder!,
    outside: outside!,
    victim,
    checkVictim() {
      assertEquals(Deno.readTextFileSync(victim), VICTIM);
      assertEquals(Deno.statSync(victim).mode, mode);
      const names = Array.from(Deno.readDirSync(outside!), (one) => one.name);
      assertEquals(names, ["victim"]);
    },
    [Symbol.dispose]: () => temp[Symbol.dispose](),
  };
}

/** A partial file of what has these paths and sizes. */
async function open(
  folder: string,
  files: Readonly<Record<string, number>>,
  executable = false,
): Promise<PartialFile> {
  const entries = Object.entries(files).map(([path, size]) => ({
    ...{ item: 0, path, size, executable },
  }));
  const list = new ItemList();
  list.add(entries);
  const [item] = list.items;
  const people = { sender: "alice", receiver: "bob" };
  const [names] = await namesOn("linux", list.items);
  return await PartialFile.open(item!, names!, { folder, ...people });
}

/** Writes all of `bytes` that is still missing. */
async function writeAll(
  part: PartialFile,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  await part.beginning(new AbortController().signal);
  for (let at = part.received; at < bytes.length; at += PIECE) {
    await part.write(bytes.slice(at, at + PIECE));
  }
  return createHash("sha256").update(bytes).digest("hex");
}

/** The one partial file of a folder. */
function partIn(folder: string): string {
  const [part] = Array.from(Deno.readDirSync(folder), (one) => one.name);
  return `${folder}/${part}`;
}

const REPLACEMENTS: Readonly<
  Record<string, (path: string, victim: string) => void | Promise<unknown>>
> = {
  "a link to a file": (path, victim) => link(victim, path, "file"),
  "a second name of a file": (path, victim) => Deno.linkSync(victim, path),
  "a link to nothing": (path, victim) => link(`${victim}-none`, path, "file"),
  "a link to a folder": (path, victim) =>
    link(victim.replace(/\/[^/]*$/, ""), path, "dir"),
  "a folder": (path) => Deno.mkdirSync(path),
  "a pipe": (path) => new Deno.Command("mkfifo", { args: [path] }).output(),
};

/** `test`, skipped where `what` cannot be made. */
function placing(what: string, test: Deno.TestDefinition): Deno.TestDefinition {
  if (what === "a pipe") return needs("named pipes in folders", test);
  return what.startsWith("a link") ? needs("links", test) : test;
}

for (const [what, replace] of Object.entries(REPLACEMENTS)) {
  Deno.test(placing(what, {
    name:
      `a partial file that became ${what} is left alone, and the file arrives`,
    async fn() {
      using place = folders();
      const { folder, victim } = place;
      const bytes = noise(3 * PIECE);
      const first = await open(folder, { "a.bin": bytes.length });
      await first.write(bytes.slice(0, PIECE));
      await first.close();
      const path = partIn(folder);
      Deno.removeSync(path);
      await replace(path, victim);
      const before = Deno.lstatSync(path);

      const part = await open(folder, { "a.bin": bytes.length }, true);
      const hash = await writeAll(part, bytes);
      const named = await part.finish(hash);

      assertEquals(named, join(folder, "a.bin"));
      assertEquals(Deno.readFileSync(named), bytes);
      assertEquals(Deno.lstatSync(path).ino, before.ino);
      place.checkVictim();
    },
  }));

  Deno.test(placing(what, {
    name: `a file in a partial folder that became ${what} ends the transfer`,
    async fn() {
      using place = folders();
      const { folder, victim } = place;
      const bytes = noise(2 * PIECE);
      const files = { "d/sub/a": PIECE, "d/sub/b": PIECE };
      const first = await open(folder, files);
      await first.write(bytes.slice(0, PIECE));
      await first.close();
      const path = `${partIn(folder)}/sub/a`;
      Deno.removeSync(path);
      await replace(path, victim);

      const part = await open(folder, files);
      const error = await assertRejects(
        () => writeAll(part, bytes),
        FileFailure,
        'Cannot write "d": something else is in the place of a',
      );
      await part.remove();

      assert(error.spoiled);
      assertEquals(snapshot(folder), {}); // the next attempt starts anew
      place.checkVictim();
    },
  }));

  Deno.test(placing(what, {
    name:
      `a partial file that becomes ${what} before it gets its name gets none`,
    async fn() {
      using place = folders();
      const { folder, victim } = place;
      const bytes = noise(PIECE);
      const part = await open(folder, { "a.bin": bytes.length }, true);
      const hash = await writeAll(part, bytes);
      await part.close(); // all of it is written
      const path = partIn(folder);
      Deno.removeSync(path);
      await replace(path, victim);

      await assertRejects(() => part.finish(hash), FileFailure, "in the place");
      await part.remove();

      assertEquals(Array.from(Deno.readDirSync(folder)), []);
      place.checkVictim();
    },
  }));
}

Deno.test(needs("links", {
  name: "a folder that becomes a link while its files arrive is not written to",
  async fn() {
    using place = folders();
    const { folder, outside } = place;
    const files = {
      "d/sub/a": MEGABYTE,
      "d/sub/b": 2 * MEGABYTE,
      "d/sub/c": MEGABYTE,
    };
    const bytes = noise(4 * MEGABYTE);
    const part = await open(folder, files);
    await part.beginning(new AbortController().signal);
    for (let at = 0; at < 13 * PIECE; at += PIECE) {
      await part.write(bytes.slice(at, at + PIECE)); // b is open by the end
    }
    const sub = `${partIn(folder)}/sub`;
    Deno.removeSync(sub, { recursive: true });
    link(outside, sub, "dir");

    await assertRejects(
      async () => {
        for (let at = 13 * PIECE; at < bytes.length; at += PIECE) {
          await part.write(bytes.slice(at, at + PIECE));
        }
        await part.finish(createHash("sha256").update(bytes).digest("hex"));
      },
      FileFailure,
      'Cannot write "d": something else is in the place of sub',
    );
    await part.remove();

    place.checkVictim();
  },
}));
