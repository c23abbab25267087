/** SCRAM-SHA-256, the server's side: the RFC's example, and what is refused. */
import { assertEquals, assertThrows } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import {
  challenge,
  parseVerifier,
  prove,
  type Verifier,
} from "../../../server/accounts/scram.ts";

/** RFC 7677, section 3: the password is "pencil". */
const RFC = {
  clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
  random: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  serverFirst:
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  clientFinal:
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  /** As PostgreSQL keeps it for this password, salt and count. */
  verifier:
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
};

const KEY = "A".repeat(43) + "=";
const SALT = "A".repeat(22) + "==";

function rfcChallenge(verifier: Verifier) {
  return challenge("user", {
    message: RFC.clientFirst,
    verifier,
    random: RFC.random,
  });
}

function refused(run: () => unknown): string {
  const error = assertThrows(run, ChatError);
  assertEquals(error.code, 105);
  return error.message;
}

Deno.test("the example of RFC 7677 comes out to the letter", () => {
  const verifier = parseVerifier(RFC.verifier);

  const asked = rfcChallenge(verifier);

  assertEquals(asked.message, RFC.serverFirst);
  assertEquals(
    prove(asked, RFC.clientFinal),
    RFC.serverFinal,
  );
});

Deno.test("prove() finds every wrong bit of a proof", () => {
  const verifier = parseVerifier(RFC.verifier);
  const asked = rfcChallenge(verifier);
  const [, start, proof] = /^(.*,p=)(.*)$/.exec(RFC.clientFinal)!;
  for (let bit = 0; bit < 256; bit++) {
    const bytes = Uint8Array.fromBase64(proof!);
    bytes[bit >> 3]! ^= 1 << (bit & 7);

    assertEquals(
      prove(asked, start + bytes.toBase64()),
      undefined,
    );
  }
});

Deno.test("prove() refuses a proof that was made for another challenge", () => {
  const verifier = parseVerifier(RFC.verifier);
  const asked = challenge("user", {
    message: RFC.clientFirst,
    verifier,
  });

  assertEquals(
    refused(() => prove(asked, RFC.clientFinal)),
    "Cannot sign in: the proof answers another challenge",
  );
});

const VERIFIERS: readonly [why: string, text: string][] = [
  ["nothing", ""],
  ["a password", "pencil"],
  ["another mechanism", RFC.verifier.replace("256", "1")],
  ["a line break behind it", `${RFC.verifier}\n`],
  ["something before it", ` ${RFC.verifier}`],
  ["no count", `SCRAM-SHA-256$:${SALT}$${KEY}:${KEY}`],
  ["a count of no iterations", `SCRAM-SHA-256$0:${SALT}$${KEY}:${KEY}`],
  ["a negative count", `SCRAM-SHA-256$-5000:${SALT}$${KEY}:${KEY}`],
  ["one iteration too few", `SCRAM-SHA-256$4095:${SALT}$${KEY}:${KEY}`],
  ["one iteration too many", `SCRAM-SHA-256$1000001:${SALT}$${KEY}:${KEY}`],
  ["an absurd count", `SCRAM-SHA-256$${"9".repeat(400)}:${SALT}$${KEY}:${KEY}`],
  ["a count in hexadecimal", `SCRAM-SHA-256$0x2000:${SALT}$${KEY}:${KEY}`],
  ["a short salt", `SCRAM-SHA-256$4096:${"A".repeat(20)}$${KEY}:${KEY}`],
  ["a long salt", `SCRAM-SHA-256$4096:${"A".repeat(88)}$${KEY}:${KEY}`],
  ["no salt", `SCRAM-SHA-256$4096:$${KEY}:${KEY}`],
  ["a salt that is not base64", `SCRAM-SHA-256$4096:A$${KEY}:${KEY}`],
  ["a short key", `SCRAM-SHA-256$4096:${SALT}$AAAA:${KEY}`],
  ["a long key", `SCRAM-SHA-256$4096:${SALT}$${KEY}:AAAA${KEY}`],
  ["one key", `SCRAM-SHA-256$4096:${SALT}$${KEY}`],
  ["three keys", `SCRAM-SHA-256$4096:${SALT}$${KEY}:${KEY}:${KEY}`],
  [
    "a key with bits to spare",
    `SCRAM-SHA-256$4096:${SALT}$${KEY}:${"B".repeat(43)}=`,
  ],
  [
    "a key without its padding",
    `SCRAM-SHA-256$4096:${SALT}$${KEY}:${"A".repeat(43)}`,
  ],
  ["base64 of URLs", `SCRAM-SHA-256$4096:${SALT}$${KEY}:${"_".repeat(43)}=`],
];

for (const [why, text] of VERIFIERS) {
  Deno.test(`parseVerifier() refuses ${why}`, () => {
    const message = refused(() => parseVerifier(text));

    assertEquals(message.includes(KEY), false, "it does not repeat keys");
  });
}

Deno.test("parseVerifier() takes the least and the most there may be", () => {
  for (const count of [4_096, 1_000_000]) {
    for (const salt of [SALT, "A".repeat(86) + "=="]) {
      const text = `SCRAM-SHA-256$${count}:${salt}$${KEY}:${KEY}`;

      assertEquals(parseVerifier(text).iterations, count);
    }
  }
});

Deno.test("parseVerifier() says what the least and the most are", () => {
  const told = (text: string) => refused(() => parseVerifier(text));

  assertEquals(
    told(`SCRAM-SHA-256$1:${SALT}$${KEY}:${KEY}`),
    "Cannot use the verifier: the number of iterations is 1, and must be 4096 to 1000000",
  );
  assertEquals(
    told(`SCRAM-SHA-256$4096:AA==$${KEY}:${KEY}`),
    "Cannot use the verifier: the length of the salt in bytes is 1, and must be 16 to 64",
  );
});

const NONCE = "rOprNGfwEbeRWgbNEkqO";

const FIRST_MESSAGES: readonly [why: string, message: string][] = [
  ["nothing", ""],
  ["no header", `n=user,r=${NONCE}`],
  ["channel binding", `p=tls-unique,,n=user,r=${NONCE}`],
  ["a client that could bind channels", `y,,n=user,r=${NONCE}`],
  ["an authorization identity", `n,a=root,n=user,r=${NONCE}`],
  ["an extension that must be known", `n,,m=x,n=user,r=${NONCE}`],
  ["an extension at the end", `n,,n=user,r=${NONCE},x=y`],
  ["another name", `n,,n=root,r=${NONCE}`],
  ["the name in another case", `n,,n=User,r=${NONCE}`],
  ["a name with an escape", `n,,n=us=2Cer,r=${NONCE}`],
  ["no name", `n,,n=,r=${NONCE}`],
  ["no nonce", "n,,n=user,r="],
  ["a nonce of 15 characters", `n,,n=user,r=${"x".repeat(15)}`],
  ["a nonce of 129 characters", `n,,n=user,r=${"x".repeat(129)}`],
  ["a nonce with a space", `n,,n=user,r=${NONCE} x`],
  ["a nonce that is not ASCII", `n,,n=user,r=${NONCE}\u00e9`],
  ["a line break", `n,,n=user,r=${NONCE}\n`],
];

for (const [why, message] of FIRST_MESSAGES) {
  Deno.test(`challenge() refuses ${why}`, () => {
    const verifier = parseVerifier(RFC.verifier);

    refused(() => challenge("user", { message, verifier }));
  });
}

const [, RFC_NONCE] = /r=(.*),p=/.exec(RFC.clientFinal)!;

const FINAL_MESSAGES: readonly [why: string, message: string][] = [
  ["nothing", ""],
  ["no proof", `c=biws,r=${RFC_NONCE}`],
  ["an empty proof", `c=biws,r=${RFC_NONCE},p=`],
  ["a short proof", `c=biws,r=${RFC_NONCE},p=AAAA`],
  ["a long proof", `c=biws,r=${RFC_NONCE},p=AAAA${KEY}`],
  ["a proof that is not base64", `c=biws,r=${RFC_NONCE},p=${"!".repeat(44)}`],
  ["another channel binding", `c=eSws,r=${RFC_NONCE},p=${KEY}`],
  ["an extension", `c=biws,r=${RFC_NONCE},x=y,p=${KEY}`],
  ["the client's nonce alone", `c=biws,r=${NONCE},p=${KEY}`],
  ["a nonce with more behind it", `c=biws,r=${RFC_NONCE}x,p=${KEY}`],
  ["two proofs", `${RFC.clientFinal},p=${KEY}`],
  ["a line break", `${RFC.clientFinal}\n`],
];

for (const [why, message] of FINAL_MESSAGES) {
  Deno.test(`prove() refuses ${why}`, () => {
    const verifier = parseVerifier(RFC.verifier);

    refused(() => prove(rfcChallenge(verifier), message));
  });
}
