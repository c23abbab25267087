/** The command line of the server, and the names that its page has. */
import { assertEquals, assertRejects } from "@std/assert";
import { readOptions } from "../../server/options.ts";
import { UsageError } from "../../terminal/options.ts";

Deno.test("--web-name can be given several times, and serves the page", async () => {
  const options = await readOptions(["--web-name", "a.b", "--web-name", "c"]);

  assertEquals(typeof options === "object" && options.webNames, ["a.b", "c"]);
  assertEquals(typeof options === "object" && options.webPort, 8080);
});

for (
  const name of [
    ...["chat.example:8080", "http://chat.example", "[::1]", "a b", "a/b"],
    ...["me@chat.example", "a?b", "a#b", "a\\b"],
  ]
) {
  Deno.test(`--web-name "${name}" is refused, with what it must be`, async () => {
    await assertRejects(
      () => readOptions(["--web-name", name]),
      UsageError,
      "it must be a host name without a port, such as chat.example.org",
    );
  });
}
