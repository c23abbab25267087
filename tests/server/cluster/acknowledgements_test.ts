/** Whether users of other servers acknowledge a message, in any order of events. */
import { assertEquals } from "@std/assert";
import {
  Acknowledgements,
  MAX_OPEN,
} from "../../../server/cluster/presence/acknowledgements.ts";

Deno.test("an answer may come before or after it is waited for", async () => {
  const answers = new Acknowledgements();

  answers.heard("a", 1, true);
  const early = answers.of("a", 1);
  const late = answers.of("b", 1);
  answers.heard("b", 1, false);

  assertEquals(await Promise.all([early, late]), [true, false]);
});

Deno.test("a server that is gone acknowledges nothing", async () => {
  const answers = new Acknowledgements();
  const waiting = ["a", "b"].map((server) => answers.of(server, 1));

  answers.gone("a");
  answers.heard("b", 1, true);

  assertEquals(await Promise.all(waiting), [false, true]);
});

Deno.test("as many messages as wait take no more memory than that", async () => {
  const answers = new Acknowledgements();
  const first = answers.of("a", 0);

  for (let id = 1; id < MAX_OPEN; id++) answers.heard("a", id, true);
  const last = answers.of("a", 1);
  answers.heard("a", MAX_OPEN, true);

  assertEquals(await Promise.all([first, last]), [false, true]);
});
