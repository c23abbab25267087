/** Heads of requests: what is one, where it ends, and what is refused. */
import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { findHead, type Found, MAX_HEAD_BYTES } from "../../web/serve/head.ts";

const HEAD =
  "GET /a?b HTTP/1.1\r\nHost: x\r\nAccept:\t*/* \r\nAccept: y\r\n\r\n";

function find(text: string): Found {
  return findHead(Buffer.from(text, "latin1"));
}

Deno.test("a head ends where its empty line does, wherever it is cut", () => {
  for (let end = 0; end < HEAD.length; end++) {
    assertEquals(find(HEAD.slice(0, end)), "part", HEAD.slice(0, end));
  }

  const found = find(`${HEAD}GET /next`);

  const headers = Object.assign(Object.create(null), {
    host: "x",
    accept: "*/*, y",
  });
  const asked = { method: "GET", url: "/a?b", headers, isLast: false };
  assertEquals(found, { asked, end: HEAD.length });
});

for (
  const [what, request] of [
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n"],
    [
      "Connection: close",
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n",
    ],
    ["a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"],
    [
      "a body in chunks",
      "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    [
      "another protocol",
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
    ],
  ] as const
) {
  Deno.test(`no request follows one with ${what}`, () => {
    const found = find(request);

    assertEquals(typeof found === "object" && found.asked.isLast, true);
  });
}

for (
  const [what, begin] of [
    ["TLS", "\x16\x03\x01"],
    ["a frame of the chat", "REGISTER alice\n"],
    ["a line without CR", "GET / HTTP/1.1\nHost: x\r\n\r\n"],
    ["no version", "GET /\r\n\r\n"],
    ["a space in the path", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a later version", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"],
    ["no host", "GET / HTTP/1.1\r\n\r\n"],
    ["an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"],
    ["a continued line", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"],
    ["a header without a colon", "GET / HTTP/1.1\r\nHost: x\r\ny\r\n\r\n"],
    ["a control character", "GET / HTTP/1.1\r\nHost: x\0\r\n\r\n"],
    ["CR in a header", "GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n"],
    ["LF in a header", "GET / HTTP/1.1\r\nHost: x\ny: z\r\n\r\n"],
  ] as const
) {
  Deno.test(`no request begins with ${what}`, () => {
    assertEquals(find(begin), "malformed");
  });
}

Deno.test(`a head has at most ${MAX_HEAD_BYTES} bytes`, () => {
  const [begin, end] = ["GET / HTTP/1.1\r\nHost: x\r\nA: ", "\r\n\r\n"];
  const head = (bytes: number) =>
    begin + "a".repeat(bytes - begin.length - end.length) + end;
  const longest = head(MAX_HEAD_BYTES);

  assertEquals(typeof find(longest), "object");
  assertEquals(find(longest.slice(0, -1)), "part");
  assertEquals(find(head(MAX_HEAD_BYTES + 1)), "too long");
  assertEquals(find(head(MAX_HEAD_BYTES + 1).slice(0, -4)), "part");
  assertEquals(find("G".repeat(MAX_HEAD_BYTES)), "too long");
});
