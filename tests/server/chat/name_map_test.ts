/** Names as keys. */
import { assertEquals } from "@std/assert";
import { NameMap } from "../../../server/chat/names/names.ts";

Deno.test("NameMap finds a name in any case and by its look-alikes", () => {
  const names = new NameMap<number>();
  names.add("Alice", 1);
  names.add("B0b", 2);

  for (const name of ["alice", "ALICE", "a1ice", "aIice"]) {
    assertEquals(names.get(name), 1, name);
  }
  for (const name of ["bob", "b0b", "BOB"]) {
    assertEquals(names.get(name), 2, name);
  }
  assertEquals(names.get("allce"), undefined);
  assertEquals(names.size, 2);
});

Deno.test("NameMap finds a look-alike whichever of the two came first", () => {
  for (
    const [one, other] of [["alice", "aIice"], ["a1ice", "aIice"], [
      "aIice",
      "AIICE",
    ]]
  ) {
    const first = new NameMap<number>();
    const second = new NameMap<number>();
    first.add(one!, 1);
    second.add(other!, 1);
    assertEquals([first.get(other!), second.get(one!)], [1, 1], one);
  }
});

Deno.test("NameMap frees a name with its look-alikes", () => {
  const names = new NameMap<number>();
  names.add("a1ice", 1);

  names.delete("a1ice");

  assertEquals([names.get("a1ice"), names.get("alice"), names.size], [
    undefined,
    undefined,
    0,
  ]);
});

Deno.test("NameMap knows nothing that Object.prototype has", () => {
  assertEquals(new NameMap<number>().get("constructor"), undefined);
});

Deno.test("NameMap gives values in the order they came", () => {
  const names = new NameMap<number>();
  for (const [i, name] of ["c", "a", "b"].entries()) names.add(name, i);

  assertEquals([...names.values()], [0, 1, 2]);
});
