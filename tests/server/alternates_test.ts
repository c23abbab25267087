/** What a server tells the others of itself, and what they make of it. */
import { assertEquals } from "@std/assert";
import { announcementOf, othersIn } from "../../server/alternates.ts";

const FINGERPRINT = "C3:1C:".repeat(15) + "C3:1C";
const PORTS = { tcp: 9898, tls: 9899, https: 8080 };
const TEXT = ` tcp=9898 tls=9899 https=8080 sha256=${"c31c".repeat(16)}`;

Deno.test("a server is told of at the best of its hosts, with its certificate", () => {
  const place = { ports: PORTS, fingerprint: FINGERPRINT };
  const addresses = ["127.0.0.1", "10.0.0.2", "fe80::1%eth0", "fd00::2"];

  assertEquals(announcementOf({ ...place, names: [], addresses }), [
    `10.0.0.2${TEXT}`,
    ...["fe80::1%eth0", "fd00::2", "127.0.0.1"],
  ]);
  const names = ["bücher.example", "lab2.example"];
  assertEquals(
    announcementOf({ ...place, names, addresses })[0],
    `lab2.example${TEXT}`,
  );
  assertEquals(
    announcementOf({ ports: { tcp: 1 }, names: [], addresses: ["127.0.0.1"] }),
    ["127.0.0.1 tcp=1"],
  );
});

Deno.test("a server that no client can be told of tells nothing", () => {
  const addresses = ["fe80::1%eth0", "0.0.0.0"];

  assertEquals(announcementOf({ ports: PORTS, names: [], addresses }), []);
});

Deno.test("a server tells of no more than eight hosts, and of none that is too long", () => {
  const addresses = Array.from({ length: 100 }, (_, at) => `10.0.0.${at}`);
  const told = announcementOf({
    ports: PORTS,
    names: ["x".repeat(65_536)],
    addresses,
  });

  assertEquals(told.length, 8);
  assertEquals(told[0], "10.0.0.0 tcp=9898 tls=9899 https=8080");
  assertEquals(told.every(({ length }) => length <= 400), true);
});

Deno.test("others are read from what they tell; what is malformed is left out", () => {
  const others = othersIn([
    ["10.0.0.2 tcp=1", "lab2", "fd00::2"],
    [],
    ["10.0.0.3:9898"],
    ["a\nToken: x tcp=1"],
    ["10.0.0.4 http=2"],
  ]);

  assertEquals(others.map(({ hostname, names }) => [hostname, names]), [
    ["10.0.0.2", ["lab2", "fd00::2"]],
    ["10.0.0.4", []],
  ]);
});
