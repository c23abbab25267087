/** Another program holds a file that was just written, as scanners of Windows do. */
import { createHash } from "node:crypto";
import { assertEquals, assertRejects } from "@std/assert";
import { ItemList, namesOn } from "../../../client/files/names.ts";
import { ownFile } from "../../../client/files/own_file.ts";
import { PartialFile } from "../../../client/files/partial_file.ts";
import { FileFailure } from "../../../client/files/records.ts";
import { tempFolder } from "../../tools/temp.ts";
import { FakeClock } from "../../tools/test_clock.ts";

const BYTES = new TextEncoder().encode("hello");
const HASH = createHash("sha256").update(BYTES).digest("hex");

/** Lets calls of a function of Deno fail so often, as Windows says it. */
function held(name: "rename" | "remove" | "open", times: number) {
  const original = Deno[name] as (...args: unknown[]) => Promise<unknown>;
  let left = times;
  const replacement = (...args: unknown[]) =>
    left-- > 0
      ? Promise.reject(
        Object.assign(new Error("In use. (os error 32)"), { code: "EBUSY" }),
      )
      : original(...args);
  Object.assign(Deno, { [name]: replacement });
  return { [Symbol.dispose]: () => Object.assign(Deno, { [name]: original }) };
}

/** A partial file on Windows with all of its bytes. */
async function received(folder: string, path: string, clock: FakeClock) {
  const list = new ItemList();
  list.add([{ item: 0, path, size: BYTES.length }]);
  const [names] = await namesOn("windows", list.items);
  const people = { sender: "alice", receiver: "bob" };
  const held = { system: "windows", clock } as const;
  const place = { folder, ...people, held };
  const part = await PartialFile.open(list.items[0]!, names!, place);
  await part.write(BYTES);
  return part;
}

for (const path of ["a.txt", "d/a.txt"]) {
  Deno.test(`a partial file that is held gets its name a moment later: ${path}`, async () => {
    using to = tempFolder();
    const clock = new FakeClock();
    const part = await received(to.path, path, clock);
    using _scanner = held("rename", 3);

    await part.finish(HASH);

    assertEquals(Deno.readTextFileSync(`${to.path}/${path}`), "hello");
    assertEquals(clock.slept, [10, 20, 40]);
  });
}

Deno.test("a partial file that stays held is told, and can be continued", async () => {
  using to = tempFolder();
  const clock = new FakeClock();
  const part = await received(to.path, "a.txt", clock);
  {
    using _scanner = held("rename", Infinity);

    await assertRejects(
      () => part.finish(HASH),
      FileFailure,
      'Cannot write "a.txt": another program uses it. Close that program',
    );
    await part.close();
  }

  const again = await received(to.path, "a.txt", clock);
  await again.finish(HASH);
  assertEquals(Deno.readTextFileSync(`${to.path}/a.txt`), "hello");
});

Deno.test("a partial file that is held is opened and removed a moment later", async () => {
  using to = tempFolder();
  const clock = new FakeClock();
  const options = { system: "windows", clock } as const;
  const path = `${to.path}/a.part`;
  Deno.writeTextFileSync(path, "hello");
  {
    using _scanner = held("open", 2);
    (await ownFile(path, options)).close();
  }
  const part = await received(to.path, "a.txt", clock);
  using _scanner = held("remove", 2);

  await part.remove();

  assertEquals(clock.slept, [10, 20, 10, 20]);
  assertEquals(Array.from(Deno.readDirSync(to.path), ({ name }) => name), [
    "a.part",
  ]);
});
