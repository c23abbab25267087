/** What TLS records count for beside their text. */
import { assertEquals } from "@std/assert";
import { RecordPace } from "../../tls/records.ts";

/** A record over TLS 1.3 with `textBytes` of text: a head, the text, and a seal. */
function record(textBytes: number): Uint8Array {
  const length = textBytes + 17;
  const bytes = new Uint8Array(5 + length).fill(9);
  bytes.set([0x17, 3, 3, length >> 8, length & 0xff]);
  return bytes;
}

function joined(records: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(records.flatMap((one) => [...one]));
}

/** What is counted of records with these texts, which come in reads of `size` bytes. */
function counted(
  texts: readonly number[],
  { size = 1_000, isSecure = true } = {},
): number {
  let sum = 0;
  const pace = new RecordPace((bytes) => void (sum += bytes));
  pace.isSecure = isSecure;
  const all = joined(texts.map(record));
  for (let at = 0; at < all.length; at += size) {
    const part = all.subarray(at, at + size);
    pace.came(part);
    pace.rest();
  }
  return sum;
}

Deno.test("records count the same wherever they are cut", () => {
  const texts = [0, 1, 40, 300, 16_384, 0, 0, 1_000, 2];
  const whole = counted(texts, { size: Infinity });

  for (const size of [1, 2, 3, 5, 7, 21, 22, 23, 1_000]) {
    // What is due is counted when it is a KB: the end may be due still.
    const part = counted([...texts, ...Array(24).fill(0)], { size });
    assertEquals(part >= whole && part <= whole + 24 * 44, true, `${size}`);
  }
});

for (
  const [what, texts, expected] of [
    ["without text, few", Array(23).fill(0), 0],
    ["without text", Array(24).fill(0), 24 * 44],
    ["without text, many", Array(2_400).fill(0), 2_400 * 44],
    ["of padding alone", [16_000], 2 * 16_022],
  ] as const
) {
  Deno.test(`records ${what} count for ${expected} bytes`, () => {
    assertEquals(counted(texts, { size: 22 }), expected);
  });
}

for (
  const [textBytes, expected] of [[1, 43], [43, 1], [44, 0], [16_384, 0]]
) {
  Deno.test(`a record with ${textBytes} bytes of text counts for ${expected} more`, () => {
    let sum = 0;
    const pace = new RecordPace((bytes) => void (sum += bytes));
    pace.isSecure = true;

    for (let count = 0; count < 1_024; count++) {
      pace.came(record(textBytes!));
      pace.gave(textBytes!);
      pace.rest();
    }

    assertEquals(Math.ceil(sum / 1_024), expected);
  });
}

Deno.test("records of a handshake count for their number", () => {
  const sizes = { size: Infinity, isSecure: false };

  assertEquals(counted([1_000, 1_000, 1_000], sizes), 0);
  assertEquals(counted(Array(100).fill(1), sizes), 4_400);
});

Deno.test("without a meter nothing waits", () => {
  const pace = new RecordPace(undefined);
  pace.isSecure = true;

  pace.came(joined(Array(1_000).fill(record(0))));

  assertEquals(pace.rest(), undefined);
});
