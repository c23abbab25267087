/** A browser on the port of the chat reads where the web client is. */
import { assertEquals, assertMatch } from "@std/assert";
import { httpAnswer } from "../../../server/net/http_answer.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { startTlsServer } from "../../tools/net/tls_tools.ts";

const GET = "GET / HTTP/1.1\r\nHost: 127.0.0.1:9898\r\nAccept: */*\r\n\r\n";

const NONE = "This is the port of the chat. This server has no web page. Use " +
  "the client in a terminal, or ask the operator to start the server with --web.\n";

/** The text of a whole answer, whose head is checked. */
function textOf(answer: string): string {
  const [, length, text = ""] =
    /^HTTP\/1\.1 400 Bad Request\r\n(?=.*^Content-Type: text\/plain; charset=utf-8\r$).*^Content-Length: (\d+)\r\nConnection: close\r\n\r\n(.*)$/ms
      .exec(answer) ?? [answer];
  assertEquals(`${text.length}`, length, answer);
  return text;
}

for (
  const [what, request] of [
    ["a page", GET],
    ["a page, by HTTP/1.0", "GET / HTTP/1.0\r\n\r\n"],
    ["a page, through a proxy", "GET http://a.example/ HTTP/1.1\r\n\r\n"],
    ["a page, with other lines", "GET /a%20b?c HTTP/1.1\nno header\n\n"],
    ["to store", "POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"],
    ["to store much", "POST /x HTTP/1.1\r\nContent-Length: 99999\r\n\r\nab"],
  ] as const
) {
  Deno.test(`HTTP that asks for ${what} is answered by HTTP, and the end`, async () => {
    await using server = startTestServer();
    using browser = await RawClient.connect(server.port);

    await browser.send(request, "REGISTER alice\n\n");

    assertEquals(textOf(await browser.rest()), NONE);
    assertEquals(
      await server.logged("disconnected"),
      `<${browser.address}> disconnected: header incomplete ` +
        "(Cannot read head: it is HTTP, and this is the port of the chat)",
    );
  });
}

Deno.test("a request of HTTP to a server with a web page is told its address", async () => {
  await using server = startTestServer();
  server.context.page = { port: 8080, secure: false };
  using browser = await RawClient.connect(server.port);

  await browser.send(GET);

  assertEquals(
    textOf(await browser.rest()),
    "This is the port of the chat. The web page is at http://127.0.0.1:8080/\n",
  );
});

Deno.test("HTTP over TLS is answered as HTTP without", async () => {
  await using server = await startTlsServer();
  using browser = await RawClient.connectTls(
    server.tlsPort,
    server.certificate.cert,
  );

  await browser.send(GET);

  assertEquals(textOf(await browser.rest()), NONE);
});

for (
  const line of [
    "GET / HTTP/1.1 x",
    "GET /",
    "get / HTTP/1.1",
    "FLY / HTTP/1.1",
    "JOIN / HTTP/1.1",
    "PING HTTP/1.1",
  ]
) {
  Deno.test(`${line}, which is no HTTP request, is answered by an error`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);

    assertMatch(await client.ask(`${line}\n\n`), /^ERROR 105 [^]*\n\n$/);
    assertMatch(await client.ask("REGISTER alice\n\n"), /^REGISTERED /);
  });
}

Deno.test("a user who sends a request of HTTP is answered by an error", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  assertEquals(
    (await alice.ask("GET / HTTP/1.1\n\n")).split("\n").slice(0, 2),
    ["ERROR 105 Unknown command", "For: GET / HTTP/1.1"],
  );
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});

for (
  const [host, secure, place] of [
    ["192.168.1.5:9898", false, "at http://192.168.1.5:8080/"],
    ["chat.example", true, "at https://chat.example:8080/"],
    ["[fe80::1]:9898", false, "at http://[fe80::1]:8080/"],
    ["a.example/<b>?c", false, "at http://a.example:8080/"],
    ["", false, "on port 8080, over http."],
    ["a b", false, "on port 8080, over http."],
    [undefined, true, "on port 8080, over https."],
  ] as const
) {
  Deno.test(`for Host: ${host}, the web page is ${place}`, () => {
    const answer = httpAnswer({ host, page: { port: 8080, secure } });

    assertEquals(
      textOf(new TextDecoder().decode(answer)),
      `This is the port of the chat. The web page is ${place}\n`,
    );
  });
}
