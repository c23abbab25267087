/**
 * Starts the servers of a run. The command lines are here, and nowhere else.
 *
 * @module
 */
import { ParleyNode } from "./node.ts";

/** What a run has of servers. */
export interface ClusterOptions {
  /** How many Parley servers: one with a file. */
  readonly servers: number;
  /** A folder that exists, for everything that they store. */
  readonly folder: string;
  /** Bytes of the disk of each server; without it, the folder's. */
  readonly diskBytes: number | undefined;
  /** See {@linkcode ParleyNode}. */
  readonly clockLibrary: string | undefined;
  readonly trouble: (who: string, what: string) => void;
}

/** See the top of the file. */
export class Cluster implements AsyncDisposable {
  readonly nodes: readonly ParleyNode[];
  readonly #parts: AsyncDisposableStack;

  private constructor(
    nodes: readonly ParleyNode[],
    parts: AsyncDisposableStack,
  ) {
    this.nodes = nodes;
    this.#parts = parts;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    await using parts = new AsyncDisposableStack();
    const { servers, folder, diskBytes, clockLibrary, trouble } = options;
    const nodes: ParleyNode[] = [];
    for (let number = 1; number <= servers; number++) {
      const name = `s${number}`;
      const own = `${folder}/${name}`;
      await Deno.mkdir(own);
      if (diskBytes !== undefined) parts.use(await mount(own, diskBytes));
      const args = ["--no-limits", "--db", `${own}/chat.db`];
      nodes.push(parts.use(
        await ParleyNode.start({
          ...{ name, folder: own, args, clockLibrary, trouble },
        }),
      ));
    }
    return new Cluster(nodes, parts.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** Why a folder cannot be a disk of its own, if it is so. */
export async function whyNoDisk(folder: string): Promise<string | undefined> {
  try {
    await using _disk = await mount(folder, 2 ** 20);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : `${error}`;
  }
}

/** Makes `folder` a disk of its own, in memory. */
async function mount(folder: string, bytes: number): Promise<AsyncDisposable> {
  await run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder);
  return { [Symbol.asyncDispose]: () => run("umount", folder) };
}

/** @throws {Error} With what the program said, if it fails. */
async function run(program: string, ...args: string[]): Promise<void> {
  if (Deno.build.os !== "linux") throw new Error("only Linux has this");
  const { success, stderr } = await new Deno.Command(program, { args })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
}

/** Where Debian's package has the library that makes clocks wrong. */
const CLOCK_LIBRARIES: readonly string[] = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/** libfaketime, if it is installed. */
export async function findClockLibrary(): Promise<string | undefined> {
  for (const path of CLOCK_LIBRARIES) {
    const found = await Deno.stat(path).then(() => true, () => false);
    if (found) return path;
  }
  return undefined;
}
