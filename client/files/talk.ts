/**
 * The files between us and one other person, for as long as the session with
 * them lasts: it may have many connections, one after the other.
 *
 * When a connection breaks, everything pauses; on the next one whoever sends
 * offers again what was not whole, under the same id, and whoever receives
 * goes on with what has that id, without asking the person a second time. The
 * id was told to nobody but the other side.
 *
 * @module
 */
import { Failure } from "../terminal/failure.ts";
import { FileExchange, type Listing, MAX_UNDER_WAY } from "./exchange.ts";
import { FileFailure } from "./failure.ts";
import { Job, titleOf } from "./job.ts";
import type { Item } from "./part.ts";
import type { Receiving } from "./receive.ts";
import { newId, type Say, Sending } from "./send.ts";
import type { SharedFolder } from "./share.ts";
import type { Outgoing } from "./source.ts";
import type { Bytes } from "../../core/scram.ts";

/** What happens, for whoever shows it and decides. */
export interface TalkEvents {
  /** Something is offered; accept or decline it. */
  offered(job: Job): void;
  /** Something of our shared folder is being got. */
  served(job: Job): void;
}

/** What a {@linkcode FileTalk} is made of. */
export interface TalkOptions extends TalkEvents {
  /** Our name. */
  readonly me: string;
  /** Theirs. */
  readonly peer: string;
  /** Where files go that we receive. */
  folder(): string;
  /** What the other side may get; undefined: nothing. */
  readonly shared: SharedFolder | undefined;
  /** Why there is no room for what we asked for, if there is none. */
  lackOfRoom?(job: Job): Promise<string | undefined>;
}

/** One connection: what is said on it, and when it is gone. */
interface Connection {
  readonly exchange: FileExchange;
  readonly gone: PromiseWithResolvers<void>;
}

/** See the top of the file. */
export class FileTalk {
  readonly #options: TalkOptions;
  readonly #jobs = new Set<Job>();
  /** The offers of jobs that wait for a connection, or for the person. */
  readonly #offers = new Map<Job, PromiseWithResolvers<Receiving>>();
  readonly #running = new Set<Promise<void>>();
  /** What we offer or send now; the rest waits until some of it has ended. */
  readonly #underWay = new Set<Job>();
  #ended = Promise.withResolvers<void>(); // one of those
  #connection: Connection | undefined;
  #connected = Promise.withResolvers<void>();
  #over: FileFailure | undefined;
  #used = false;

  /** Begins without a connection. */
  constructor(options: TalkOptions) {
    this.#options = options;
  }

  /** What has not ended, in its order. */
  get jobs(): readonly Job[] {
    return [...this.#jobs];
  }

  /** Whether anything was ever sent or received. */
  get used(): boolean {
    return this.#used;
  }

  /** There is a connection: goes on with everything. */
  connect(say: Say): void {
    const { shared } = this.#options;
    const exchange = new FileExchange({
      say,
      shared,
      offered: (receiving) => this.#offered(receiving),
      served: (sending, done) => this.#served(sending, done),
    });
    this.#connection = { exchange, gone: Promise.withResolvers() };
    this.#connected.resolve();
  }

  /** Takes a record of the other side; see {@linkcode FileExchange.receive}. */
  async receive(record: Bytes): Promise<void> {
    await this.#connection?.exchange.receive(record);
  }

  /** The connection is gone; there may be another. */
  async disconnect(reason: Failure): Promise<void> {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    this.#connected = Promise.withResolvers();
    await connection.exchange.close(reason);
    for (const job of this.#jobs) {
      job.pause();
      if (!job.sends) this.#offers.set(job, Promise.withResolvers());
    }
    connection.gone.resolve();
  }

  /** There will be no other: ends everything. What is there stays. */
  async end(reason: Failure): Promise<void> {
    this.#over = new FileFailure(reason.message, { cause: reason });
    for (const job of this.#jobs) this.#fail(job, this.#over);
    await this.disconnect(reason);
    this.#connected.resolve();
    await Promise.all(this.#running);
  }

  /** Offers files, and sends them if they are accepted. */
  send(outgoing: Outgoing): Job {
    const { sources, size } = outgoing;
    const items = Map.groupBy(sources, ({ item }) => item).values();
    const names = items.map(([first]) => first!.path.replace(/\/.*/s, "/"));
    const id = newId();
    const job = this.#add({ sends: true, id, title: titleOf([...names]) });
    [job.files, job.size] = [sources.length, size];
    this.#run(job, async ({ exchange }) => {
      const sending = exchange.offer(outgoing, { id });
      job.begin(sending);
      sending.accepted.then(() => job.run());
      await exchange.send(sending);
      return [];
    });
    return job;
  }

  /** Gets `path` of what the other side shares. */
  get(path: string): Job {
    const job = this.#add({ sends: false, title: path });
    this.#run(job, async ({ exchange }) => {
      const receiving = await exchange.get(path);
      const isMeant = isCalled(receiving, path);
      describe(job, receiving);
      const why = isMeant
        ? await this.#options.lackOfRoom?.(job)
        : `"${job.title}" was sent instead of "${path}"`;
      if (why === undefined) return await this.#receive(job, receiving);
      receiving.decline(`${this.#options.me} declined`);
      throw new FileFailure(why);
    });
    return job;
  }

  /**
   * What the other side shares.
   *
   * @throws {FileFailure} If that is nothing.
   * @throws {Failure} If the connection breaks.
   */
  async list(): Promise<Listing> {
    while (!this.#connection && !this.#over) await this.#connected.promise;
    if (!this.#connection) throw this.#over;
    return await this.#connection.exchange.list();
  }

  /** Takes what is offered. */
  accept(job: Job): void {
    job.run();
    this.#run(job, async () => {
      const receiving = await this.#offers.get(job)!.promise; // it was offered
      return await this.#receive(job, receiving);
    });
  }

  /** Ends a transfer, or declines what is offered; the other side is told. */
  async cancel(job: Job, why?: string): Promise<void> {
    const { attempt, state } = job;
    const declines = state === "asking" && !job.sends;
    const verb = declines ? "declined" : "cancelled it";
    const failure = new FileFailure(why ?? `${this.#options.me} ${verb}`);
    this.#fail(job, failure);
    if (attempt instanceof Sending) attempt.withdraw(failure);
    else if (declines) attempt?.decline(failure.message);
    else await attempt?.cancel(failure);
  }

  #add(parts: { sends: boolean; id?: string; title: string }): Job {
    const job = new Job({ ...parts, peer: this.#options.peer });
    this.#jobs.add(job);
    this.#used = true;
    return job;
  }

  #fail(job: Job, why: FileFailure): void {
    this.#forget(job);
    job.fail(why);
  }

  #forget(job: Job): void {
    this.#jobs.delete(job);
    this.#offers.delete(job);
  }

  #run(job: Job, attempt: Attempt): void {
    const running = this.#keepTrying(job, attempt)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Tries on one connection after the other, until the job has ended. */
  async #keepTrying(job: Job, attempt: Attempt): Promise<void> {
    while (!job.over) {
      if (this.#over) return this.#fail(job, this.#over);
      if (!this.#connection) {
        await Promise.race([this.#connected.promise, job.settled]);
        continue;
      }
      const connection = this.#connection;
      if (job.sends && this.#underWay.size >= MAX_UNDER_WAY) {
        const { promise: gone } = connection.gone;
        await Promise.race([this.#ended.promise, gone, job.settled]);
        continue;
      }
      if (job.sends) this.#underWay.add(job);
      try {
        const paths = await attempt(connection);
        this.#forget(job);
        job.finish(paths);
      } catch (error) {
        if (error instanceof FileFailure) this.#fail(job, error);
        else if (error instanceof Failure) await connection.gone.promise;
        else throw error;
      } finally {
        this.#underWay.delete(job);
        this.#ended.resolve();
        this.#ended = Promise.withResolvers();
      }
    }
  }

  async #receive(job: Job, receiving: Receiving): Promise<readonly string[]> {
    const { me, peer } = this.#options;
    const folder = this.#options.folder();
    const { finished } = job;
    job.begin(receiving);
    job.run();
    try {
      const people = { sender: peer, receiver: me };
      return await receiving.accept({ folder, people, finished });
    } finally {
      job.finished = receiving.finished;
    }
  }

  #offered(receiving: Receiving): void {
    const known = this.jobs.find(({ id }) => id === receiving.id);
    if (known && (known.sends || known.attempt || !isSame(known, receiving))) {
      return receiving.decline("It was offered before, and was another");
    }
    const job = known ??
      this.#add({ sends: false, id: receiving.id, title: "" });
    describe(job, receiving);
    job.begin(receiving);
    receiving.outcome.catch((error) => {
      // Taken back, before somebody accepted it.
      if (error instanceof FileFailure) this.#fail(job, error);
    });
    const offer = this.#offers.get(job) ?? Promise.withResolvers();
    offer.resolve(receiving);
    this.#offers.set(job, offer);
    if (!known) this.#options.offered(job);
  }

  /** Whoever gets it asks again after a break. */
  #served(sending: Sending, done: Promise<void>): void {
    const { sources: [first], size } = sending.outgoing;
    const title = first?.path.replace(/\/.*/s, "/") ?? "";
    const job = this.#add({ sends: true, title });
    [job.files, job.size] = [sending.outgoing.sources.length, size];
    job.begin(sending);
    job.run();
    done.then(
      () => {
        this.#forget(job);
        job.finish([]);
      },
      (error) => this.#fail(job, new FileFailure(error.message)),
    );
    this.#options.served(job);
  }
}

/** Does what a job is about, on one connection; where everything is then. */
type Attempt = (connection: Connection) => Promise<readonly string[]>;

/** Notes what is offered. */
function describe(job: Job, { items, files, size }: Receiving): void {
  job.items = items;
  job.files = files;
  job.size = size;
  job.title = titleOf(
    items.map(({ title, isFolder }) => isFolder ? `${title}/` : title),
  );
}

/** Whether what is offered is called what was asked for. */
function isCalled({ items }: Receiving, path: string): boolean {
  const [item, ...others] = items;
  const wanted = path.split(/[\\/]/).findLast((part) => part !== "");
  return others.length === 0 && item?.title === wanted;
}

/** Whether what is offered is what was offered before. */
function isSame(job: Job, { items }: Receiving): boolean {
  const what = (items: readonly Item[]) =>
    JSON.stringify(items.map((one) => [one.title, one.size, one.files.length]));
  return what(job.items) === what(items);
}
