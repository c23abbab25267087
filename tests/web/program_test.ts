/** The page of `server.ts --web`: what the program prints of it, and serves. */
import { assertEquals, assertMatch } from "@std/assert";
import { invitation } from "../../web/serve/invite.ts";
import { HERE, Process, SERVER } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";

Deno.test("an invitation has every address, and a code for one that others reach", () => {
  const where = { port: 8080, secure: false };
  const addresses = ["127.0.0.1", "192.168.1.5", "fd00::2", "fe80::1%eth0"];

  const plain = invitation({ ...where, addresses, draws: false });
  const drawn = invitation({ ...where, addresses, draws: true });
  const alone = invitation({
    ...where,
    addresses: ["127.0.0.1"],
    draws: true,
  });

  assertEquals(
    plain,
    "In a browser, on a phone for example:\n\n" +
      "  http://127.0.0.1:8080/\n  http://192.168.1.5:8080/\n" +
      "  http://[fd00::2]:8080/\n",
  );
  assertMatch(drawn, /█ ▄▄▄▄▄ █/);
  assertEquals(alone.includes("█"), false);
});

Deno.test("server.ts --web without guests and without --tls says that others cannot sign in", async () => {
  const advice =
    "Over HTTP, browsers sign in on this computer only. For others, add --tls.";
  const where = { port: 8080, addresses: ["127.0.0.1"], draws: false };
  const tls = invitation({ ...where, secure: true, requireLogin: true });
  const options = ["--web-port", "0", "--require-login"];
  await using server = new Process([...HERE, ...options]);

  await server.out.until(/http:\S+\n\n.+ --tls\./);

  assertEquals(server.out.text.includes(`\n${advice}\n`), true);
  assertEquals(tls.includes(advice), false);
});

Deno.test("server.ts --web says where the page is, and serves it", async () => {
  await using server = new Process([...HERE, "--web-port", "0"]);
  const [, url = ""] = await server.out.until(/(http:\S+)/);

  const response = await fetch(url);

  assertMatch(await response.text(), /<title>Parley<\/title>/);
  await server.type("stop\n");
  assertEquals(await server.exitCode(), 0);
});

Deno.test("server.ts --web with a port in use says so, and exits 2", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using server = new Process([
    ...HERE,
    "--web",
    "--web-port",
    `${other.addr.port}`,
  ]);

  assertEquals(await server.exitCode(), 2);
  assertMatch(server.err.text, /^Cannot listen on .* with --web-port\n$/m);
  assertEquals(server.out.text, "");
});

Deno.test("a bundle of server.ts serves the page from an empty folder", async () => {
  using folder = tempFolder();
  const script = `${folder.path}/server.js`;
  const bundle = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "-q", "-o", script, SERVER],
    cwd: new URL("../..", import.meta.url),
  }).output();
  assertEquals(bundle.code, 0, new TextDecoder().decode(bundle.stderr));
  await using server = new Process([...HERE, "--web-port", "0"], { script });
  const [, url = ""] = await server.out.until(/(http:\S+)/);

  const page = await (await fetch(url)).text();
  const protocol = await (await fetch(`${url}protocol.ts`)).text();

  assertMatch(page, /<title>Parley<\/title>/);
  assertMatch(protocol, /^export class FrameDecoder/m);
});
