/** SCRAM-SHA-256, the client's side: passwords, and servers that lie. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  deriveKeys,
  ITERATIONS,
  Login,
  MAX_PASSWORD_BYTES,
  parseChallenge,
  preparePassword,
  randomWord,
  ScramError,
  verifierOf,
} from "../../core/scram.ts";
import {
  challenge,
  parseVerifier,
  prove,
} from "../../server/accounts/scram.ts";

/** RFC 7677, section 3. */
const RFC = {
  nonce: "rOprNGfwEbeRWgbNEkqO",
  serverFirst:
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  clientFinal:
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

Deno.test("the example of RFC 7677 comes out to the letter, on our side", async () => {
  const login = new Login("user", RFC.nonce);
  const { salt, iterations } = parseChallenge(RFC.serverFirst);
  const keys = await deriveKeys("pencil", salt, iterations);

  assertEquals(login.first, `n,,n=user,r=${RFC.nonce}`);
  assertEquals(await login.prove(RFC.serverFirst, keys), RFC.clientFinal);
  login.check(RFC.serverFinal);
  assertThrows(
    () => login.check(RFC.serverFinal.replace("6", "7")),
    ScramError,
  );
});

Deno.test("Login takes what a server of ours asks for, up to the limits", () => {
  const login = new Login("alice", nonce);

  for (const iterations of [600_000, 1_000_000]) {
    const message = `r=${nonce}x,s=${SALT},i=${iterations}`;
    const challenge = login.readChallenge(message);
    assertEquals(challenge, { nonce: `${nonce}x`, salt: SALT, iterations });
  }
});

Deno.test("client and server come to terms about a new verifier", async () => {
  const keys = await deriveKeys("pencil", randomWord(), 600_000);
  const verifier = parseVerifier(await verifierOf(keys));
  const login = new Login("alice");
  const asked = challenge("alice", {
    message: login.first,
    verifier,
    random: "x".repeat(16),
  });

  const proof = await login.prove(asked.message, keys);
  const signature = prove(asked, proof);

  assertEquals(verifier.iterations, ITERATIONS);
  login.check(signature!);
});

const nonce = "n".repeat(20);
const SALT = new Uint8Array(16).toBase64();
const SHORT_SALT = new Uint8Array(15).toBase64();
const CHALLENGES: readonly [why: string, message: string][] = [
  ["nothing", ""],
  ["another nonce", `r=${"m".repeat(30)},s=${SALT},i=600000`],
  ["our nonce with nothing behind it", `r=${nonce},s=${SALT},i=600000`],
  ["one round too few", `r=${nonce}x,s=${SALT},i=599999`],
  ["one round too many", `r=${nonce}x,s=${SALT},i=1000001`],
  ["the rounds of RFC 7677", `r=${nonce}x,s=${SALT},i=4096`],
  ["a salt one byte too short", `r=${nonce}x,s=${SHORT_SALT},i=600000`],
  ["a salt of one byte", `r=${nonce}x,s=AA==,i=600000`],
  ["an absurd count", `r=${nonce}x,s=${SALT},i=999999999999999`],
  ["a count that is longer yet", `r=${nonce}x,s=${SALT},i=${"9".repeat(400)}`],
  ["a count that is none", `r=${nonce}x,s=${SALT},i=many`],
  ["no salt", `r=${nonce}x,s=,i=600000`],
  ["a salt that is not base64", `r=${nonce}x,s=A=A,i=600000`],
  ["an extension", `m=x,r=${nonce}x,s=${SALT},i=600000`],
  ["an error", "e=other-error"],
];

for (const [why, message] of CHALLENGES) {
  Deno.test(`Login refuses a challenge with ${why}`, () => {
    const login = new Login("alice", nonce);

    assertThrows(() => login.readChallenge(message), ScramError);
  });
}

Deno.test("Login takes no signature before it has proved anything", () => {
  const login = new Login("alice");

  assertThrows(() => login.check("v=undefined"), ScramError);
  assertThrows(() => login.check(""), ScramError);
});

const PREPARED: readonly [why: string, typed: string, prepared: string][] = [
  ["letters as they are", "Pencil 9", "Pencil 9"],
  ["spaces at the ends", "  x ", "  x "],
  ["spaces of other kinds", "a\u00a0b\u3000c\u2003d", "a b c d"],
  ["a letter and its accent", "e\u0301", "\u00e9"],
  ["a compatibility form", "\u2168 \ufb01", "IX fi"],
  ["a soft hyphen and a joiner", "I\u00adX\u200d", "IX"],
  ["Greek", "\u03bb\u03cc\u03b3\u03bf\u03c2", "\u03bb\u03cc\u03b3\u03bf\u03c2"],
  [
    "Arabic and Latin",
    "\u0633\u0644\u0627\u0645 a",
    "\u0633\u0644\u0627\u0645 a",
  ],
  ["Hangul in parts", "\u1112\u1161\u11ab", "\ud55c"],
  [
    "Devanagari",
    "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\u0928\u092e\u0938\u094d\u0924\u0947",
  ],
  ["emoji", "\u{1f600}\u{1f469}\u200d\u{1f680}", "\u{1f600}\u{1f469}\u{1f680}"],
  ["what has a meaning in SCRAM", "a,b=c$d:e", "a,b=c$d:e"],
  [
    "the longest",
    "x".repeat(MAX_PASSWORD_BYTES),
    "x".repeat(MAX_PASSWORD_BYTES),
  ],
];

for (const [why, typed, prepared] of PREPARED) {
  Deno.test(`preparePassword() takes ${why}`, () => {
    assertEquals(preparePassword(typed), prepared);
    assertEquals(preparePassword(prepared), prepared, "and again");
  });
}

const UNUSABLE: readonly [why: string, typed: string][] = [
  ["nothing", ""],
  ["nothing but what is invisible", "\u200b\u00ad"],
  ["a line break", "secret\nsecret"],
  ["a tab", "secret\tsecret"],
  ["a NUL", "secret\0"],
  ["an escape", "secret\x1b[A"],
  ["C1", "secret\u0085"],
  ["a line separator", "secret\u2028"],
  ["half a character", "secret\ud83d"],
  ["one byte over the limit", "s".repeat(MAX_PASSWORD_BYTES + 1)],
  ["10,000 characters", "secret".repeat(1_667)],
  ["characters that are long in UTF-8", "\u{1f600}".repeat(300)],
];

for (const [why, typed] of UNUSABLE) {
  Deno.test(`preparePassword() refuses ${why}, and does not quote it`, () => {
    const error = assertThrows(() => preparePassword(typed), ScramError);

    assertEquals(error.message.includes("secret"), false);
  });
}
