/** Folders for tests that need files. */
import { SYSTEM } from "../../platform/system.ts";

/** A folder that exists until the end of the scope. */
export function tempFolder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "parley-test-" });
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

/** The environment of a client whose settings are in `folder`, on every system. */
export function settingsIn(folder: string): Record<string, string> {
  if (SYSTEM === "windows") return { APPDATA: folder };
  if (SYSTEM !== "darwin") return { XDG_CONFIG_HOME: folder };
  const cache = `${Deno.env.get("HOME")}/Library/Caches/deno`;
  return { HOME: folder, DENO_DIR: Deno.env.get("DENO_DIR") ?? cache };
}
