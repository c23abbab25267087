/**
 * All servers of a cluster see the same users, and tell what has changed once, over
 * a bus that loses, repeats, delays and reorders. What happens comes from a seed.
 */
import { LEASE_MS } from "../../../server/cluster/presence/presence.ts";
import { seeded } from "../../tools/net/fault_proxy.ts";
import { TestClock } from "../../tools/test_clock.ts";
import { LossyBus } from "./lossy_bus.ts";
import { assertOneChat, type Observer, TestServer } from "./presence_tools.ts";

/** Runs of the property, and what happens in each. */
const RUNS = 12;
const STEPS = 200;

const ROOMS = ["#default", "#a", "#b", "#c"];

for (let seed = 1; seed <= RUNS; seed++) {
  Deno.test(`all servers see the same users after all that happened by seed ${seed}`, () => {
    const story = new Story(seed);

    for (let step = 0; step < STEPS; step++) story.step();
    story.calm();

    assertOneChat(story.servers);
  });
}

/** What happens to servers and users, by a seed. */
class Story {
  servers: TestServer[] = [];
  readonly #clock = new TestClock();
  readonly #bus: LossyBus;
  readonly #random: () => number;
  readonly #users = new Map<string, { server: TestServer; peer: Observer }>();
  #lives = 0;
  #names = 0;

  constructor(seed: number) {
    this.#random = seeded(seed * 7_919);
    this.#bus = new LossyBus(this.#clock, seed, {
      loss: this.#random() * 0.3,
      twice: this.#random() * 0.3,
      delayMs: 1 + this.#random() * 2_000,
    });
    const count = 2 + Math.floor(this.#random() * 2);
    for (let i = 0; i < count; i++) this.#start(`s${i}`);
  }

  step(): void {
    const deeds = [
      ...Array(6).fill(() => this.#enter()),
      ...Array(6).fill(() => this.#join()),
      ...Array(3).fill(() => this.#leave()),
      ...Array(3).fill(() => this.#exit()),
      ...Array(3).fill(() => this.#move()),
      () => this.#signUp(),
      () => this.#kill(),
      () => this.#close(),
      () => this.#fence(),
      () => this.#cut(),
    ];
    this.#pick(deeds)();
    const ms = this.#random() < 0.1 ? 8_000 : 200;
    this.#pass(this.#random() * ms);
  }

  /** Nothing happens any more, and the bus works. */
  calm(): void {
    this.#bus.calm();
    this.#pass(60_000);
  }

  #pass(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.#clock.pass(Math.min(left, 1_000));
      for (const { hub } of this.servers) hub.presence.tellGathered();
    }
  }

  #start(name: string): void {
    this.servers.push(
      new TestServer(name, ++this.#lives, {
        bus: this.#bus.end(),
        clock: this.#clock,
      }),
    );
  }

  #enter(): void {
    const server = this.#pick(this.servers);
    const name = `user${++this.#names}`;
    this.#users.set(name, { server, peer: server.enter(name, "#default") });
  }

  #join(): void {
    const { server, peer } = this.#anyone() ?? {};
    if (server && peer) server.join(peer, this.#pick(ROOMS));
  }

  #leave(): void {
    const { server, peer } = this.#anyone() ?? {};
    const room = peer && this.#pick([...peer.rooms.keys()]);
    if (server && peer && room) server.leave(peer, room);
  }

  #exit(): void {
    const { server, peer } = this.#anyone() ?? {};
    if (!server || !peer) return;
    server.hub.exit(peer.user, "logged out");
    this.#users.delete(peer.user.name);
  }

  /** A user connects to another server, and the old connection ends later. */
  #move(): void {
    const user = this.#anyone();
    const to = this.#pick(this.servers);
    if (!user || to === user.server) return;
    const { server, peer } = user;
    const { name } = peer.user;
    const rooms = [...peer.rooms.keys()].filter(() => this.#random() < 0.8);
    this.#users.set(name, { server: to, peer: to.enter(name, ...rooms) });
    if (this.#random() < 0.5) this.#pass(this.#random() * 1_000);
    if (this.#random() < 0.5) server.hub.elsewhere!.moves(peer.user);
    server.hub.exit(peer.user, "signed in elsewhere");
  }

  #signUp(): void {
    const { server, peer } = this.#anyone() ?? {};
    if (!server || !peer) return;
    peer.kind = "account";
    server.hub.elsewhere!.changed(peer.user);
  }

  /** A server is killed; its users come back, here and there, or never. */
  #kill(): void {
    const server = this.#pick(this.servers);
    server[Symbol.dispose]();
    this.#end(server);
    if (this.#random() < 0.5) {
      for (const { presence } of this.servers) {
        presence.gone(server.name, server.epoch);
      }
    }
  }

  #close(): void {
    const server = this.#pick(this.servers);
    server.hub.close(5);
    server[Symbol.dispose]();
    this.#end(server);
  }

  #end(server: TestServer): void {
    this.servers = this.servers.filter((one) => one !== server);
    if (this.#random() < 0.5) this.#pass(this.#random() * LEASE_MS * 2);
    this.#start(server.name);
    for (const [name, user] of this.#users) {
      if (user.server !== server) continue;
      this.#users.delete(name);
      if (this.#random() < 0.5) continue;
      const to = this.#pick(this.servers);
      const rooms = user.peer.rooms.keys();
      this.#users.set(name, { server: to, peer: to.enter(name, ...rooms) });
    }
  }

  /** The others took a server for gone, wrongly. */
  #fence(): void {
    const server = this.#pick(this.servers);
    for (const { presence } of this.servers) {
      presence.gone(server.name, server.epoch);
    }
    const since = ++this.#lives;
    server.epoch = `${server.name}-${since}`;
    server.presence.restart({ epoch: server.epoch, since });
  }

  #cut(): void {
    const { bus } = this.#pick(this.servers);
    bus.isCut = !bus.isCut;
  }

  #anyone() {
    const users = [...this.#users.values()];
    return users.length === 0 ? undefined : this.#pick(users);
  }

  #pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.#random() * all.length)]!;
  }
}
