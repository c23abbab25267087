/** Why a server cannot be reached, in words. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { dial, parseAddress, tune } from "../../../client/trust/address.ts";
import { whyUnreachable } from "../../../client/trust/unreachable.ts";
import { Failure } from "../../../client/view/failure.ts";

Deno.test("an error of the system is told in words, by its code and the system", () => {
  const error = Object.assign(new Error("Of the system (os error 65)"), {
    code: "EHOSTUNREACH",
  });

  const [here] = whyUnreachable(error, { system: "linux" });
  const [why, advice] = whyUnreachable(error, { system: "darwin" });

  assertEquals(here, "no computer answers at that address");
  assertMatch(why, /^macOS /);
  assertMatch(advice, /Local Network/);
});

Deno.test("an error without words of its own is told without its number", () => {
  const error = new Error("Strange things happen (os error 99)");

  const [why, advice] = whyUnreachable(error);

  assertEquals(why, "Strange things happen");
  assertMatch(advice, /same network/);
});

Deno.test("a deadline that passed is told with its length, and as a firewall may be", () => {
  const late = new DOMException("Signal timed out.", "TimeoutError");

  const [why, advice] = whyUnreachable(late, { withinMs: 10_000 });

  assertEquals(why, "no answer within 10 seconds");
  assertMatch(advice, /firewall/);
});

for (
  const [hostname, advice] of [
    [
      "Smith",
      /printed\. If Smith is a part of your name: a name is one word\.$/,
    ],
    ["chat.example.org", /printed\.$/],
  ] as const
) {
  Deno.test(`who types the unknown host ${hostname} is told what to check`, async () => {
    const connect = () =>
      Promise.reject(new Error("failed to lookup address information"));

    const error = await assertRejects(
      () => dial({ hostname, port: 1 }, new AbortController().signal, connect),
      Failure,
      `Cannot connect to ${hostname} port 1: unknown host`,
    );

    assertMatch(error.advice, advice);
  });
}

Deno.test("a connection that the server has closed can be read, also where options are refused", () => {
  const asked: string[] = [];
  const refuse = (what: string) => () => {
    asked.push(what);
    throw Object.assign(new TypeError("Invalid argument (os error 22)"), {
      code: "EINVAL", // as on macOS
    });
  };

  tune({ setNoDelay: refuse("no delay"), setKeepAlive: refuse("keepalive") });

  assertEquals(asked, ["no delay"]);
});

Deno.test("a connection sends at once, and notices a peer without power", () => {
  const asked: unknown[] = [];

  tune({
    setNoDelay: (on) => void asked.push(["no delay", on]),
    setKeepAlive: (on) => void asked.push(["keepalive", on]),
  });

  assertEquals(asked, [["no delay", true], ["keepalive", true]]);
});

for (
  const cause of [new Error("Invalid"), new DOMException("", "TimeoutError")]
) {
  Deno.test(`a link-local address without an interface is told for a ${cause.name}`, () => {
    const [why, advice] = whyUnreachable(cause, { hostname: "fe80::1" });

    assertEquals(
      why,
      "the address is link-local, and needs a network interface",
    );
    assertMatch(advice, /such as fe80::1%\w+$/);
  });
}

for (
  const [word, hostname, port] of [
    ["0.0.0.0", "127.0.0.1", undefined],
    ["0.0.0.0:9900", "127.0.0.1", 9900],
    ["::", "::1", undefined],
    ["[::]:9900", "::1", 9900],
    ["0.0.0.1", "0.0.0.1", undefined],
    ["10.0.0.0", "10.0.0.0", undefined],
    ["::2", "::2", undefined],
    ["constructor", "constructor", undefined],
  ] as const
) {
  Deno.test(`the server ${word} is at ${hostname}, on Windows too`, () => {
    assertEquals(parseAddress(word), { hostname, port });
  });
}
