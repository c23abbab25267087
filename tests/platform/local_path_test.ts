/** Paths as users have them, on each system. */
import { assertEquals } from "@std/assert";
import { homeFolder, isFolder, localPath } from "../../platform/local_path.ts";
import type { System } from "../../platform/system.ts";
import { tempFolder } from "../tools/temp.ts";

const UNIX = { HOME: "/home/ann" };
const WSL = { HOME: "/home/ann", WSL_DISTRO_NAME: "Ubuntu" };
const WINDOWS = { HOME: "/c/Users/ann", USERPROFILE: "C:\\Users\\ann" };

const PATHS: readonly [
  system: System,
  variables: Record<string, string>,
  typed: string,
  path: string,
][] = [
  ["linux", UNIX, "~/a.txt", "/home/ann/a.txt"],
  ["linux", UNIX, "~", "/home/ann"],
  ["linux", UNIX, "~bob/a.txt", "~bob/a.txt"],
  ["linux", UNIX, "~\\a.txt", "~\\a.txt"],
  ["linux", UNIX, "/c/a.txt", "/c/a.txt"],
  ["linux", UNIX, "C:\\a.txt", "C:\\a.txt"],
  ["linux", {}, "~/a.txt", "~/a.txt"],
  ["darwin", UNIX, "~/a.txt", "/home/ann/a.txt"],
  ["windows", WINDOWS, "~\\a.txt", "C:\\Users\\ann\\a.txt"],
  ["windows", WINDOWS, "~/a.txt", "C:\\Users\\ann/a.txt"],
  ["windows", WINDOWS, "~$a.docx", "~$a.docx"],
  ["windows", WINDOWS, "/c/Users/ann/a b.txt", "c:/Users/ann/a b.txt"],
  ["windows", WINDOWS, "/D", "D:/"],
  ["windows", WINDOWS, "/cygdrive/d/x", "d:/x"],
  ["windows", WINDOWS, "/mnt/c/x", "c:/x"],
  ["windows", WINDOWS, "/mnt/cd/x", "/mnt/cd/x"],
  ["windows", WINDOWS, "/cd/x", "/cd/x"],
  ["windows", WINDOWS, "C:\\x", "C:\\x"],
  ["windows", WINDOWS, "\\\\server\\share\\x", "\\\\server\\share\\x"],
  ["linux", WSL, "C:\\Users\\ann\\a b.txt", "/mnt/c/Users/ann/a b.txt"],
  ["linux", WSL, "d:/x", "/mnt/d/x"],
  ["linux", WSL, "/C:/a b", "/mnt/c/a b"],
  ["linux", WSL, "\\\\wsl$\\Ubuntu\\home\\ann\\x", "/home/ann/x"],
  ["linux", WSL, "\\wsl.localhost\\Ubuntu\\home", "/home"],
  ["linux", WSL, "\\\\wsl$\\Ubuntu", "/"],
  ["linux", WSL, "/mnt/c/x", "/mnt/c/x"],
  ["linux", WSL, "C:x", "C:x"],
];

for (const [system, variables, typed, path] of PATHS) {
  const where = "WSL_DISTRO_NAME" in variables ? "WSL" : system;
  Deno.test(`localPath() reads ${typed} on ${where}`, () => {
    const found = localPath(typed, {
      system,
      variable: (name) => variables[name],
    });

    assertEquals(found, path);
  });
}

Deno.test("homeFolder() trusts the variable that the system sets", () => {
  const home = (system: System, variables: Record<string, string>) =>
    homeFolder({ system, variable: (name) => variables[name] });

  assertEquals(home("linux", { HOME: "/h", USERPROFILE: "C:\\u" }), "/h");
  assertEquals(home("windows", { HOME: "/h", USERPROFILE: "C:\\u" }), "C:\\u");
  assertEquals(home("windows", { HOME: "C:\\h" }), "C:\\h");
  assertEquals(home("linux", { HOME: "" }), undefined);
});

Deno.test("isFolder() is true of folders only", () => {
  using folder = tempFolder();
  const file = `${folder.path}/file`;
  Deno.writeTextFileSync(file, "");

  assertEquals(isFolder(folder.path), true);
  for (const other of [file, `${file}/x`, `${folder.path}/none`, ""]) {
    assertEquals(isFolder(other), false, other);
  }
});
