/**
 * The operator: bans, mutes, kicks and their removal, on the console of one
 * server after the other, one at a time.
 *
 * @module
 */
import { Chance } from "../../fuzz/hostile_frames.ts";
import type { Measure, Outcome } from "../check/history.ts";
import type { ParleyNode } from "../node.ts";
import type { World } from "../world.ts";

/** Limit of the pause between two commands, in milliseconds. */
const PAUSE_MS = 2_500;

/** How many names that no client has are banned and muted. */
const ABSENT = 4;

/** See the top of the file. */
export class Operator {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #bannable: readonly string[];

  /** @param bannable Names of clients that may be banned for a time. */
  constructor(world: World, seed: number, bannable: readonly string[]) {
    this.#world = world;
    this.#chance = new Chance(seed);
    this.#bannable = bannable;
  }

  /** Commands until the run is over. */
  async live(): Promise<void> {
    while (!this.#world.isOver) {
      await this.#world.pause(this.#chance.below(PAUSE_MS));
      const node = this.#chance.pick(this.#world.nodes);
      if (this.#chance.once(8)) {
        const { people } = this.#world;
        await this.#ask(node, `kick ${this.#chance.pick(people)}`);
      } else await this.#measure(node);
    }
  }

  async #measure(node: ParleyNode): Promise<void> {
    const what = this.#chance.pick(["ban", "mute"] as const);
    // A mute concerns the address of its user too, which is that of all.
    const some = what === "ban" && this.#chance.once(2)
      ? this.#bannable
      : Array.from({ length: ABSENT }, (_, i) => `absent${i}`);
    const name = this.#chance.pick(some);
    const wanted = this.#chance.once(2);
    const measure: Measure = {
      ...{ what, name, wanted, at: this.#world.now(), server: node.name },
      outcome: { kind: "unknown" },
    };
    this.#world.history.measures.push(measure);
    const answer = await this.#ask(
      node,
      `${wanted ? "" : "un"}${what} ${name}`,
    );
    measure.outcome = this.#outcome(answer);
  }

  /** The lines of the answer; none if the server is gone, or does not answer. */
  async #ask(node: ParleyNode, command: string): Promise<string[]> {
    return await node.ask(command).catch(() => []);
  }

  #outcome([first = "", ...more]: string[]): Outcome {
    const at = this.#world.now();
    // There was nothing to remove; the list of errors has no number for it.
    if (/^Cannot un/.test(first)) return { kind: "refused", at, code: 0 };
    const isDone = /^(Banned|Muted|Removed|Unmuted) /.test(first);
    const isStored = !more.some((line) => /when the server|again$/.test(line));
    return isDone && isStored ? { kind: "done", at } : { kind: "unknown" };
  }
}
