/**
 * Tasks that run beside each other, and a moment when none runs any more.
 *
 * @module
 */

/** A set of running tasks, which costs next to nothing for each of them. */
export class TaskGroup {
  readonly #onError: (error: unknown) => void;
  readonly #ended = () => {
    if (--this.#running === 0) this.#whenIdle?.();
  };
  #running = 0;
  #whenIdle: (() => void) | undefined;

  /** `onError` gets what a task throws; a task never ends its siblings. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Takes a task that was started. */
  add(task: Promise<void>): void {
    this.#running++;
    task.catch(this.#onError).then(this.#ended);
  }

  /** Resolves when no task runs. To be called once, when no more are started. */
  async idle(): Promise<void> {
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => this.#whenIdle = resolve);
  }
}
