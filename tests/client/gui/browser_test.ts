/** What the user is told about the address of `client.ts --gui`. */
import { assertEquals } from "@std/assert";
import { invitation } from "../../../client/gui/browser.ts";

const ADDRESS = "http://127.0.0.1:40123/?key=ab";

Deno.test("invitation() on a desktop and without one names the address", () => {
  assertEquals(
    invitation(ADDRESS, "desktop", undefined),
    `Open this address in a browser, if none opens: ${ADDRESS}`,
  );
  assertEquals(
    invitation(ADDRESS, "headless", undefined),
    `Open this address in a browser of this computer: ${ADDRESS}`,
  );
});

/** What SSH says, and what comes after `ssh -L …`. */
const CONNECTIONS: readonly [said: string | undefined, server: string][] = [
  ["192.168.1.9 50311 192.168.1.5 22", "192.168.1.5"],
  ["192.168.1.9 50311 192.168.1.5 2222", "-p 2222 192.168.1.5"],
  ["fe80::9 50311 fd00::5 22", "fd00::5"],
  [undefined, "SERVER"],
];

for (const [said, server] of CONNECTIONS) {
  Deno.test(`invitation() over SSH (${said}) has a command for ${server}`, () => {
    assertEquals(
      invitation(ADDRESS, "ssh", said),
      `Open this address in a browser: ${ADDRESS}\n` +
        "You use SSH: first run this on your own computer:\n\n" +
        `  ssh -L 40123:127.0.0.1:40123 ${server}\n`,
    );
  });
}
