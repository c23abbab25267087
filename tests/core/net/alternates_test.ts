/** What a client takes for another server of the chat, and what it does not. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  alternatesIn,
  alternateText,
  MAX_ALTERNATE_LENGTH,
  MAX_ALTERNATES,
  placesOf,
  readAlternate,
} from "../../../core/net/alternates.ts";
import { encode, FrameDecoder, MAX_HEAD_BYTES } from "../../../protocol.ts";

const SHA = "c31c".repeat(16);
const LABEL = "a".repeat(63);
/** A name of 253 characters, which is the longest. */
const LONGEST = `${`${LABEL}.`.repeat(3)}${"b".repeat(61)}`;

const READ: readonly [text: string, host: string][] = [
  ["192.168.1.6 tcp=1", "192.168.1.6"],
  ["192.168.1.6 tcp=65535", "192.168.1.6"],
  ["223.255.255.255 tcp=1", "223.255.255.255"],
  ["1.0.0.0 tcp=1", "1.0.0.0"],
  ["[2001:DB8:0::1] tcp=1", "2001:db8::1"],
  ["[::1] tcp=1", "::1"],
  ["Lab-1.example tcp=1", "lab-1.example"],
  ["lab1 tcp=1", "lab1"],
  ["3com.example tcp=1", "3com.example"],
  ["1.2.3.4.a tcp=1", "1.2.3.4.a"],
  ["xn--bcher-kva.example tcp=1", "xn--bcher-kva.example"],
  [`${LABEL}.example tcp=1`, `${LABEL}.example`],
  [`${LONGEST} tcp=1`, LONGEST],
  ["lab1 tcp=1 quic=4433 h3=x:y/z", "lab1"], // a newer server's
];

for (const [text, hostname] of READ) {
  Deno.test(`a client takes the alternate ${text.slice(0, 80)}`, () => {
    assertEquals(readAlternate(text)?.hostname, hostname);
  });
}

const NOT_READ = [
  "",
  " tcp=1",
  "tcp=1",
  "0.0.0.0 tcp=1",
  "0.1.2.3 tcp=1",
  "224.0.0.1 tcp=1",
  "255.255.255.255 tcp=1",
  "256.0.0.1 tcp=1",
  "01.0.0.1 tcp=1",
  "1.2.3 tcp=1",
  "1.2.3.4.5 tcp=1",
  "0x7f.1 tcp=1",
  "lab.0x7f tcp=1",
  "2130706433 tcp=1",
  "::1 tcp=1",
  "[::] tcp=1",
  "[fe80::1] tcp=1",
  "[fe80::1%eth0] tcp=1",
  "[ff02::1] tcp=1",
  "[::ffff:10.0.0.1] tcp=1",
  "[1.2.3.4] tcp=1",
  "[::1 tcp=1",
  "[::1]x tcp=1",
  "lab1. tcp=1",
  ".lab1 tcp=1",
  "lab..example tcp=1",
  "-lab1 tcp=1",
  "lab1- tcp=1",
  "lab_1 tcp=1",
  "bücher.example tcp=1",
  "alice@lab1 tcp=1",
  "alice:secret@lab1 tcp=1",
  "lab1:9898 tcp=1",
  "lab1/path tcp=1",
  "http://lab1 tcp=1",
  "lab1;x tcp=1",
  "lab1' tcp=1",
  "*.example tcp=1",
  "lab1\t tcp=1",
  "lab1\x07 tcp=1",
  "lab1\u202e tcp=1",
  `${LABEL}a.example tcp=1`,
  `${LONGEST}b tcp=1`,
  `${"a.".repeat(32_768)}a tcp=1`,
  "lab1 tcp=0",
  "lab1 tcp=65536",
  "lab1 tcp=-1",
  "lab1 tcp=+1",
  "lab1 tcp=1e3",
  "lab1 tcp=0x50",
  "lab1 tcp=000080",
  "lab1 tcp=",
  "lab1 tcp",
  "lab1  tcp=1",
  "lab1 TCP=1",
  "lab1 tcp=1 tcp=1",
  "lab1 tcp=1 sha256=c31c",
  `lab1 tcp=1 sha256=${SHA}0`,
  `lab1 tcp=1 sha256=${SHA} sha256=${SHA}`,
  `lab1 tcp=1 x=${"y".repeat(MAX_ALTERNATE_LENGTH)}`,
];

for (const text of NOT_READ) {
  const shown = JSON.stringify(text.slice(0, 80));
  Deno.test(`a client leaves out the alternate ${shown} of ${text.length}`, () => {
    assertEquals(readAlternate(text), undefined);
  });
}

const TEXT = `192.168.1.6 tcp=9898 tls=9899 https=8080 sha256=${SHA}`;

Deno.test("an alternate is written as it is read", () => {
  const read = readAlternate(
    TEXT.toUpperCase().replace(/[A-Z0-9]+=/g, (way) => {
      return way.toLowerCase();
    }),
  );

  assertEquals(read, {
    hostname: "192.168.1.6",
    ports: { tcp: 9898, tls: 9899, https: 8080 },
    sha256: SHA,
  });
  assertEquals(alternateText(read!), TEXT);
  assertEquals(
    alternateText(readAlternate("[::1] https=1")!),
    "[::1] https=1",
  );
});

Deno.test("whatever is read is written so that it is read as the same", () => {
  const word = fc.constantFrom("tcp=1", "tls=2", "http=3", "x=4", "[::2]", "a");
  const words = fc.array(word, { maxLength: 6 }).map((all) => all.join(" "));
  fc.assert(fc.property(fc.oneof(words, fc.string()), (text) => {
    const read = readAlternate(text);
    if (read) assertEquals(readAlternate(alternateText(read)), read);
  }));
});

/** A frame as a client gets it. */
function received(alternates: readonly string[]) {
  const decoder = new FrameDecoder({ maxBodyBytes: 0 });
  const bytes = encode("NOTICE", ["set"], { Alternate: alternates });
  for (let at = 0; at < bytes.length;) {
    const space = decoder.space();
    const part = bytes.subarray(at, at + space.length);
    space.set(part);
    decoder.received(part.length);
    at += part.length;
    for (const frame of decoder.frames()) return frame;
  }
  throw new Error("no whole frame");
}

Deno.test("eight of the longest alternates fit into a head, beside all else", () => {
  const longest = `${LONGEST} tcp=65535 tls=65535 http=65535 https=65535 ` +
    `sha256=${SHA}`;
  assertEquals(readAlternate(longest)?.hostname, LONGEST);

  const bytes = encode("NOTICE", ["set"], {
    Alternate: Array(MAX_ALTERNATES).fill(longest),
  });

  assertEquals(bytes.length < MAX_HEAD_BYTES - 500, true, `${bytes.length}`);
});

Deno.test("a client takes the first eight of a hundred alternates, and of them the legal ones", () => {
  const all = Array.from({ length: 100 }, (_, at) => `10.0.0.${at} tcp=9898`);
  const frame = received(all.toSpliced(3, 1, "10.0.0.3:9898"));
  assertEquals(frame instanceof Error, false);

  const taken = alternatesIn(frame as Parameters<typeof alternatesIn>[0]);

  assertEquals(
    taken.map(({ hostname }) => hostname),
    [0, 1, 2, 4, 5, 6, 7].map((last) => `10.0.0.${last}`),
  );
});

Deno.test("a client goes to others in its own way alone", () => {
  const all = [readAlternate(TEXT)!, readAlternate("[2001:db8::1] tcp=1")!];
  const texts = (way: Parameters<typeof placesOf>[1]["way"]) =>
    placesOf(all, { way, teller: "192.168.1.5" }).map(({ text }) => text);

  assertEquals(texts("tcp"), ["192.168.1.6:9898", "[2001:db8::1]:1"]);
  assertEquals(texts("tls"), ["192.168.1.6:9899"]);
  assertEquals(texts("https"), ["192.168.1.6:8080"]);
  assertEquals(texts("http"), []);
});

for (
  const host of [
    "127.0.0.1",
    "127.255.0.9",
    "[::1]",
    "localhost",
    "a.localhost",
  ]
) {
  Deno.test(`a server on another computer cannot send a client to ${host}`, () => {
    const all = [readAlternate(`${host} tcp=9898`)!];
    const count = (teller: string) =>
      placesOf(all, { way: "tcp", teller }).length;

    assertEquals(count("192.168.1.5"), 0);
    assertEquals(count("localhost.example"), 0);
    assertEquals(count("::2"), 0);
    assertEquals(count("127.0.0.1"), 1);
    assertEquals(count("::1"), 1);
    assertEquals(count("LOCALHOST"), 1);
  });
}
