/** Which passwords a new account can have. */
import { assertEquals, assertThrows } from "@std/assert";
import { COMMON_PASSWORDS } from "../../core/common_passwords.ts";
import { checkNewPassword, checkRepeated } from "../../core/new_password.ts";
import { ScramError } from "../../core/scram.ts";
import { commonPasswords } from "../tools/generate/common_passwords.ts";

const REFUSED: readonly [password: string, why: string][] = [
  ["", "it is empty"],
  ["a", "it has 1 character, and needs at least 8"],
  ["abc def", "it has 7 characters, and needs at least 8"],
  ["\u{1f600}\u{1f601}\u{1f602}\u{1f603}", "it has 4 characters, and"],
  // As it is hashed: without what is invisible, and composed.
  ["abc\u200b\u200b\u200bdef", "it has 6 characters, and needs at least 8"],
  ["u\u0308o\u0308a\u0308s\u0301", "it has 4 characters, and"],
  ["aliceRep", "it is only your name"],
  ["ALICEREPalicerep", "it is only your name"],
  ["aaaaaaaa", "it is one character, repeated"],
  ["        ", "it is one character, repeated"],
  ["AaAaAaAaA", "it is one character, repeated"],
  ["aliceRep1", "it is only your name, with digits or signs"],
  ["alicerep 2026!", "it is only your name, with digits or signs"],
  ["alicerep-alicerep-Alicerep", "it is only your name, with digits or signs"],
  ["abababab", "it is 2 characters, repeated"],
  ["xyzXYZxy", "it is 3 characters, repeated"],
  ["72817281", "it is 4 characters, repeated"],
  ["bcdefghi", "its characters follow each other in order"],
  ["ZYXWVUTS", "its characters follow each other in order"],
  ["12345678", "many people use it, and it is guessed first"],
  ["password", "many people use it, and it is guessed first"],
  ["PassW0rd", "many people use it, and it is guessed first"],
  // Of another width, which is the same once it is prepared.
  ["\uff30assword", "many people use it, and it is guessed first"],
];

for (const [password, why] of REFUSED) {
  Deno.test(`a new account cannot have the password ${JSON.stringify(password)}`, () => {
    assertThrows(
      () => checkNewPassword("alicerep", password),
      ScramError,
      `Cannot use the password: ${why}`,
    );
  });
}

const TAKEN = [
  "correct horse",
  "alicerep's hat",
  "abcdefgi",
  "83017254", // digits without the name
  "abcdeabcde",
  "passwordpassword",
  "password 12345678", // two that are common, and together are not
  "\u{1f600}\u{1f605}\u{1f602}\u{1f603}\u{1f604}\u{1f601}\u{1f607}\u{1f606}",
  "\u5bc6\u7801\u662f\u4e00\u4e8c\u4e09\u56db\u4e94",
];

for (const password of TAKEN) {
  Deno.test(`a new account can have the password ${JSON.stringify(password)}`, () => {
    checkNewPassword("alicerep", password);
  });
}

Deno.test("a new password is typed twice", () => {
  checkRepeated("alice", "correct horse", "correct horse");
  assertThrows(
    () => checkRepeated("alice", "correct horse", "correct house"),
    ScramError,
    "The two passwords are different",
  );
});

Deno.test("core/common_passwords.ts has the 1,000 most common passwords of the package", () => {
  const words = COMMON_PASSWORDS.split(" ");

  assertEquals(words, commonPasswords());
  assertEquals(new Set(words).size, 1_000);
  assertEquals(words.filter((one) => one !== one.toLowerCase()), []);
});
