/**
 * Turns of the event loop in which everybody else is seen to: what came is
 * read, and what is to be written is written.
 *
 * `setImmediate` alone is no such turn. Deno asks the system what came when it
 * has nothing else to do, or in every 61st round of its loop: who goes on in the
 * next round, and in the next, keeps all others waiting for 61 rounds. So we say
 * something to ourselves, over a connection of this computer. To hear it, the
 * loop has to ask the system, and is told of everybody else too. Measured with
 * Deno 2.9: such a turn takes 16 µs, 61 rounds 75 µs, the shortest timer 2 ms.
 *
 * @module
 */

/** So long one peer may keep the program busy while others have to wait. */
export const TURN_MS = 5;

/**
 * Lets everybody else have a turn. Unless there are {@linkcode openTurns}, that
 * is one round of the loop, in which what came may have to wait.
 */
export function nextTurn(): Promise<void> {
  const [echo] = echoes;
  if (echo) return echo.turn();
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * From now on a turn is a turn, until all that was opened is disposed. If this
 * computer does not let us talk to ourselves, nothing changes.
 */
export async function openTurns(): Promise<Disposable> {
  const opened = new DisposableStack();
  try {
    const echo = opened.use(await Echo.open());
    echoes.add(echo);
    opened.defer(() => echoes.delete(echo));
  } catch {
    // No address of its own, no permission, no descriptor: slower, that is all.
  }
  return opened;
}

/** A connection to ourselves. */
class Echo implements Disposable {
  readonly #mouth: Deno.TcpConn;
  readonly #ear: Deno.TcpConn;
  readonly #heard = new Uint8Array(1);
  #turn: Promise<void> | undefined;

  private constructor(mouth: Deno.TcpConn, ear: Deno.TcpConn) {
    this.#mouth = mouth;
    this.#ear = ear;
  }

  /** @throws If there can be none, or somebody else took the other end. */
  static async open(): Promise<Echo> {
    using opened = new DisposableStack();
    const hostname = "127.0.0.1";
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    const mouth = opened.use(await Deno.connect({ hostname, port }));
    const ear = opened.use(await listener.accept());
    if (ear.remoteAddr.port !== mouth.localAddr.port) {
      throw new Error("Cannot talk to ourselves: somebody else came first");
    }
    mouth.setNoDelay();
    opened.move();
    return new Echo(mouth, ear);
  }

  /** Resolves in the next turn, which is the same for all who wait. */
  turn(): Promise<void> {
    return this.#turn ??= this.#hear();
  }

  /** Ends it; who waits for a turn waits no more. */
  [Symbol.dispose](): void {
    this.#mouth.close();
    this.#ear.close();
  }

  async #hear(): Promise<void> {
    try {
      const heard = this.#ear.read(this.#heard);
      await Promise.all([heard, this.#mouth.write(WORD)]);
    } catch {
      // Disposed: there was a turn.
    }
    this.#turn = undefined;
  }
}

const WORD = new Uint8Array(1);

/** Those that are open; one is enough for all. */
const echoes = new Set<Echo>();
