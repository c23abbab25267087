/** Whom to trust, as a person is asked on a terminal. */
import { assert, assertEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { startServer } from "../../../server/start.ts";
import { TmuxScreen } from "../../tools/client_tools.ts";
import { lastingPort } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";
import { startTlsServer } from "../../tools/net/tls_tools.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

tmuxTest(
  "an unknown certificate is asked about once, remembered, and refused once it changes",
  async () => {
    using settings = tempFolder();
    const first = await startTlsServer({ tlsPort: lastingPort() });
    const { tlsPort, certificate } = first;
    const { fingerprint256 } = new X509Certificate(certificate.cert);
    await using screen = await TmuxScreen.open(100);
    await screen.line(`export XDG_CONFIG_HOME=${settings.path}`);
    const client = () =>
      screen.client("alice", `127.0.0.1:${tlsPort}`, "--tls");

    await client();
    const question = await screen.until(
      /Does the server show this fingerprint\? \(yes\/no\)$/,
    );
    assert(question.includes(`\n  ${fingerprint256}\n`), question);
    await screen.line("perhaps");
    await screen.until(
      /no\) perhaps\n+Does the server show this fingerprint\? \(yes\/no\)$/,
    );
    await screen.line("no");
    await screen.until("Not connected: the certificate was not accepted");
    await screen.until("code 6");
    assert(!first.log.some((line) => line.includes("alice")));

    await client();
    await screen.until(/Does the server show this fingerprint\? \(yes\/no\)$/);
    await screen.line("yes");
    await screen.until("* Welcome, alice.");
    await screen.line("LOGOUT");
    await screen.until("code 0");

    await client();
    const welcome = await screen.until("* Welcome, alice.");
    assert(!welcome.includes("Does the server show"), welcome);
    assert(!welcome.includes("not encrypted"), welcome);
    await screen.line("LOGOUT");
    await screen.until("code 0");

    await first[Symbol.asyncDispose]();
    await using _second = await startTlsServer({ tlsPort });
    await client();
    await screen.until(/its certificate changed/);
    await screen.until("code 6");
  },
);

tmuxTest(
  "without TLS a person is told once that others can read the connection, but not of this computer itself",
  async () => {
    const tcp = Deno.listen({ hostname: "0.0.0.0", port: 0 });
    await using server = startServer({ tcp, log: () => {} });
    await using screen = await TmuxScreen.open(100);
    const warning = /\* Connection not encrypted; others on the network/g;

    // This computer too, but not by an address that says so.
    const own = Deno.networkInterfaces().find(({ family, address }) =>
      family === "IPv4" && !address.startsWith("127.")
    );
    await screen.client("alice", `${own!.address}:${server.port}`);
    await screen.until("you joined #default");
    await screen.line("/rooms");
    const shown = await screen.until(" * default <1>");
    assertEquals(shown.match(warning)?.length, 1);
    await screen.line("LOGOUT");
    await screen.until("code 0");

    await screen.client("alice", `127.0.0.1:${server.port}`);
    assertEquals(
      (await screen.until("you joined #default")).match(warning),
      null,
    );
  },
);
