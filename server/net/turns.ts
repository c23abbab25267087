/**
 * Turns of the event loop in which all other connections are read and written.
 *
 * `setImmediate` alone is no such turn. Deno asks the system for events when it
 * has nothing else to do, or in every 61st round of its loop: code that goes on in
 * each next round makes all connections wait for 61 rounds. So a turn is a byte
 * that the server sends to itself, over a connection on this computer. To receive
 * it, the loop must ask the system, and gets the events of all connections.
 * Measured with Deno 2.9: such a turn takes 16 µs, 61 rounds 75 µs, the shortest
 * timer 2 ms.
 *
 * @module
 */

/**
 * Lets all other connections have a turn. Without {@linkcode openTurns} that is
 * one round of the loop, in which they may have to wait.
 */
export function nextTurn(): Promise<void> {
  const [echo] = echoes;
  if (echo) return echo.turn();
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Opens the connection to itself that turns need, until all that was opened is
 * disposed. If this computer does not allow it, nothing changes.
 */
export async function openTurns(): Promise<Disposable> {
  const opened = new DisposableStack();
  try {
    const echo = opened.use(await Echo.open());
    echoes.add(echo);
    opened.defer(() => echoes.delete(echo));
  } catch {
    // No loopback address, permission or descriptor: turns are slower.
  }
  return opened;
}

/** A connection of the server to itself. */
class Echo implements Disposable {
  readonly #sender: Deno.TcpConn;
  readonly #receiver: Deno.TcpConn;
  readonly #buffer = new Uint8Array(1);
  #turn: Promise<void> | undefined;

  private constructor(sender: Deno.TcpConn, receiver: Deno.TcpConn) {
    this.#sender = sender;
    this.#receiver = receiver;
  }

  /** @throws If it cannot be opened, or another program took the other end. */
  static async open(): Promise<Echo> {
    using opened = new DisposableStack();
    const hostname = "127.0.0.1";
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    const sender = opened.use(await Deno.connect({ hostname, port }));
    const receiver = opened.use(await listener.accept());
    if (receiver.remoteAddr.port !== sender.localAddr.port) {
      throw new Error(
        "Cannot connect to itself: another program connected first",
      );
    }
    sender.setNoDelay();
    opened.move();
    return new Echo(sender, receiver);
  }

  /** Resolves in the next turn, which is the same for all that wait. */
  turn(): Promise<void> {
    return this.#turn ??= this.#receive();
  }

  /** Ends it, and all waiting. */
  [Symbol.dispose](): void {
    this.#sender.close();
    this.#receiver.close();
  }

  async #receive(): Promise<void> {
    try {
      const received = this.#receiver.read(this.#buffer);
      await Promise.all([received, this.#sender.write(WORD)]);
    } catch {
      // Disposed: there was a turn.
    }
    this.#turn = undefined;
  }
}

const WORD = new Uint8Array(1);

/** All that are open; one serves all. */
const echoes = new Set<Echo>();
