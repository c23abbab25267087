/** Where a client tries again, and when. */
import { assert, assertEquals } from "@std/assert";
import { type Alternate, alternateText } from "../../../core/net/alternates.ts";
import { Attempts } from "../../../core/net/attempts.ts";
import {
  DIAL_MS,
  HOP_MS,
  LEAVE_WITHIN_MS,
  Route,
} from "../../../core/net/route.ts";
import { pauseBefore } from "../../../core/net/backoff.ts";

const HOME = { hostname: "10.0.0.1", port: 1, text: "10.0.0.1:1" };

/** The headers that tell of them. */
function telling(all: readonly Alternate[]) {
  return {
    headers: all.map((one) => ["alternate", alternateText(one)] as const),
  };
}

function other(hostname: string, port = 1) {
  return { hostname, ports: { tcp: port } };
}

/** A route from 10.0.0.1 with the others, whose chance is `chance`. */
function createRoute(
  others: readonly string[],
  chance: () => number = () => 0,
) {
  const route = new Route({ place: HOME, way: "tcp" });
  const all = others.map((last) => other(`10.0.0.${last}`));
  route.tell(telling(all));
  route.arrived();
  /** The last bytes of the next places, and the pauses before them. */
  const go = (count: number, now = 0, told = 0) =>
    Array.from({ length: count }, (): [string, number] => {
      const pause = route.next(now, told, chance);
      const { hostname } = route.elsewhere ?? HOME;
      return [hostname.slice("10.0.0.".length), pause];
    });
  return { route, go };
}

Deno.test("a lost server is tried once, then the others, then all with growing pauses", () => {
  const { route, go } = createRoute(["2", "3"]);

  route.lost(true);

  assertEquals(
    go(9),
    [
      ...[["1", 250], ["2", 0], ["3", 0]] as const,
      ...[["1", 500], ["2", 0], ["3", 0]] as const,
      ...[["1", 1_000], ["2", 0], ["3", 0]] as const,
    ].map(([place, ms]) => [place, ms]),
  );
});

Deno.test("the order of the others is by chance, and so are the pauses between them", () => {
  const chances = [0.9, 0.1, 0.5, 0.5, 1, 1];
  const { route, go } = createRoute(["2", "3"], () => chances.shift()!);

  route.lost(true);

  assertEquals(go(3), [
    ["1", pauseBefore(0, 0, () => 0.5)],
    ["2", HOP_MS],
    ["3", HOP_MS],
  ]);
});

Deno.test("with no other server each attempt is a round, as it ever was", async () => {
  for (const told of [0, 5_000]) {
    const { route, go } = createRoute([]);
    route.lost(true);
    const alone = new Attempts(undefined);
    await alone.tell(telling([other("10.0.0.2")]));

    const pauses = go(9, 0, told).map(([, pause]) => pause);

    const wanted = Array.from(
      pauses,
      (_, attempt) => pauseBefore(attempt, told, () => 0),
    );
    assertEquals(pauses, wanted);
    assertEquals(wanted.map(() => alone.next(0, told, () => 0)), wanted);
    assertEquals([route.dialMs, alone.dialMs], [undefined, undefined]);
    assertEquals(alone.elsewhere, undefined);
  }
});

Deno.test("two servers that let us in and drop us are tried less and less often", () => {
  const { route, go } = createRoute(["2"]);
  route.lost(true);

  let total = 0;
  for (let i = 0; i < 20; i++) {
    const [[, pause] = ["", 0]] = go(1);
    total += pause;
    route.tell(telling([other("10.0.0.1"), other("10.0.0.2")]));
    route.arrived();
    route.lost(false);
  }

  assert(total > 60_000, `${total}`);
});

Deno.test("a server that has let us stay is tried first again, and soon", () => {
  const { route, go } = createRoute(["2", "3"]);
  route.lost(true);
  go(7);
  go(1);

  route.arrived();
  route.lost(true);

  assertEquals(go(2), [["2", 250], ["1", 0]]);
});

Deno.test("a server that asks for a wait is left out until that is over", () => {
  const { route, go } = createRoute(["2", "3"]);
  route.lost(true);

  assertEquals(go(2), [["1", 250], ["2", 0]]);
  assertEquals(go(1, 0, 60_000), [["3", 0]]); // 2 has asked
  assertEquals(go(3, 1_000), [["1", 500], ["3", 0], ["1", 1_000]]);
  assertEquals(go(3, 60_000), [["3", 0], ["2", 0], ["1", 2_000]]);
});

Deno.test("when all servers ask for a wait, the shortest one is kept", () => {
  const { route, go } = createRoute(["2"]);
  route.lost(true);

  go(1);
  go(1, 0, 9_000); // 1 has asked
  assertEquals(go(1, 0, 4_000), [["2", 4_500]]);
});

Deno.test("a server that stops is left within seconds, and not tried before its time", () => {
  const { route, go } = createRoute(["2"], () => 0.5);

  assertEquals(route.leave(1_000, () => 0.5), LEAVE_WITHIN_MS / 2);
  assertEquals(route.leave(1_000, () => 0.5), undefined);
  route.lost(true);

  assertEquals(go(1, 1_100, 5_000), [["2", LEAVE_WITHIN_MS / 2 - 100]]);
  assertEquals(go(1, 2_000), [["2", 375]]);
  assertEquals(go(2, 6_099), [["2", 750], ["2", 1_500]]);
  assertEquals(go(1, 6_100), [["1", 125]]);
});

Deno.test("a server that stops and is alone is not left", () => {
  const { route } = createRoute([]);

  assertEquals(route.leave(0, () => 0.5), undefined);
});

Deno.test("the list of another server replaces the list, and that server stays in it", () => {
  const { route, go } = createRoute(["2", "3"]);
  route.lost(true);
  go(2);
  assertEquals(route.elsewhere?.hostname, "10.0.0.2");

  assertEquals(route.arrived(), "10.0.0.2:1");
  route.tell(telling([other("10.0.0.4")]));
  assertEquals(route.arrived(), undefined);
  route.lost(true);

  assertEquals(go(4).map(([place]) => place), ["2", "1", "4", "1"]);
});

Deno.test("a list that shrinks is obeyed in the middle of a round", () => {
  const { route, go } = createRoute(["2", "3", "4"]);
  route.lost(true);
  go(2);

  route.tell(telling([other("10.0.0.4")]));

  assertEquals(go(2).map(([place]) => place), ["4", "1"]);
});

Deno.test("a server that is none of ours is tried no more, until it is told again", () => {
  const { route, go } = createRoute(["2", "3"]);
  route.lost(true);
  go(2);

  route.drop();
  assertEquals(go(4).map(([place]) => place), ["3", "1", "3", "1"]);

  route.tell(telling([other("10.0.0.2")]));
  assertEquals(go(2).map(([place]) => place), ["1", "2"]);
});

Deno.test("the own address of a server, and that of the chosen one, add no place", () => {
  const route = new Route({
    place: { hostname: "Lab1", port: 1, text: "Lab1:1" },
    way: "tcp",
  });

  route.tell(telling([other("lab1"), other("lab1")]));
  assertEquals(route.dialMs, undefined);

  route.tell(telling([other("lab1", 2)]));
  assertEquals(route.dialMs, DIAL_MS);
});

Deno.test("a server on another computer sends no client to its own computer", () => {
  const { route } = createRoute([]);

  route.tell(telling([other("127.0.0.1"), other("localhost")]));

  assertEquals(route.dialMs, undefined);
});

Deno.test("with other servers, each has a time to be reached that grows", () => {
  const { route, go } = createRoute(["2"]);
  route.lost(true);

  const times = Array.from({ length: 10 }, () => {
    go(1);
    return route.dialMs! / 1_000;
  });

  assertEquals(times, [3, 3, 6, 6, 12, 12, 24, 24, 30, 30]);
});

Deno.test("the places are those of the way in which the client connects", () => {
  const route = new Route({ place: HOME, way: "tls" });
  const sha256 = "c3".repeat(32);

  route.tell(telling([
    { hostname: "10.0.0.2", ports: { tcp: 1, tls: 2 }, sha256 },
    { hostname: "10.0.0.3", ports: { tcp: 1 }, sha256 },
  ]));
  route.lost(true);
  const places = [1, 2, 3].map(() => {
    route.next(0, 0, () => 0);
    return route.elsewhere;
  });

  assertEquals(places[0], undefined);
  assertEquals(places[1], {
    hostname: "10.0.0.2",
    port: 2,
    text: "10.0.0.2:2",
    sha256,
  });
  assertEquals(places[2], undefined);
});
