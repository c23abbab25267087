/**
 * What the parts of a run share: its clock, its history, its servers and its
 * names.
 *
 * @module
 */
import type { FaultEvent, History, Send } from "./check/history.ts";
import type { ParleyNode } from "./node.ts";

/** See the top of the file. */
export interface World {
  readonly history: History;
  readonly nodes: readonly ParleyNode[];
  /** Rooms in which clients of ours talk. */
  readonly rooms: readonly string[];
  /** Names of clients that private messages go to. */
  readonly people: readonly string[];
  /** Milliseconds since the run began. */
  readonly now: () => number;
  /** Whether nothing new is to be begun. */
  readonly isOver: boolean;
  /** Resolves when nothing new is to be begun. */
  readonly over: Promise<void>;
  /** Resolves after so long, or when the run is over. */
  pause(ms: number): Promise<void>;
  /** Records something that went wrong by itself. */
  trouble(who: string, what: string): void;
}

/** Records a message that is sent now; its outcome is not known yet. */
export function sending(
  { history, now }: World,
  send: Pick<Send, "session" | "name" | "to" | "text">,
): Send {
  const one: Send = { ...send, at: now(), outcome: { kind: "unknown" } };
  history.sends.push(one);
  return one;
}

/** Records what the nemesis does now. */
export function fault({ history, now }: World, what: string): FaultEvent {
  const event = { at: now(), what };
  history.faults.push(event);
  return event;
}
