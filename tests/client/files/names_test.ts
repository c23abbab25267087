/** Names of files from somebody else. */
import { assert, assertEquals } from "@std/assert";
import {
  MAX_NAME_BYTES,
  numbered,
  safeName,
  SafePaths,
} from "../../../client/files/names.ts";
import {
  MAX_DEPTH,
  MAX_PATH_LENGTH,
  pathParts,
} from "../../../client/files/records.ts";

const SAFE: readonly [what: string, name: string, safe: string][] = [
  ["leaves an ordinary name", "notes v2 (final).pdf", "notes v2 (final).pdf"],
  ["leaves other scripts", "Прüfung 試験.txt", "Прüfung 試験.txt"],
  ["leaves no slash", "../../etc/passwd", "_._.._etc_passwd"],
  ["leaves no backslash", "..\\..\\x.exe", "_._.._x.exe"],
  ["leaves no drive", "C:x", "C_x"],
  ["leaves no stream of NTFS", "a.txt:b", "a.txt_b"],
  ["leaves no control character", "a\nb\x1b[2J\x7f", "a_b_[2J_"],
  ["leaves no bidi override", "annual\u202efdp.exe", "annual_fdp.exe"],
  ["leaves no zero-width space", "a\u200bb", "a_b"],
  ["leaves no half of a surrogate pair", "a\ud800b", "a_b"],
  ["shows what would be hidden", ".bashrc", "_bashrc"],
  ["makes an option a name", "-rf", "_rf"],
  ["drops dots and spaces at the end", "a.txt. . ", "a.txt"],
  ["drops spaces before", "  a", "a"],
  ["makes CON a file", "CON", "_CON"],
  ["makes NUL.txt a file", "NUL.txt", "_NUL.txt"],
  ["makes com1 with spaces a file", "com1 .log", "_com1 .log"],
  ["leaves what only begins like a device", "console.log", "console.log"],
  ["makes no part of ours", "a.3f9a2c01.part", "a.3f9a2c01.part_"],
  ["leaves other parts", "wheel.part", "wheel.part"],
  ["makes something of nothing", "", "_"],
  ["makes something of dots", "...", "_"],
  ["joins what macOS takes apart", "u\u0308ber", "über"],
];

for (const [what, name, safe] of SAFE) {
  Deno.test(`safeName() ${what}`, () => {
    assertEquals(safeName(name), safe);
  });
}

Deno.test("safeName() makes safe names that stay as they are", () => {
  for (const [, name] of SAFE) {
    assertEquals(safeName(safeName(name)), safeName(name));
  }
});

Deno.test("safeName() bounds the length in bytes, and keeps the ending", () => {
  for (const letter of ["a", "ü", "試", "👩‍👩‍👧"]) {
    const name = safeName(letter.repeat(300) + ".tar.gz");

    assert(new TextEncoder().encode(name).length <= MAX_NAME_BYTES, name);
    assert(name.endsWith(".tar.gz"), name);
    assert(name.startsWith(letter === "👩‍👩‍👧" ? "👩" : letter), name);
  }
});

Deno.test("numbered() puts the number before the ending", () => {
  assertEquals(numbered("notes.pdf", 1), "notes.pdf");
  assertEquals(numbered("notes.pdf", 2), "notes (2).pdf");
  assertEquals(numbered("a.tar.gz", 3), "a (3).tar.gz");
  assertEquals(numbered("README", 2), "README (2)");
  assertEquals(
    numbered("v1. Introduction to it", 2),
    "v1. Introduction to it (2)",
  );
});

const DISHONEST: readonly [what: string, path: string][] = [
  ["an absolute path", "/etc/passwd"],
  ["a way up", "a/../../b"],
  ["a way up alone", ".."],
  ["a dot", "a/./b"],
  ["nothing", ""],
  ["an empty part", "a//b"],
  ["a NUL", "a\0b"],
  ["too deep a folder", "a/".repeat(MAX_DEPTH) + "b"],
  ["too long a path", "a".repeat(MAX_PATH_LENGTH + 1)],
];

for (const [what, path] of DISHONEST) {
  Deno.test(`pathParts() refuses ${what}`, () => {
    assertEquals(pathParts(path), undefined);
  });
}

Deno.test("pathParts() takes a path to its limits, and an empty folder", () => {
  assertEquals(pathParts("a/b/c.txt"), ["a", "b", "c.txt"]);
  assertEquals(pathParts("a/b/"), ["a", "b"]);
  assertEquals(pathParts("a/".repeat(MAX_DEPTH - 1) + "b")?.length, MAX_DEPTH);
  assertEquals(pathParts("a".repeat(MAX_PATH_LENGTH))?.length, 1);
});

Deno.test("SafePaths keeps two files two when their names become one", () => {
  const paths = new SafePaths();

  assertEquals(paths.add(["d", "a?.txt"]), "d/a_.txt");
  assertEquals(paths.add(["d", "a*.txt"]), "d/a_ (2).txt");
  assertEquals(paths.add(["d", "A_.TXT"]), "d/A_ (3).TXT");
  assertEquals(paths.add(["D", "a?.txt"]), "D (2)/a_.txt");
  assertEquals(paths.add(["d", "b.txt"]), "d/b.txt");
  assertEquals(paths.add(["d", "a*.txt"]), "d/a_ (2).txt");
});

Deno.test("SafePaths never makes a folder of a file", () => {
  const paths = new SafePaths();

  assertEquals(paths.add(["x", "y."]), "x/y");
  assertEquals(paths.add(["x", "y", "z"]), "x/y (2)/z");
});

Deno.test("SafePaths numbers fifty thousand files of one name", () => {
  const paths = new SafePaths();
  const marks = (number: number) =>
    number.toString(5).padStart(7, "0")
      .replace(/\d/g, (digit) => "?*<>|".charAt(Number(digit)));

  const names = Array.from(
    { length: 50_000 },
    (_, number) => paths.add([`${marks(number)}.txt`]),
  );

  assertEquals(names[0], "_______.txt");
  assertEquals(names.at(-1), "_______ (50000).txt");
  assertEquals(new Set(names).size, 50_000);
});
