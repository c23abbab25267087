import { assertEquals, assertRejects } from "@std/assert";
import { Lazy } from "../../core/lazy.ts";

Deno.test("Lazy loads once, for all that ask meanwhile", async () => {
  let count = 0;
  const lazy = new Lazy(() => Promise.resolve(++count));

  assertEquals(lazy.loaded, undefined);
  assertEquals(await Promise.all([lazy.load(), lazy.load()]), [1, 1]);
  assertEquals([await lazy.load(), lazy.loaded, count], [1, 1, 1]);
});

Deno.test("Lazy tries again after it failed", async () => {
  let count = 0;
  const lazy = new Lazy(() =>
    ++count === 1 ? Promise.reject(new Error("no")) : Promise.resolve(count)
  );

  await assertRejects(() => lazy.load(), Error, "no");
  assertEquals(lazy.loaded, undefined);
  assertEquals([await lazy.load(), lazy.loaded], [2, 2]);
});
