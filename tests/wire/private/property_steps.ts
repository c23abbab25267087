/**
 * What users do in the property test of private rooms, in any order.
 *
 * @module
 */
import fc from "fast-check";

/** alice to dave have accounts, mia's is that of a moderator, gina is a guest. */
export const ACCOUNTS = ["alice", "bob", "carol", "mia"] as const;
export const USERS = [...ACCOUNTS, "gina"] as const;

/** What can be done; `room` and `other` choose among what there is then. */
export interface Step {
  readonly what: (typeof DEEDS)[number];
  readonly user: (typeof USERS)[number];
  readonly other: (typeof USERS)[number];
  readonly room: number;
  /** In place of `user`, if the room has one. */
  readonly as: "user" | "member" | "owner";
}

const DEEDS = [
  ...["make", "invite", "invite", "join", "join", "send", "send", "send"],
  ...[
    "topic",
    "leave",
    "remove",
    "remove",
    "pass on",
    "close",
    "history",
    "who",
  ],
  ...["list", "moderate", "go", "return", "return", "delete", "restart"],
  ...["second", "whisper", "whisper", "talk", "read", "devices", "nick"],
] as const;

export const steps = fc.array(
  fc.record<Step>({
    what: fc.constantFrom(...DEEDS),
    user: fc.constantFrom(...USERS),
    other: fc.constantFrom(...USERS),
    room: fc.nat(5),
    as: fc.constantFrom("user", "member", "owner"),
  }),
  { minLength: 30, maxLength: 80 },
);

function step(what: Step["what"], user: Step["user"], room = 0): Step {
  return { what, user, other: "bob", room, as: "user" };
}

/** So that there is something to be shown: bob is in one room, and invited to another. */
export const FIRST: readonly Step[] = [
  ...[step("make", "alice"), step("invite", "alice"), step("join", "bob")],
  ...[step("send", "alice"), step("make", "alice"), step("invite", "alice", 1)],
];

/** All come again at the end. */
export const LAST: readonly Step[] = [
  step("restart", "alice"),
  step("list", "carol"),
];
