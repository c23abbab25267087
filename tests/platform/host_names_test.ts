/** The names by which other computers reach one, on all systems. */
import { assertEquals } from "@std/assert";
import { hostNames, ownNames } from "../../platform/host_names.ts";

/** What systems call a computer, and its names. */
const NAMES: readonly [system: string, hostname: string, ...names: string[]][] =
  [
    ["Linux", "lab1", "lab1", "lab1.local"],
    ["Linux", "lab1.example.org", "lab1.example.org", "lab1", "lab1.local"],
    ["Linux", "lab1.example.org.", "lab1.example.org", "lab1", "lab1.local"],
    ["macOS", "Annas-Mac.local", "annas-mac.local", "annas-mac"],
    ["macOS", "Anna’s Mac"],
    ["macOS", "Anna's Mac.local"],
    ["macOS", "mac.fritz.box", "mac.fritz.box", "mac", "mac.local"],
    ["Windows", "DESKTOP-1A2B3C", "desktop-1a2b3c", "desktop-1a2b3c.local"],
    ["Windows", "LAB_PC", "lab_pc", "lab_pc.local"],
    ["Windows", "БУХ-ПК", "xn----9sb2atsm", "xn----9sb2atsm.local"],
    ["Windows", "Büro", "xn--bro-hoa", "xn--bro-hoa.local"],
    ["Windows", "12345", "12345.local"],
    ["Windows", "¡"],
    ["any", ""],
    ["any", "."],
    ["any", "a/b"],
    ["any", "a:80"],
    ["any", "me@pc"],
    ["any", "*"],
    ["any", "localhost", "localhost", "localhost.local"],
  ];

for (const [system, hostname, ...names] of NAMES) {
  Deno.test(`hostNames(): "${hostname}" of ${system} is ${names}`, () => {
    assertEquals(hostNames(hostname), names);
  });
}

Deno.test("ownNames() has the address to listen on, and what the system says", () => {
  assertEquals(ownNames("chat", () => "lab1"), ["chat", "lab1", "lab1.local"]);
  assertEquals(ownNames("chat", () => undefined), ["chat"]);
});
