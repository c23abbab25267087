import { assert, assertEquals } from "@std/assert";
import { MAX_KNOWN, Order } from "../../core/order.ts";

/** An order, and the ids it has shown. */
function createOrder(maxBytes?: number) {
  const order = new Order(maxBytes);
  const shown: number[] = [];
  const entry = (id: number) => ({
    id,
    bytes: 10,
    show: () => void shown.push(id),
  });
  return { order, shown, entry };
}

Deno.test("Order shows at once what comes while nothing of ours is unanswered", () => {
  const { order, shown, entry } = createOrder();

  for (const id of [3, 4, 9]) order.add(entry(id), 0);

  assertEquals(shown, [3, 4, 9]);
  assertEquals(order.last, 9);
});

Deno.test("Order drops what comes again, and what was before our time", () => {
  const { order, shown, entry } = createOrder();

  order.startAfter(5);
  for (const id of [4, 5, 6, 6, 7, 6]) order.add(entry(id), 0);

  assertEquals(shown, [6, 7]);
});

Deno.test("Order puts our own message before what overtook its answer", () => {
  const { order, shown, entry } = createOrder();

  order.add(entry(6), 1); // one request of ours is on its way
  order.add(entry(7), 2);
  assertEquals(shown, []);
  order.addOwn(entry(5));
  order.answered(1);
  assertEquals(shown, [5, 6]);
  order.addOwn(entry(8));

  assertEquals(shown, [5, 6, 7, 8]);
  assertEquals(order.last, 8);
});

Deno.test("Order shows our own message once, if it was missed and is answered late", () => {
  const { order, shown, entry } = createOrder();

  order.hold();
  order.add({ ...entry(5), own: true }, 0); // its answer was lost
  order.release(3);
  order.addOwn(entry(9)); // an older request, which was refused at first
  order.answered(1);
  order.addOwn(entry(5));
  order.answered(2);
  order.addOwn(entry(7)); // one more that is late
  order.answered(3);

  assertEquals(shown, [5, 9, 7]);
});

Deno.test("Order lets go when our request is answered otherwise", () => {
  const { order, shown, entry } = createOrder();

  order.add(entry(6), 1);
  order.answered(1);

  assertEquals(shown, [6]);
});

Deno.test("Order shows what was missed in order, each once, however it comes", () => {
  const { order, shown, entry } = createOrder();
  order.add(entry(1), 0);

  order.hold();
  for (const id of [4, 7, 9]) order.add(entry(id), 0);
  order.addOwn(entry(8));
  order.hold();
  for (const id of [5, 6, 7, 8]) order.add(entry(id), 0);
  for (const id of [1, 2, 3, 4]) order.add(entry(id), 0);
  order.release(0);
  assertEquals(shown, [1]);
  assertEquals(order.last, 1);
  order.release(0);
  order.add(entry(9), 0);
  order.add(entry(10), 0);

  assertEquals(shown, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

Deno.test("Order waits for the repeats of our own messages after coming back", () => {
  const { order, shown, entry } = createOrder();

  order.hold();
  for (const id of [4, 6]) order.add(entry(id), 1);
  order.release(2);
  assertEquals(shown, []);
  assertEquals(order.last, 3);
  order.addOwn(entry(5));
  order.answered(1);
  assertEquals(shown, [4, 5]);
  order.addOwn(entry(7));
  order.answered(2);

  assertEquals(shown, [4, 5, 6, 7]);
});

Deno.test("Order shows our own message once that a history had too", () => {
  const { order, shown, entry } = createOrder();

  order.hold();
  for (const id of [4, 5, 6]) order.add(entry(id), 1);
  order.release(1);
  order.addOwn(entry(5));

  assertEquals(shown, [4, 5]);
  order.answered(1);
  assertEquals(shown, [4, 5, 6]);
});

Deno.test("Order shows the oldest, once, when it would hold too much", () => {
  const { order, shown, entry } = createOrder(30);

  order.hold();
  for (const id of [5, 6, 7, 8]) order.add(entry(id), 0);
  assertEquals(shown, [5, 6]);
  assertEquals(order.last, 0); // what is older is still missing
  for (const id of [1, 5, 6, 7]) order.add(entry(id), 0);
  order.release(0);
  for (const id of [5, 8, 9]) order.add(entry(id), 0);

  assertEquals(shown, [5, 6, 1, 7, 8, 9]);
  assertEquals(order.last, 9);
});

Deno.test("Order begins anew when the ids do", () => {
  const { order, shown, entry } = createOrder();
  for (const id of [1, 2, 3]) order.add(entry(id), 0);

  order.hold();
  order.restart();
  for (const id of [1, 2]) order.add(entry(id), 0);
  order.release(0);

  assertEquals(shown, [1, 2, 3, 1, 2]);
});

Deno.test("Order shows everything when nothing more will come", () => {
  const { order, shown, entry } = createOrder();

  order.add(entry(2), 1);
  order.flush();

  assertEquals(shown, [2]);
});

Deno.test("Order forgets ids when a server never answers, and goes on", () => {
  const { order, shown } = createOrder(1_000);
  order.hold();
  for (let id = 1; id <= 1.5 * MAX_KNOWN; id++) {
    order.add({ id, bytes: 100, show() {} }, 0);
  }
  let known = 0;
  for (let id = 1; id <= 1.5 * MAX_KNOWN; id++) {
    if (order.knows(id)) known++;
  }

  assert(known <= MAX_KNOWN, `${known} ids`);
  order.release(0);
  const last = 1.5 * MAX_KNOWN + 1;
  order.add({ id: last, bytes: 100, show: () => void shown.push(last) }, 0);
  assertEquals(shown, [last]);
});

Deno.test("Order finds the place of what comes in the wrong order without a search of all", () => {
  const { order } = createOrder();
  let reads = 0;
  const count = 2_000;
  const shown: number[] = [];
  order.hold();
  for (let number = count; number > 0; number--) {
    order.add({
      get id() {
        return number;
      },
      bytes: 10,
      show: () => void shown.push(number),
    }, 0);
  }
  const find = Array.prototype.findLastIndex;
  Array.prototype.findLastIndex = function (...args) {
    reads += this.length;
    return find.apply(this, args);
  };
  try {
    order.add({ id: 0.5, bytes: 10, show() {} }, 0);
  } finally {
    Array.prototype.findLastIndex = find;
  }
  order.release(0);

  assertEquals(reads, 0);
  assertEquals(shown, Array.from({ length: count }, (_, i) => i + 1));
});
