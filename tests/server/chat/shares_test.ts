/** Shares: who gives way to whom. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Over, Shares } from "../../../server/chat/shares.ts";

interface Thing {
  readonly network: string;
  readonly id: number;
}

/** Shares of things, each added by the letter of its network. */
function arrange(limits: { perAddress: number; total: number }) {
  const shares = new Shares<Thing>(limits);
  let id = 0;
  const add = (networks: string, isIdle = true) =>
    [...networks].map((network) => {
      const thing = { network, id: ++id };
      shares.add(thing);
      if (isIdle) shares.setIdle(thing, true);
      return thing;
    });
  return { shares, add };
}

/** What is over, with the ids of what can give way. */
function shown(over: Over<Thing> | undefined) {
  return over && { ...over, idle: [...over.idle].map(({ id }) => id) };
}

Deno.test("a network over its share gives way itself, with what is idle for longest", () => {
  const { shares, add } = arrange({ perAddress: 3, total: 100 });
  const [first] = add("aaab");
  shares.setIdle(first!, false);
  shares.setIdle(first!, true);

  const over = shown(shares.over("a"));

  assertEquals(over, { limit: 3, isShare: true, idle: [2, 3, 1] });
  assertEquals(shares.over("b"), undefined);
});

Deno.test("over the total, the network gives way that has most, and something idle", () => {
  const { shares, add } = arrange({ perAddress: 10, total: 9 });
  add("aaaa", false);
  add("bbbcc");

  const over = shown(shares.over("d"));

  assertEquals(over, { limit: 9, isShare: false, idle: [5, 6, 7] });
  assertEquals(shown(shares.over("c"))?.idle, [5, 6, 7]);
});

Deno.test("over the total, no network gives way to one that has as much", () => {
  const { shares, add } = arrange({ perAddress: 10, total: 4 });
  add("aabb");

  assertEquals(shown(shares.over("b"))?.idle, [3, 4]);
  assertEquals(shown(shares.over("a"))?.idle, [1, 2]);
});

Deno.test("nothing gives way while it is in use", () => {
  const { shares, add } = arrange({ perAddress: 2, total: 3 });
  add("aab", false);

  assertEquals(shown(shares.over("a"))?.idle, []);
  assertEquals(shown(shares.over("c"))?.idle, []);
});

Deno.test("whatever is done, what gives way is that of a slow count", () => {
  const deed = fc.tuple(
    fc.constantFrom("add", "delete", "idle", "use"),
    fc.constantFrom("a", "b", "c", "d"),
    fc.nat(30),
  );
  fc.assert(fc.property(fc.array(deed, { maxLength: 80 }), (deeds) => {
    const limits = { perAddress: 6, total: 12 };
    const { shares, add } = arrange(limits);
    const all: { thing: Thing; isIdle: boolean }[] = []; // idle ones in order
    for (const [what, network, number] of deeds) {
      const at = number % Math.max(1, all.length);
      if (what === "add") {
        all.push({ thing: add(network, false)[0]!, isIdle: false });
      } else if (all.length > 0) {
        const [{ thing }] = all.splice(at, 1) as [typeof all[number]];
        if (what === "delete") shares.delete(thing);
        else {
          all.push({ thing, isIdle: what === "idle" });
          shares.setIdle(thing, what === "idle");
        }
      }
      const of = (one: string) =>
        all.filter(({ thing }) => thing.network === one);
      for (const one of ["a", "b", "c", "d", "e"]) {
        const over = shown(shares.over(one));
        const count = of(one).length;
        const isShare = count >= limits.perAddress;
        assertEquals(over !== undefined, isShare || all.length >= limits.total);
        if (!over) continue;
        assertEquals(over.isShare, isShare);
        const withIdle = ["a", "b", "c", "d"].map(of)
          .filter((share) => share.some(({ isIdle }) => isIdle));
        const most = Math.max(0, ...withIdle.map(({ length }) => length));
        const expected = isShare || most <= count
          ? [of(one)]
          : withIdle.filter(({ length }) => length === most);
        const idles = expected.map((share) =>
          share.filter(({ isIdle }) => isIdle).map(({ thing }) => thing.id)
        );
        const same = idles.some((idle) => `${idle}` === `${over.idle}`);
        assertEquals(same, true, `${JSON.stringify(idles)} ${over.idle}`);
      }
    }
  }));
});
