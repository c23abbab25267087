/** A small class for a moment, of which `deno task soak --accounts` has a large one. */
import { assert } from "@std/assert";
import { needs } from "../../tools/system/skips.ts";
import { enough } from "../../tools/system/amounts.ts";
import { runClass } from "./class.ts";

Deno.test(needs("signals between programs", {
  name:
    "a class with private rooms and a moderator is shown all that is stored for it, and nothing else, while the server is restarted and killed",
  async fn() {
    const { stored, shown } = await runClass({
      seed: 2026,
      forMs: 0,
      actions: enough(300),
      ...{ users: 8, devices: 2, privateRooms: 2, pauseMs: 30 },
      log: () => {},
    });

    assert(stored > 20 && shown > stored, `${stored} stored, ${shown} shown`);
  },
}));
