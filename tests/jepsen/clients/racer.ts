/**
 * Clients that race for names: those of guests, and those of new accounts. They
 * speak bytes, and leave in every way.
 *
 * @module
 */
import { Chance } from "../../fuzz/hostile_frames.ts";
import { signUp } from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import type { Claim, Outcome } from "../check/history.ts";
import { sending, type World } from "../world.ts";

/** How many race for one name. */
const RACERS = 4;

/** How many names guests race for; each has many holders, one after the other. */
const PRIZES = 3;

/** Limit of the pause between two races, in milliseconds. */
const PAUSE_MS = 2_000;

/** The room in which winners speak. */
const ROOM = "#race";

/** See the top of the file. */
export class Races {
  readonly #world: World;
  readonly #chance: Chance;
  #last = 0; // race

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#chance = new Chance(seed);
  }

  /** Races until the run is over. */
  async live(): Promise<void> {
    while (!this.#world.isOver) {
      const race = ++this.#last;
      const runs = this.#chance.once(3)
        ? this.#racers((client, port) =>
          this.#signUp(client, port, `deed${race}`)
        )
        : this.#racers((client, port) => this.#register(client, port));
      await Promise.all(runs);
      await this.#world.pause(this.#chance.below(PAUSE_MS));
    }
  }

  #racers(
    run: (client: string, port: number) => Promise<void>,
  ): Promise<void>[] {
    return Array.from({ length: RACERS }, (_, i) => {
      const { port } = this.#chance.pick(this.#world.nodes).proxy;
      // The connection was lost, or the server is down.
      return run(`racer${i}.${this.#last}`, port).catch(() => {});
    });
  }

  async #register(key: string, port: number): Promise<void> {
    const { history, now } = this.#world;
    const name = `prize${this.#last % PRIZES}`;
    const says = this.#chance.below(4);
    const logsOut = this.#chance.once(2);
    using client = await RawClient.connect(port);
    const answer = await client.ask(`REGISTER ${name}\n\n`);
    if (!answer.startsWith("REGISTERED")) return;
    const from = now();
    const claim: Claim = { holder: key, name, from, until: from };
    history.claims.push(claim);
    await client.send(`JOIN ${ROOM}\n\n`);
    await client.next("JOINED");
    for (let i = 1; i <= says; i++) await this.#say(client, claim, i);
    if (!logsOut) return;
    await client.send("LOGOUT\n\n");
    await client.next("BYE");
  }

  async #say(client: RawClient, claim: Claim, number: number): Promise<void> {
    const { holder, name } = claim;
    const text = `${holder}.${number}`;
    const send = sending(this.#world, {
      ...{ session: holder, name, to: ROOM, text },
    });
    await client.say(ROOM, text);
    const sent = await client.next("SENT");
    claim.until = send.at;
    const [at, id] = [this.#world.now(), Number(headerOf(sent, "Id"))];
    send.outcome = { kind: "done", at, id };
  }

  async #signUp(key: string, port: number, name: string): Promise<void> {
    const { history, now } = this.#world;
    const request = await signUp(name);
    const outcome: Outcome = { kind: "unknown" };
    const one = { client: key, name, at: now(), outcome: outcome as Outcome };
    history.signUps.push(one);
    using client = await RawClient.connect(port);
    const answer = await client.ask(request);
    const isDone = answer.startsWith("REGISTERED");
    const code = Number(/^ERROR (\d+)/.exec(answer)?.[1]);
    one.outcome = isDone
      ? { kind: "done", at: now() }
      : { kind: "refused", at: now(), code };
  }
}
