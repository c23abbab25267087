/**
 * A client of our own kind that talks: one session after the other under one
 * name, each with operations that its seed chooses.
 *
 * @module
 */
import { SignIn } from "../../../core/sign_in.ts";
import { Chance } from "../../fuzz/hostile_frames.ts";
import { within } from "../../tools/net/within.ts";
import type { Outcome } from "../check/history.ts";
import type { World } from "../world.ts";
import { Visit } from "./visit.ts";

/** Every account's. */
export const PASSWORD = "correct horse battery staple";

/** Limit of the pause between two operations, in milliseconds. */
const THINK_MS = 1_500;

/** Of so many operations one is to sign up, of a client that does so. */
const SIGN_UP_ONCE_IN = 10;

/** The pause before the next session, in milliseconds. */
const AWAY_MS = 1_000;

/** How long a client may take to come back once all faults are over. */
const SETTLE_MS = 120_000;

/** How often a client that waits to try again is hurried then, in milliseconds. */
const HURRY_MS = 1_000;

/** What a {@linkcode Talker} is made of. */
export interface TalkerOptions {
  readonly name: string;
  readonly kind: "terminal" | "page";
  readonly seed: number;
  /** Whether it creates an account some time. */
  readonly signsUp: boolean;
  /** Whether servers tell it where to go on; else it finds out by itself. */
  readonly follows: boolean;
}

/** See the top of the file. */
export class Talker {
  readonly name: string;
  readonly #world: World;
  readonly #options: TalkerOptions;
  readonly #chance: Chance;
  #at: number; // the server that it connects to
  #account: "none" | "perhaps" | "sure" = "none";
  #visits = 0;
  #visit: Visit | undefined;
  #isLeaving = false;

  constructor(world: World, options: TalkerOptions) {
    this.name = options.name;
    this.#world = world;
    this.#options = options;
    this.#chance = new Chance(options.seed);
    this.#at = this.#chance.below(world.nodes.length);
  }

  /** Talks until the run is over. */
  async live(): Promise<void> {
    while (!this.#world.isOver) {
      const visit = await this.#enter();
      if (visit) await this.#talk(visit);
      else await this.#world.pause(this.#chance.below(AWAY_MS));
    }
  }

  /**
   * Waits until it is registered and everything is answered, if it can be: a
   * banned client cannot.
   */
  async settle(): Promise<void> {
    const hurrying = setInterval(() => this.#visit?.hurry(), HURRY_MS);
    try {
      await within(this.#settled(), () => `${this.name} settles`, SETTLE_MS);
    } catch (error) {
      this.#world.trouble(this.name, `cannot settle: ${error}`);
    } finally {
      clearInterval(hurrying);
    }
  }

  /** Waits until it was shown the last message of the run, whose id is `upTo`. */
  async saw(text: string, upTo: number): Promise<void> {
    const visit = this.#visit;
    if (!visit || visit.isOver) return;
    try {
      await within(visit.saw(text), () => `the last message`, SETTLE_MS);
      if (!visit.isOver) visit.stay(upTo);
      else await this.#tellEnd(visit);
    } catch (error) {
      this.#world.trouble(
        this.name,
        `was not shown the last message: ${error}`,
      );
    }
  }

  /** Ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLeaving = true;
    this.#visit?.close();
    await this.#visit?.ended;
  }

  async #settled(): Promise<void> {
    const visit = this.#visit;
    if (!visit || visit.isOver) return;
    await visit.registering;
    await visit.settled(0);
  }

  /** A new session; undefined if it was refused, or if there is no server. */
  async #enter(): Promise<Visit | undefined> {
    const { name, kind, follows } = this.#options;
    const signIn = this.#signIn();
    const { nodes } = this.#world;
    const at = this.#world.now();
    const visit = this.#visit = new Visit(this.#world, {
      ...{ key: `${name}.${++this.#visits}`, name, kind, signIn, follows },
      node: () => nodes[this.#at]!,
      unreachable: () => this.#at = (this.#at + 1) % nodes.length,
    });
    const isSigningIn = signIn.way === "login";
    const refusal = await visit.registering;
    const { code } = refusal as { code?: number } & Error ?? {};
    if (isSigningIn && this.#account === "sure") {
      const outcome = this.#signedIn(visit, code);
      const client = this.name;
      this.#world.history.signIns.push({ client, name, at, outcome });
    }
    if (!refusal) {
      if (isSigningIn) this.#account = "sure";
      return visit;
    }
    if (code === 121 && this.#account === "perhaps") this.#account = "none";
    return undefined;
  }

  #signIn(): SignIn {
    const signIn = new SignIn();
    if (this.#account !== "none") signIn.use("login", PASSWORD);
    return signIn;
  }

  #signedIn(visit: Visit, code: number | undefined): Outcome {
    const at = this.#world.now();
    if (visit.record) return { kind: "done", at };
    const isWrong = code === 111 || code === 121;
    return isWrong ? { kind: "refused", at, code } : { kind: "unknown" };
  }

  /** Operations until this session ends, or the run does. */
  async #talk(visit: Visit): Promise<void> {
    for (const room of this.#someRooms()) await this.#do(visit.join(room));
    while (!this.#world.isOver && !visit.isOver) {
      await this.#do(this.#operate(visit));
      await Promise.race([
        this.#world.pause(this.#chance.below(THINK_MS)),
        visit.ended,
      ]);
    }
    if (visit.isOver) await this.#tellEnd(visit);
  }

  /** An operation takes as long as it takes, but no longer than the run. */
  async #do(operation: Promise<void>): Promise<void> {
    const failed = operation.catch((error) => {
      this.#world.trouble(this.name, `failed: ${error.stack ?? error}`);
    });
    await Promise.race([failed, this.#world.over]);
  }

  async #operate(visit: Visit): Promise<void> {
    const { rooms } = visit;
    if (
      this.#options.signsUp && this.#account === "none" &&
      this.#chance.once(SIGN_UP_ONCE_IN)
    ) return await this.#signUp(visit);
    const one = this.#chance.below(97);
    if (one < 62 && rooms.length > 0) {
      return await visit.say(this.#chance.pick(rooms), this.#padding());
    }
    if (one < 76) return await visit.say(this.#otherPerson(), this.#padding());
    if (one < 79) return await visit.say("ALL", 0);
    if (one < 86) {
      return await visit.join(this.#chance.pick(this.#world.rooms));
    }
    if (one < 89 && rooms.length > 1) {
      return await visit.leave(this.#chance.pick(rooms));
    }
    if (one < 93) return this.#move(visit);
    if (one < 95) return visit.close();
    await visit.logout();
  }

  #move(visit: Visit): void {
    this.#at = this.#chance.below(this.#world.nodes.length);
    visit.drop();
  }

  async #signUp(visit: Visit): Promise<void> {
    const { history, now } = this.#world;
    const signUp = {
      ...{ client: this.name, name: this.name, at: now() },
      outcome: { kind: "unknown" } as Outcome,
    };
    history.signUps.push(signUp);
    this.#account = "perhaps";
    signUp.outcome = await visit.signUp(PASSWORD);
    if (signUp.outcome.kind === "done") this.#account = "sure";
    if (signUp.outcome.kind === "refused") this.#account = "none";
  }

  #someRooms(): string[] {
    const { rooms } = this.#world;
    return ["#default", this.#chance.pick(rooms), this.#chance.pick(rooms)];
  }

  #otherPerson(): string {
    const others = this.#world.people.filter((one) => one !== this.name);
    return this.#chance.pick(others);
  }

  /** Most messages are short, some have 20 KB. */
  #padding(): number {
    return this.#chance.once(20) ? this.#chance.below(2_000) : 0;
  }

  /** Tells an end that no operation explains. */
  async #tellEnd(visit: Visit): Promise<void> {
    const why = await visit.ended;
    if (!why || this.#isLeaving) return;
    const { code } = (why.cause ?? why) as { code?: number };
    if (code === REMOVED) return; // kicked, or banned
    this.#world.trouble(this.name, `ended: ${why.message}`);
  }
}

const REMOVED = 117;
