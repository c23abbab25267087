/** Memory that is given back at once. */
import { assertEquals } from "@std/assert";
import {
  release,
  releaseSpent,
  restOf,
  spend,
} from "../../../core/net/memory.ts";

for (const [size, left] of [[4_095, 4_095], [4_096, 0], [65_536, 0]] as const) {
  Deno.test(`release() leaves ${left} of ${size} bytes to the collector`, () => {
    const bytes = new Uint8Array(size);

    release(bytes);

    assertEquals(bytes.buffer.byteLength, left);
  });
}

Deno.test("release() keeps a buffer in which there is more", () => {
  const { buffer } = new Uint8Array(8_192);

  release(new Uint8Array(buffer, 0, 8_191));

  assertEquals(buffer.byteLength, 8_192);
});

Deno.test("releaseSpent() gives back what was spent, and nothing else", () => {
  const spent = new Uint8Array(8_192);
  const other = new Uint8Array(8_192);
  spend(spent);

  releaseSpent(other);
  releaseSpent(spent.subarray(0));
  assertEquals([spent.length, other.length], [8_192, 8_192]);
  releaseSpent(spent);

  assertEquals([spent.length, other.length], [0, 8_192]);
});

Deno.test("restOf() is spent in place of the whole, however short", () => {
  const whole = new Uint8Array(8_192);
  spend(whole);

  const rest = restOf(whole, 8_190);
  releaseSpent(whole);
  assertEquals([whole.length, rest.length], [8_192, 2]);
  releaseSpent(rest);

  assertEquals([whole.length, rest.length], [0, 0]);
});

Deno.test("restOf() of what was not spent is not spent", () => {
  const whole = new Uint8Array(8_192);

  releaseSpent(restOf(whole, 1));

  assertEquals(whole.length, 8_192);
});
