/** The state machine of a transfer: what each event does in each state. */
import { assertEquals, assertRejects } from "@std/assert";
import { FileFailure, Lines } from "../../../client/files/records.ts";
import { Receiving } from "../../../client/files/receiving.ts";
import {
  type Attempt,
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

const OUTCOME = { paths: ["a"], missing: new Lines(), renamed: new Lines() };

/** States by their names; `-` without an attempt. */
const STATES: Record<string, TransferState> = {
  offered: { type: "offered", attempt: FIRST! },
  "offered-": { type: "offered", attempt: undefined },
  running: { type: "running", attempt: FIRST! },
  paused: { type: "paused", attempt: FIRST! },
  "paused-": { type: "paused", attempt: undefined },
  done: { type: "done", ...OUTCOME },
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
  done: { type: "done", ...OUTCOME },
  failed: { type: "failed", error },
};

/** What is expected of every role; else a role's own row stands below. */
const ROWS: readonly [
  event: TransferEvent["type"],
  roles: readonly Role[],
  next: Readonly<Record<string, string>>,
][] = [
  ["offered", ["send"], {
    "offered-": "offered",
    "paused-": "paused",
    done: "done",
    failed: "failed",
  }],
  ["offered", ["receive"], {
    "offered-": "offered",
    "paused-": "running",
    failed: "failed",
  }],
  ["offered", ["get"], {
    "offered-": "offered",
    "paused-": "paused",
    failed: "failed",
  }],
  ["accepted", ["send"], {
    offered: "running",
    "offered-": "paused-",
    running: "running",
    paused: "running",
    done: "done",
    failed: "failed",
  }],
  ["accepted", ["receive", "get"], {
    offered: "running",
    "offered-": "paused-",
    running: "running",
    paused: "running",
    failed: "failed",
  }],
  ["disconnected", ["send", "receive", "get", "serve"], {
    offered: "offered-",
    running: "paused-",
    paused: "paused-",
    done: "done",
    failed: "failed",
  }],
  ["done", ["send", "receive", "get", "serve"], {
    running: "done",
    failed: "failed",
  }],
  ["failed", ["send", "receive", "get", "serve"], {
    offered: "failed",
    running: "failed",
    paused: "failed",
    done: "done",
  }],
];

for (const [event, roles, next] of ROWS) {
  for (const role of roles) {
    Deno.test(`a transfer to ${role}: what "${event}" does in each state`, () => {
      const found = Object.keys(next).map((name) => {
        return [name, nameOf(step(role, STATES[name]!, EVENTS[event]))];
      });

      assertEquals(Object.fromEntries(found), next);
    });
  }
}

/** A transfer whose changes are kept. */
function transferOf(role: Role, state: TransferState) {
  const changes: (readonly [before: string, now: string])[] = [];
  const transfer = new Transfer({
    number: 1,
    peer: "bob",
    role,
    contents: { title: "a", files: 1, size: 5 },
    state,
    changed: (one, before) =>
      void changes.push([nameOf(before), nameOf(one.state)]),
  });
  return { transfer, changes };
}

Deno.test("Transfer tells each change of its state, and no other event", async () => {
  const { transfer, changes } = transferOf("receive", STATES["paused-"]!);

  transfer.apply(EVENTS.offered);
  transfer.apply(EVENTS.failed);
  transfer.apply(EVENTS.offered);

  assertEquals(changes, [["paused-", "running"], ["running", "failed"]]);
  await assertRejects(() => transfer.ended, FileFailure, "why");
});

Deno.test("Transfer keeps how much has moved while it is paused", () => {
  const attempt = new Receiving(OFFER, () => Promise.resolve());
  Object.defineProperty(attempt, "moved", { value: 3 });
  const { transfer } = transferOf("receive", { type: "running", attempt });

  const running = transfer.moved;
  transfer.apply(EVENTS.disconnected);
  const paused = transfer.moved;
  transfer.apply(EVENTS.done);

  assertEquals([running, paused, transfer.moved], [3, 3, 5]);
});
