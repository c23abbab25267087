/** What the mode of a file says about its readers, on all systems. */
import { assertEquals } from "@std/assert";
import { inProfile, keepsModes, openToOthers } from "../../platform/modes.ts";
import type { System } from "../../platform/system.ts";
import { tempFolder } from "../tools/temp.ts";

/** What `stat` says of a file, on which system, and whether others may read it. */
const MODES: readonly [what: string, System, mode: number | null, boolean][] = [
  ["the owner's alone", "linux", 0o100600, false],
  ["the owner's alone, read-only", "linux", 0o100400, false],
  ["readable by its group", "linux", 0o100640, true],
  ["writable by others", "linux", 0o100602, true],
  ["what a umask leaves", "darwin", 0o100644, true],
  ["the owner's alone", "darwin", 0o100600, false],
  ["readable by others", "freebsd", 0o100604, true],
  ["any file that can be written", "windows", 0o100666, false],
  ["any file that is read-only", "windows", 0o100444, false],
  ["without a mode", "windows", null, false],
  ["without a mode", "linux", null, false],
];

for (const [what, system, mode, isOpen] of MODES) {
  const text = mode === null ? "null" : `0${mode.toString(8)}`;
  Deno.test(`openToOthers(${text}) on ${system}: ${what}`, () => {
    assertEquals(openToOthers(mode, system), isOpen);
  });
}

Deno.test("keepsModes() tries with a file, and leaves none", () => {
  using folder = tempFolder();

  assertEquals(keepsModes(folder.path), true);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

/** Paths of Windows, and whether they are in the profile `C:\Users\Bob`. */
const PATHS: readonly [path: string, boolean][] = [
  ["C:\\Users\\Bob\\chat\\parley.db", true],
  ["c:\\users\\BOB\\parley.db", true],
  ["C:\\Users\\Bob\\..chat\\parley.db", true],
  ["C:\\Users\\Bobby\\parley.db", false],
  ["C:\\Users\\Public\\parley.db", false],
  ["C:\\Users\\Bob", false],
  ["C:\\chat\\parley.db", false],
  ["D:\\Users\\Bob\\parley.db", false],
  ["\\\\server\\share\\parley.db", false],
];

for (const [path, isIn] of PATHS) {
  Deno.test(`inProfile(): ${path} is${isIn ? "" : " not"} in C:\\Users\\Bob`, () => {
    assertEquals(inProfile(path, "C:\\Users\\Bob"), isIn);
    assertEquals(inProfile(path, "C:\\Users\\Bob\\"), isIn);
  });
}
