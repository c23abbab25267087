/** What we use of `@std/data-structures/deque`, which npm carries without types. */

/** A queue with two ends. */
export class Deque<T> {
  readonly length: number;
  at(index: number): T | undefined;
  pushBack(value: T): number;
  popFront(): T | undefined;
  reversed(): Generator<T>;
}
