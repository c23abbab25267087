/**
 * Time, as connections and sessions see it, and turns of the event loop. A test
 * gives a clock of its own and moves it, so that no test waits for real time.
 *
 * @module
 */

/** Tells the time, and calls back when some of it has passed. */
export interface Clock {
  /** Milliseconds since some moment; they never jump. */
  readonly now: () => number;
  /** Calls `action` once after `ms`, unless the result is disposed before. */
  readonly after: (ms: number, action: () => void) => Disposable;
}

/** The clock of the machine. */
export const CLOCK: Clock = {
  now: performance.now.bind(performance), // a function less for each message
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** Time between two lines that are logged, in milliseconds. */
export const LOG_EVERY_MS = 60_000;

/**
 * Logs the first line, and then at most one a minute, with the number of lines
 * that were left out before it. `now` gives milliseconds that never jump.
 */
export function throttledLog(
  log: (line: string) => void,
  now: () => number,
): (line: string) => void {
  let loggedAt = -Infinity;
  let leftOut = 0;
  return (line) => {
    if (now() - loggedAt < LOG_EVERY_MS) {
      leftOut++;
      return;
    }
    log(leftOut > 0 ? `${line} (${leftOut} more since the last time)` : line);
    loggedAt = now();
    leftOut = 0;
  };
}

/**
 * Lets all other connections have a turn: they are read and written.
 *
 * `setImmediate` alone is no such turn. Deno asks the system for events when it
 * has nothing else to do, or in every 61st round of its loop: code that goes on in
 * each next round makes all connections wait for 61 rounds. So a turn is a byte
 * that the server sends to itself, over a connection on this computer. To receive
 * it, the loop must ask the system, and gets the events of all connections.
 * Measured with Deno 2.9: such a turn takes 16 µs, 61 rounds 75 µs, the shortest
 * timer 2 ms. Without {@linkcode openTurns} it is one round of the loop.
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
    const hostname = "127.0.0.1";
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    const sender = opened.use(await Deno.connect({ hostname, port }));
    const receiver = opened.use(await listener.accept());
    const isOwn = receiver.remoteAddr.port === sender.localAddr.port;
    if (!isOwn) return opened; // another program connected first
    sender.setNoDelay();
    const echo = new Echo(sender, receiver);
    echoes.add(echo);
    opened.defer(() => echoes.delete(echo));
  } catch {
    // No loopback address, permission or descriptor: turns are slower.
  }
  return opened;
}

/** A connection of the server to itself. */
class Echo {
  readonly #sender: Deno.TcpConn;
  readonly #receiver: Deno.TcpConn;
  readonly #buffer = new Uint8Array(1);
  #turn: Promise<void> | undefined;

  /** Takes both ends, and does not close them. */
  constructor(sender: Deno.TcpConn, receiver: Deno.TcpConn) {
    this.#sender = sender;
    this.#receiver = receiver;
  }

  /** Resolves in the next turn, which is the same for all that wait. */
  turn(): Promise<void> {
    return this.#turn ??= this.#receive();
  }

  async #receive(): Promise<void> {
    try {
      const received = this.#receiver.read(this.#buffer);
      await Promise.all([received, this.#sender.write(WORD)]);
    } catch {
      // Closed: there was a turn.
    }
    this.#turn = undefined;
  }
}

const WORD = new Uint8Array(1);

/** All that are open; one serves all. */
const echoes = new Set<Echo>();
