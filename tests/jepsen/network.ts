/**
 * A computer of its own for each of some servers: a namespace of the network, with
 * a cable to this computer that can be pulled. Nothing tells a program so: what is
 * sent is lost, as in a network that fails. Root can make these on Linux.
 *
 * It loses packets in both directions. One direction alone needs netem, which not
 * every kernel has: proxies do that.
 *
 * @module
 */
import { runProgram } from "./programs.ts";

/** Cables of runs side by side have other addresses: 10.200.0.0 to 10.249.249.255. */
const NETWORKS = 250;
const FIRST_NETWORK = 200;
const LARGER_NETWORKS = 50;

/** Addresses of one cable: two for its ends, and two that the network takes. */
const CABLE_ADDRESSES = 4;

/** See the top of the file. */
export class Network implements AsyncDisposable {
  readonly #cables: readonly Cable[];
  readonly #parts: AsyncDisposableStack;

  private constructor(
    cables: readonly Cable[],
    parts: AsyncDisposableStack,
  ) {
    this.#cables = cables;
    this.#parts = parts;
  }

  /**
   * Makes so many namespaces.
   *
   * @throws {Error} Why this computer cannot have them.
   */
  static async open(count: number): Promise<Network> {
    await using parts = new AsyncDisposableStack();
    const cables: Cable[] = [];
    for (let number = 0; number < count; number++) {
      cables.push(await openCable(number, parts));
    }
    return new Network(cables, parts.move());
  }

  /** The address of that server. */
  addressOf(number: number): string {
    return this.#cables[number]!.there;
  }

  /** The address of this computer, as that server reaches it. */
  addressFor(number: number): string {
    return this.#cables[number]!.here;
  }

  /** The start of a command line that runs a program on the computer of a server. */
  prefixOf(number: number): readonly string[] {
    return ["ip", "netns", "exec", this.#cables[number]!.name];
  }

  /** Pulls the cable. */
  async cut(number: number): Promise<void> {
    await this.#set(number, "down");
  }

  /** Puts it in again. */
  async heal(number: number): Promise<void> {
    await this.#set(number, "up");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }

  async #set(number: number, state: "up" | "down"): Promise<void> {
    const { name } = this.#cables[number]!;
    await runProgram("ip", "-n", name, "link", "set", "eth0", state);
  }
}

/** A namespace, and the addresses of the two ends of its cable. */
interface Cable {
  readonly name: string;
  readonly here: string;
  readonly there: string;
}

/** What `parts` undoes. */
async function openCable(
  number: number,
  parts: AsyncDisposableStack,
): Promise<Cable> {
  const name = `parley${Deno.pid}n${number}`;
  const end = `pj${Deno.pid}n${number}`; // names of ends have 15 characters at most
  const larger = Math.floor(Deno.pid / NETWORKS) % LARGER_NETWORKS;
  const network = `10.${FIRST_NETWORK + larger}.${Deno.pid % NETWORKS}`;
  const first = CABLE_ADDRESSES * number;
  const [here, there] = [`${network}.${first + 1}`, `${network}.${first + 2}`];
  await runProgram("ip", "netns", "add", name);
  parts.defer(() => runProgram("ip", "netns", "del", name));
  const cable = `link add ${end} type veth peer name eth0 netns ${name}`;
  await runProgram("ip", ...cable.split(" "));
  // It ends at once, and that in a namespace some time after its end.
  parts.defer(() => runProgram("ip", "link", "del", end));
  for (
    const words of [
      `addr add ${here}/30 dev ${end}`,
      `link set ${end} up`,
      `-n ${name} addr add ${there}/30 dev eth0`,
      `-n ${name} link set eth0 up`,
      `-n ${name} link set lo up`,
    ]
  ) await runProgram("ip", ...words.split(" "));
  return { name, here, there };
}

/** Why there can be no such network, if it is so. */
export async function whyNoNetwork(): Promise<string | undefined> {
  try {
    await using _network = await Network.open(1);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : `${error}`;
  }
}
