/** Errors by their codes: as Deno 2.9.6 throws them on Linux and on Windows. */
import { assertEquals } from "@std/assert";
import {
  errorCode,
  errorNumber,
  isGoneBefore,
  systemText,
} from "../../platform/system_error.ts";
import type { System } from "../../platform/system.ts";

const ERRORS: readonly [
  system: System,
  message: string,
  code: string | number | undefined,
  expected: string,
][] = [
  [
    "linux",
    "Connection refused (os error 111)",
    "ECONNREFUSED",
    "ECONNREFUSED",
  ],
  ["linux", "Of the system (os error 32)", "EPIPE", "EPIPE"], // no EBUSY here
  ["linux", "Of the system (os error 5)", undefined, ""],
  [
    "linux",
    "failed to lookup address information: Name or service not known",
    undefined,
    "ENOTFOUND",
  ],
  ["linux", "getaddrinfo EAI_AGAIN chat", "EAI_AGAIN", "EAI_AGAIN"],
  ["linux", "The operation was aborted due to timeout", 23, ""],
  [
    "darwin",
    "failed to lookup address information: nodename nor servname provided, or not known",
    undefined,
    "ENOTFOUND",
  ],
  ["darwin", "No route to host (os error 65)", "EHOSTUNREACH", "EHOSTUNREACH"],
  [
    "windows",
    "Es konnte keine Verbindung hergestellt werden. (os error 10061)",
    "ECONNREFUSED",
    "ECONNREFUSED",
  ],
  ["windows", "Fehler. (os error 10013)", undefined, "EACCES"],
  ["windows", "Fehler. (os error 10048)", undefined, "EADDRINUSE"],
  ["windows", "Fehler. (os error 10051)", undefined, "ENETUNREACH"],
  ["windows", "Fehler. (os error 10060)", undefined, "ETIMEDOUT"],
  ["windows", "Fehler. (os error 10065)", undefined, "EHOSTUNREACH"],
  ["windows", "Host not found. (os error 11001)", "ENOENT", "ENOTFOUND"],
  ["windows", "Fehler. (os error 11002)", undefined, "EAI_AGAIN"],
  ["windows", "File not found. (os error 2): open 'a'", "ENOENT", "ENOENT"],
  ["windows", "Fehler. (os error 99999)", undefined, ""],
  ["windows", "getaddrinfo ENOTFOUND chat", "ENOTFOUND", "ENOTFOUND"],
];

for (const [system, message, code, expected] of ERRORS) {
  Deno.test(`on ${system}, "${message}" with the code ${code} is "${expected}"`, () => {
    const error = Object.assign(new Error(message), code ? { code } : {});

    assertEquals(errorCode(error, system), expected);
  });
}

Deno.test("what is no error has no code", () => {
  assertEquals(errorCode("ECONNREFUSED", "linux"), "");
  assertEquals(errorCode(undefined, "windows"), "");
});

for (
  const [message, number, text] of [
    ["Disk full (os error 28)", "28", "Disk full"],
    ["Disk full (os error 28): write '/a (os error 5)'", "28", "Disk full"],
    ["(os error 1)", "1", ""],
    ["Disk full", "", ""],
    ["", "", ""],
  ] as const
) {
  Deno.test(`of "${message}" the number is "${number}", the text "${text}"`, () => {
    const error = new Error(message);

    assertEquals([errorNumber(error), systemText(error)], [number, text]);
  });
}

Deno.test("isGoneBefore() knows a client that is gone on each system", () => {
  const invalid = new TypeError("invalid argument"); // of a reset one on Windows
  const expected: [error: Error, linux: boolean, windows: boolean][] = [
    [new Deno.errors.NotConnected(), true, true],
    [new Deno.errors.ConnectionAborted(), true, true],
    [new Deno.errors.ConnectionReset(), true, true],
    [invalid, false, true],
    [new Error("Too many open files"), false, false],
    [new Deno.errors.BadResource(), false, false],
  ];

  for (const [error, linux, windows] of expected) {
    assertEquals(isGoneBefore(error, "linux"), linux, error.name);
    assertEquals(isGoneBefore(error, "darwin"), linux, error.name);
    assertEquals(isGoneBefore(error, "windows"), windows, error.name);
  }
});
