/** The state machine of a transfer: what each event does in each state. */
import { assertEquals, assertRejects } from "@std/assert";
import { FileFailure } from "../../../client/files/records.ts";
import { Receiving } from "../../../client/files/receiving.ts";
import {
  type Attempt,
  type Effect,
  type Role,
  step,
  Transfer,
  type TransferEvent,
  type TransferState,
} from "../../../client/files/transfer.ts";

const OFFER = {
  type: "offer",
  transfer: 1,
  id: "",
  files: 1,
  size: 5,
} as const;
const [FIRST, SECOND]: readonly Attempt[] = [1, 2].map(() =>
  new Receiving(OFFER, () => Promise.resolve())
) as [Attempt, Attempt];
const error = new FileFailure("why");

/** States by their names; `-` without an attempt. */
const STATES: Record<string, TransferState> = {
  new: { type: "new" },
  offered: { type: "offered", attempt: FIRST! },
  "offered-": { type: "offered", attempt: undefined },
  running: { type: "running", attempt: FIRST! },
  paused: { type: "paused", attempt: FIRST! },
  "paused-": { type: "paused", attempt: undefined },
  done: { type: "done", paths: ["a"] },
  failed: { type: "failed", error },
};

/** The name of a state, whatever its attempt. */
function nameOf(state: TransferState): string {
  const isLoose = "attempt" in state && state.attempt === undefined;
  return isLoose ? `${state.type}-` : state.type;
}

const EVENTS: Record<TransferEvent["type"], TransferEvent> = {
  offered: { type: "offered", attempt: SECOND! },
  accepted: { type: "accepted" },
  disconnected: { type: "disconnected" },
  finished: { type: "finished", paths: ["a"] },
  failed: { type: "failed", error },
  cancelled: { type: "cancelled", error },
};

/** What is expected of every role; else a role's own row stands below. */
const ROWS: readonly [
  event: TransferEvent["type"],
  roles: readonly Role[],
  next: Readonly<Record<string, string>>,
][] = [
  ["offered", ["send"], {
    new: "offered",
    "offered-": "offered",
    "paused-": "paused",
    done: "done",
    failed: "failed cancel",
  }],
  ["offered", ["receive"], {
    "offered-": "offered",
    "paused-": "running receive",
    failed: "failed cancel",
  }],
  ["offered", ["get"], {
    new: "offered decide",
    "offered-": "offered decide",
    "paused-": "paused decide",
    failed: "failed cancel",
  }],
  ["accepted", ["send"], {
    new: "new",
    offered: "running",
    "offered-": "paused-",
    running: "running",
    paused: "running",
    done: "done",
    failed: "failed",
  }],
  ["accepted", ["receive", "get"], {
    offered: "running receive",
    "offered-": "paused-",
    running: "running",
    paused: "running receive",
    failed: "failed",
  }],
  ["disconnected", ["send", "receive", "get", "serve"], {
    new: "new",
    offered: "offered-",
    running: "paused-",
    paused: "paused-",
    done: "done",
    failed: "failed",
  }],
  ["finished", ["send", "receive", "get", "serve"], {
    running: "done",
    failed: "failed",
  }],
  ["failed", ["send", "receive", "get", "serve"], {
    new: "failed",
    offered: "failed",
    running: "failed",
    paused: "failed",
    done: "done",
  }],
  ["cancelled", ["send", "receive", "get", "serve"], {
    new: "failed cancel",
    offered: "failed cancel",
    running: "failed cancel",
    paused: "failed cancel",
    done: "done",
    failed: "failed",
  }],
];

for (const [event, roles, next] of ROWS) {
  for (const role of roles) {
    Deno.test(`a transfer to ${role}: what "${event}" does in each state`, () => {
      const found = Object.keys(next).map((name) => {
        const [state, effect] = step(role, STATES[name]!, EVENTS[event]);
        return [name, effect ? `${nameOf(state)} ${effect}` : nameOf(state)];
      });

      assertEquals(Object.fromEntries(found), next);
    });
  }
}

/** A transfer whose effects are kept. */
function transferOf(role: Role, state: TransferState) {
  const effects: [effect: Effect, attempt: Attempt | undefined][] = [];
  const states: string[] = [];
  const transfer = new Transfer({
    number: 1,
    peer: "bob",
    role,
    contents: { title: "a", files: 1, size: 5 },
    state,
    changed: (one) => void states.push(one.state.type),
    act: (_, ...effect) => void effects.push(effect),
  });
  return { transfer, effects, states };
}

Deno.test("Transfer has an effect carried out with the attempt that it is about", async () => {
  const { transfer, effects, states } = transferOf(
    "receive",
    STATES["paused-"]!,
  );

  transfer.apply(EVENTS.offered);
  transfer.apply(EVENTS.cancelled);
  transfer.apply(EVENTS.offered);

  assertEquals(effects, [
    ["receive", SECOND],
    ["cancel", SECOND],
    ["cancel", SECOND],
  ]);
  assertEquals(states, ["running", "failed"]);
  await assertRejects(() => transfer.ended, FileFailure, "why");
});

Deno.test("Transfer keeps how much has moved while it is paused", () => {
  const attempt = new Receiving(OFFER, () => Promise.resolve());
  Object.defineProperty(attempt, "moved", { value: 3 });
  const { transfer } = transferOf("receive", { type: "running", attempt });

  const running = transfer.moved;
  transfer.apply(EVENTS.disconnected);
  const paused = transfer.moved;
  transfer.apply(EVENTS.finished);

  assertEquals([running, paused, transfer.moved], [3, 3, 5]);
});
