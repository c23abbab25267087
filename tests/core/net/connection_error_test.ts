/** Errors in words: what went wrong, and one next step, once. */
import { assertEquals } from "@std/assert";
import {
  adviceOn,
  ConnectionError,
  inWords,
} from "../../../core/net/connection_error.ts";
import { ChatError, type ErrorCode } from "../../../protocol.ts";

const REMOVED = { advice: "If you did not expect that, ask the operator." };

/** What an error says, when to try again (in seconds), and how it is shown. */
const WORDS: readonly (readonly [ErrorCode, string, number, string])[] = [
  [
    117,
    "Cannot use this server: bob is banned for 10 minutes",
    600,
    `Cannot use this server: bob is banned for 10 minutes. ${REMOVED.advice}`,
  ],
  [
    117,
    "Cannot stay connected: the operator disconnected you",
    0,
    `Cannot stay connected: the operator disconnected you. ${REMOVED.advice}`,
  ],
  [108, "Cannot do it", 7, "Cannot do it. Try again in 7 seconds."],
  [108, "Cannot do it", 1, "Cannot do it. Try again in 1 second."],
  [108, "Cannot do it", 61, "Cannot do it. Try again in 61 seconds."],
  [114, "Server full", 90.5, "Server full. Try again in 91 seconds."],
  [114, "Server full", 600, "Server full. Try again in 10 minutes."],
  [114, "Server full", 3_600, "Server full. Try again in 1 hour."],
  [114, "Server full", 86_400, "Server full. Try again in 1 day."],
  [
    112,
    "Cannot do it; try in 9 minutes",
    540,
    "Cannot do it; try in 9 minutes.",
  ],
  [104, "Cannot use it: free in 9 s", 9, "Cannot use it: free in 9 s."],
  [104, "Cannot use it: in use", 0, "Cannot use it: in use."],
  [
    102,
    'no user "x"',
    0,
    'Unable to send: no user "x". /who all shows who is connected.',
  ],
  [
    102,
    "is it so?",
    0,
    "Unable to send: is it so? /who all shows who is connected.",
  ],
  [
    120,
    "Cannot send: muted",
    0,
    "Cannot send: muted. You can still read.",
  ],
];

for (const [code, message, retryAfter, words] of WORDS) {
  Deno.test(`error ${code} "${message}" after ${retryAfter} is "${words}"`, () => {
    const headers = retryAfter === 0 ? {} : { "retry-after": retryAfter };
    const cause = new ChatError(code, message, { headers });

    const told = code === 117
      ? new ConnectionError("removed", "Removed by the server: …", {
        ...REMOVED,
        cause,
      })
      : cause;

    assertEquals(inWords(told), words);
  });
}

Deno.test("what is no error of a server has a full stop, and its advice", () => {
  const advice = "Check the address.";

  const texts = [
    inWords(new Error("Cannot reach the server")),
    inWords(new Error("Cannot reach it. Try again.")),
    inWords(new ConnectionError("lost", "Cannot reach it", { advice })),
  ];

  assertEquals(texts, [
    "Cannot reach the server.",
    "Cannot reach it. Try again.",
    "Cannot reach it. Check the address.",
  ]);
});

for (const retryAfter of ["0", "-1", "soon", ""]) {
  Deno.test(`a server that says "${retryAfter}" has not said when to try again`, () => {
    const headers = { "retry-after": retryAfter };

    assertEquals(adviceOn(new ChatError(114, "full", { headers })), "");
  });
}
