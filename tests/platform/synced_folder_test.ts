/** Folders that a program copies to other computers. */
import { assertEquals } from "@std/assert";
import { syncService } from "../../platform/synced_folder.ts";
import type { System } from "../../platform/system.ts";

const LINUX = { HOME: "/home/ann" };
const MAC = { HOME: "/Users/ann" };
const WINDOWS = { USERPROFILE: "C:\\Users\\Ann" };
const BUSINESS = { ...WINDOWS, OneDriveCommercial: "D:\\Work\\" };

const PATHS: readonly [
  system: System,
  variables: Record<string, string>,
  path: string,
  service: string | undefined,
][] = [
  ["linux", LINUX, "/home/ann/parley.db", undefined],
  ["linux", LINUX, "/home/ann/Dropbox/chat/parley.db", "Dropbox"],
  ["linux", LINUX, "/home/ann/OneDrive/parley.db", "OneDrive"],
  ["linux", LINUX, "/home/ann/src/dropbox/parley.db", undefined],
  ["linux", LINUX, "/home/ann/dropbox.db", undefined],
  ["linux", LINUX, "/home/anna/Dropbox/parley.db", undefined],
  ["linux", {}, "/Dropbox/parley.db", undefined],
  ["darwin", MAC, "/Users/ann/parley.db", undefined],
  ["darwin", MAC, "/Users/ann/Library/parley.db", undefined],
  [
    "darwin",
    MAC,
    "/Users/ann/Library/Mobile Documents/com~apple~CloudDocs/parley.db",
    "iCloud Drive",
  ],
  [
    "darwin",
    MAC,
    "/Users/ann/Library/CloudStorage/OneDrive-Example/parley.db",
    "OneDrive",
  ],
  [
    "darwin",
    MAC,
    "/Users/ann/Library/CloudStorage/GoogleDrive-ann@example.com/My Drive/p.db",
    "Google Drive",
  ],
  ["darwin", MAC, "/Users/ann/Dropbox (Work)/parley.db", "Dropbox"],
  ["windows", WINDOWS, "C:\\Users\\Ann\\parley.db", undefined],
  ["windows", WINDOWS, "C:\\Users\\Ann\\OneDrive\\parley.db", "OneDrive"],
  ["windows", WINDOWS, "c:\\users\\ann\\OneDrive - Work\\p.db", "OneDrive"],
  ["windows", BUSINESS, "d:\\work\\chat\\parley.db", "OneDrive"],
  ["windows", BUSINESS, "D:\\Workshop\\parley.db", undefined],
  ["windows", WINDOWS, "G:\\My Drive\\parley.db", "Google Drive"],
  ["windows", WINDOWS, "C:\\Users\\Ann\\iCloudDrive\\p.db", "iCloud Drive"],
  ["windows", WINDOWS, "C:\\Chat\\parley.db", undefined],
  ["windows", { OneDrive: "" }, "C:\\Chat\\parley.db", undefined],
];

for (const [system, variables, path, service] of PATHS) {
  Deno.test(`syncService() of ${path} on ${system} is ${service}`, () => {
    const found = syncService(path, {
      system,
      variable: (name) => variables[name],
    });

    assertEquals(found, service);
  });
}
