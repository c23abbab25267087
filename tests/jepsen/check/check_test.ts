/** The checker, on a history that keeps every promise, and on others that do not. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { check, explain } from "./check.ts";
import type { Message, ServerState } from "./history.ts";
import { banned, bobs, type Parts, type Play, play, remove } from "./play.ts";

/** The rules that a history breaks, each once. */
function broken({ history }: Play): string[] {
  return [...new Set(check(history).map(({ rule }) => rule))].sort();
}

Deno.test("the checker finds nothing in a history that keeps every promise", () => {
  assertEquals(check(play().history), []);
});

Deno.test("the checker takes a refusal for possible whose answer was lost", () => {
  const sue = (what: "moved" | "stayed") =>
    play(({ play }) => {
      const notes = what === "moved" ? [[81, "lost: It moves"] as const] : [];
      const more = { notes: [...notes], upTo: 0, stayed: false };
      const session = play.session("sue.1", more);
      play.send("sue.1", "zoe", "s1", 80, { kind: "done", at: 90, id: 9 });
      play.send("sue.1", "sue", "s2", 80, { kind: "done", at: 83, id: 8 });
      play.show(session, 9, 8);
    });

  assertEquals(broken(sue("moved")), []);
  assertEquals(broken(sue("stayed")), [
    "a session's messages keep their order",
    "received in order",
  ]);
});

Deno.test("the checker takes a room for joined whose JOIN was not answered", () => {
  const sue = (asked: string[]) =>
    play(({ play }) => {
      const session = play.session("sue.1", { asked, upTo: 0, stayed: false });
      play.show(session, 1);
    });

  assertEquals(broken(sue(["#one"])), []);
  assertEquals(broken(sue(["#two"])), ["received by those it is for"]);
});

/** What is changed, the rules that break, and how. */
const SPOILT: readonly [
  what: string,
  rules: readonly string[],
  change: (parts: Parts) => void,
][] = [
  [
    "a SENT message that no server stores",
    ["SENT means stored", "received as it is stored"],
    ({ play }) => remove(play, "b1"),
  ],
  [
    "a SENT message with another id than was answered",
    ["SENT means stored"],
    ({ play }) => {
      const message = play.messages.find(({ text }) => text === "b4")!;
      Object.assign(message, { id: 9 });
      play.history.sessions.forEach(({ receipts }) =>
        receipts.splice(0, Infinity)
      );
      play.history.sessions.forEach((one) => one.upTo = 0);
      play.history.sessions.forEach(({ stays }) => stays.length = 0);
      play.history.sends.pop();
      remove(play, "b5");
    },
  ],
  [
    "a message that is stored twice",
    ["stored once"],
    ({ play, bob, eve, ann2 }) => {
      play.messages.push({ id: 8, from: "bob", to: "ALL", text: "b4" });
      for (const one of [bob, eve, ann2]) one.upTo = 7;
    },
  ],
  [
    "an unanswered message that is stored twice",
    ["stored once"],
    ({ play, bob }) => {
      play.messages.push({ id: 8, from: "ann", to: "#one", text: "a3" });
      bob.stays[0]!.upTo = 7;
    },
  ],
  [
    "a message that was refused and is stored",
    ["a session's messages keep their order", "refused means not stored"],
    ({ play, bob }) => {
      play.messages.push({ id: 8, from: "bob", to: "#one", text: "b3" });
      bob.upTo = 7;
      bob.stays[0]!.upTo = 7;
    },
  ],
  [
    "a message that nobody sent",
    ["nobody else writes"],
    ({ play }) => {
      play.messages.push({ id: 8, from: "bob", to: "#two", text: "x" });
    },
  ],
  [
    "a message under another name",
    ["received as it is stored", "stored as it was sent"],
    ({ play }) => {
      Object.assign(play.messages.find(({ id }) => id === 2)!, { from: "eve" });
    },
  ],
  [
    "an order against the answers",
    ["the order agrees with the answers"],
    ({ play, bob, eve, ann2 }) => {
      play.send("eve.1", "#two", "e1", 80, { kind: "done", at: 81, id: 0 });
      for (const one of [bob, eve, ann2]) one.upTo = 7;
    },
  ],
  [
    "two messages of a session in another order",
    ["a session's messages keep their order"],
    ({ play }) => {
      play.send("sue.1", "#two", "s1", 80, { kind: "unknown" }, 9);
      play.send("sue.1", "#two", "s2", 82, { kind: "done", at: 83, id: 8 });
    },
  ],
  [
    "a message that is shown twice",
    ["received once"],
    ({ play, bob }) => play.show(bob, 7),
  ],
  [
    "two messages that are shown in another order",
    ["received in order"],
    ({ bob }) => {
      const [one, two] = bob.receipts.splice(0, 2);
      bob.receipts.unshift(two!, one!);
    },
  ],
  [
    "two messages that a two-socket client is shown in another order",
    ["received in order"],
    ({ eve }) => void eve.receipts.reverse(),
  ],
  [
    "a message that a member of the room was not shown",
    ["received by all it is for"],
    ({ bob }) => void bob.receipts.splice(0, 1),
  ],
  [
    "the last message that a member was to be shown",
    ["received by all it is for"],
    ({ ann }) => void ann.receipts.pop(),
  ],
  [
    "a private message that was not shown",
    ["received by all it is for"],
    ({ bob }) => void bob.receipts.splice(2, 1),
  ],
  [
    "a message to all that was not shown",
    ["received by all it is for"],
    ({ ann2 }) => void ann2.receipts.pop(),
  ],
  [
    "a message that a two-socket client was not shown",
    ["received by all it is for"],
    ({ eve }) => void eve.receipts.splice(1, 1),
  ],
  [
    "a private message that was shown to another client",
    ["received by those it is for"],
    ({ play }) => play.show(play.session("sue.1", { upTo: 0 }), 3),
  ],
  [
    "a message of a room that the client was never in",
    ["received by those it is for"],
    ({ play, ann2 }) => {
      play.send("bob.1", "#two", "b6", 80, { kind: "done", at: 81, id: 8 });
      play.show(ann2, 8);
    },
  ],
  [
    "another text than is stored",
    ["received as it is stored", "received by all it is for"],
    ({ bob }) => {
      const [first] = bob.receipts.splice(0, 1);
      bob.receipts.unshift({ ...first!, text: "z", id: 99 });
    },
  ],
  [
    "a message to an account that is away",
    ["an account gets what was sent to it"],
    ({ play }) => {
      play.send("bob.1", "ann", "b6", 25, { kind: "unknown" }, 4);
      remove(play, "a3");
      play.history.sessions[1]!.receipts.splice(3, 1);
    },
  ],
  [
    "two holders of a name at a time",
    ["a name has one holder"],
    ({ play: { history: { claims } } }) => claims[0]!.until = 32,
  ],
  [
    "a holder within the time of another",
    ["a name has one holder"],
    ({ play: { history: { claims } } }) => claims[0]!.until = 90,
  ],
  [
    "a former holder of a name who speaks again",
    ["a former holder of a name is silent"],
    ({ play }) => {
      const { history } = play;
      for (const [i, session] of ["r1.1", "r2.1", "r1.1"].entries()) {
        play.send(session, "#race", `r${i}`, 80 + i, { kind: "unknown" });
        Object.assign(history.sends.at(-1)!, { name: "prize" });
        const message = { id: 8 + i, from: "prize", to: "#race" };
        play.messages.push({ ...message, text: `r${i}` });
      }
    },
  ],
  [
    "an account with two owners",
    ["an account has one owner"],
    ({ play: { history } }) =>
      history.signUps[1]!.outcome = { kind: "done", at: 7 },
  ],
  [
    "an account that does not open",
    ["the right password opens an account"],
    ({ play: { history: { signIns } } }) => {
      const refused = { kind: "refused", at: 9, code: 121 } as const;
      signIns.push({ ...signIns[0]!, outcome: refused });
    },
  ],
  [
    "a ban that does not hold",
    ["the last ban or its removal holds"],
    ({ play: { history } }) => {
      history.measures.push({
        ...banned,
        wanted: false,
        at: 90,
        outcome: { kind: "done", at: 91 },
      });
    },
  ],
  [
    "a banned name that was registered",
    ["a banned name is refused"],
    ({ play: { history: { entries } } }) =>
      void entries.push({ ...entries[0]!, at: 5, done: 6 }),
  ],
  [
    "a resumable session that was forgotten",
    ["a resumable session survives"],
    ({ bob }) => void bob.forgotten.push(30),
  ],
  [
    "a server that ended",
    ["servers and clients go on"],
    ({ play: { history } }) =>
      void history.troubles.push({ at: 3, who: "s1", what: "ended by itself" }),
  ],
];

for (const [what, rules, change] of SPOILT) {
  Deno.test(`the checker finds ${what}`, () => {
    assertEquals(broken(play(change)), [...rules].sort());
  });
}

/** What one of two servers has, and the rules that break. */
const DIFFERING: readonly [
  what: string,
  rules: readonly string[],
  more: (messages: readonly Message[]) => Partial<ServerState>,
][] = [
  ["an account", [
    "a created account stays",
    "all servers have the same accounts",
  ], () => ({
    accounts: [],
  })],
  ["another account", ["all servers have the same accounts"], () => ({
    accounts: ["ann", "bob"],
  })],
  ["a ban", [
    "all servers have the same bans",
    "the last ban or its removal holds",
  ], () => ({
    bans: [],
  })],
  ["a mute", ["all servers have the same mutes"], () => ({ mutes: ["x"] })],
  ["what they read", ["all servers read the same"], () => ({ hash: "h2" })],
  [
    "a message that was never answered",
    ["HISTORY gives what is stored", "all servers store the same"],
    (messages) => ({ messages: messages.filter(({ id }) => id !== 4) }),
  ],
  [
    "two messages in another order",
    [
      "SENT means stored",
      "a session's messages keep their order",
      "all servers store the same",
    ]
      .filter((rule) => !rule.startsWith("a session")),
    (messages) => ({
      messages: messages.map((one) =>
        one.id === 3
          ? { ...messages[5]!, id: 3 }
          : one.id === 6
          ? { ...messages[2]!, id: 6 }
          : one
      ),
    }),
  ],
  [
    "a history that lacks a message",
    ["HISTORY gives what is stored"],
    (messages) => ({
      rooms: new Map([["#one", messages.filter(({ id }) => id === 1)]]),
    }),
  ],
];

for (const [what, rules, more] of DIFFERING) {
  Deno.test(`the checker finds that servers differ by ${what}`, () => {
    const differing = play();
    const [, last] = differing.history.servers.splice(1, 1);
    assertEquals(last, undefined);
    const { messages } = differing.history.servers[0]!;
    differing.server("s2", more(messages));

    assertEquals(broken(differing), [...rules].sort());
  });
}

Deno.test("a forgotten session or an unanswered ban excuses what follows from it", () => {
  const excused = play(({ play, bob, ann2 }) => {
    bob.forgotten.push(30);
    play.messages.push({ id: 8, from: "bob", to: "#two", text: "b6" });
    const refused = { kind: "refused", at: 99, code: 109 } as const;
    play.send("bob.1", "#two", "b6", 90, refused);
    play.send("sue.1", "#two", "s1", 91, { kind: "unknown" }, 10);
    play.send("sue.1", "#two", "s2", 92, { kind: "unknown" }, 9);
    play.send("sue.1", "#two", "s3", 93, { ...refused, code: 119 });
    play.history.measures.push(
      { ...bobs, wanted: true, at: 28, outcome: { kind: "done", at: 29 } },
      { ...bobs, wanted: false, at: 29, outcome: { kind: "done", at: 30 } },
      {
        ...{ ...bobs, what: "mute", wanted: false, at: 31 },
        outcome: { kind: "refused", at: 32, code: 0 },
      },
    );
    bob.receipts.splice(2, 1); // a private message
    const sue = play.session("sue.1", { upTo: 0, forgotten: [9], leftAt: 8 });
    play.show(sue, 10, 9);
    ann2.upTo = 5; // it was gone before the last one
    ann2.stayed = false;
    ann2.receipts.pop();
    play.history.measures.push({
      ...banned,
      wanted: false,
      at: 90,
      outcome: { kind: "unknown" },
    });
  });

  assertEquals(check(excused.history), []);
});

Deno.test("a violation is told with the shortest story, and the faults around it", () => {
  const { history } = play(({ bob, ann2 }) => {
    bob.receipts.splice(0, 2);
    ann2.receipts.pop();
  });
  history.faults.push(
    { at: 1, what: "kill s1" },
    { at: 9, what: "start s1" },
    { at: 200, what: "kill s2" },
  );
  const text = explain(check(history), history);

  assertMatch(text, /^Broken: received by all it is for \(3 times\)\n/);
  assertMatch(text, / +0\.009 s {2}\* start s1\n/);
  assert(!text.includes("kill s2"), text);
  assert(text.split("\n").length < 8, text);
});
