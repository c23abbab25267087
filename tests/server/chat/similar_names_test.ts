/** Names that a reader may take for each other, and those that no reader does. */
import { assertEquals } from "@std/assert";
import { SimilarNames } from "../../../server/chat/names/similar_names.ts";
import { confusables, GENERATED } from "../../tools/names/confusables.ts";

function areSimilar(one: string, other: string): boolean {
  const names = new SimilarNames();
  names.add(one);
  return names.find(other) === one;
}

const SIMILAR = [
  // 1, I and l; the first three are those of the issue
  ...[
    "ALlCE ALICE",
    "AL1CE ALICE",
    "al1ce ALICE",
    "al1ce alice",
    "ALlCe alice",
  ],
  ...[
    "W11l will",
    "W1ll Will",
    "aI1ce ALICE",
    "Iia lia",
    "team1 teaml",
    "ELlA Elia",
  ],
  ...["MlA mia", "Al Ai", "l1 I1"],
  // other digits
  ...[
    "B0b bob",
    "2oe Zoe",
    "5am Sam",
    "jone5 Jones",
    "8ob Bob",
    "user10 user1O",
  ],
  ...["6ob bob", "6reg Greg", "9reg greg", "9ueen queen"],
  // what is drawn like one letter
  ...[
    "rnary mary",
    "Torn Tom",
    "vvill will",
    "VVILL Will",
    "clean dean",
    "clean Dean",
  ],
  ...["c1ean dean", "cIean dean", "5vvan swan"],
];

for (const pair of SIMILAR) {
  const [one = "", other = ""] = pair.split(" ");
  Deno.test(`${one} is similar to ${other}, and the other way`, () => {
    assertEquals([areSimilar(one, other), areSimilar(other, one)], [
      true,
      true,
    ]);
  });
}

const DIFFERENT = [
  // i and l in small letters; I and L in capitals
  ...[
    "Elia Ella",
    "elia ella",
    "ELIA ELLA",
    "ELIA Ella",
    "Neil Nell",
    "Ilse Lise",
  ],
  ...["studenti studentl", "lab1i lab1l", "Ciara Clara", "L1 l2"],
  // capitals that are not drawn like d and m
  ...[
    "Clara Dara",
    "RNA Ma",
    "ARNE Ame",
    "Cian Dan",
    "cian dan",
    "Alicia Alida",
  ],
  // numbers
  ...["student6 student9", "student6 student8", "student8 student9", "c12 d2"],
  ...["alice bob", "alice alice2", "dean deans"],
];

for (const pair of DIFFERENT) {
  const [one = "", other = ""] = pair.split(" ");
  Deno.test(`${one} and ${other} are names of two users`, () => {
    assertEquals([areSimilar(one, other), areSimilar(other, one)], [
      false,
      false,
    ]);
  });
}

/** First names of a class, several of which are near to each other. */
const FIRST_NAMES =
  "Ada Ahmed Aila Alan Alba Alea Alex Alice Alina Amelia Amir Ana Anna Anne Arne " +
  "Ben Bob Bella Berna Camila Carla Carlo Carlos Cem Cian Ciara Clara Clemens Cleo " +
  "Dan Dana Daniel Dara Dean Delia Della Dieter Eli Elia Elias Elin Ella Emil Emilia " +
  "Emma Ernst Eva Finn Gail Greg Gul Hanna Ian Ida Ilse Imran Isa Ivan Jana Jill Jim " +
  "Jola Julia Julian Kai Karim Karl Kim Klara Lara Lea Leila Lena Leo Lia Liam Lilli " +
  "Linus Lisa Lise Luca Lucas Lucia Luis Maja Mara Maria Marina Mark Mia Mila Milan " +
  "Mina Mira Nadia Neil Nele Nell Nils Nina Noah Nora Ole Olga Omar Paul Pia Rob Roman " +
  "Ron Rosa Sam Sara Silas Sina Tim Tom Uli Vera Viola Will Wilma Yara Yusuf Zoe";

/** What 40 users of a kind are called. */
const CLASSES: Readonly<Record<string, string[]>> = {
  "first names": FIRST_NAMES.split(" "),
  "first names in capitals": FIRST_NAMES.toUpperCase().split(" "),
  "student1 to student40": numbered("student"),
  "pc01 to pc40": numbered("pc", 2),
  "alice1 to alice40, rob1 to rob40, bob1 to bob40": ["alice", "rob", "bob"]
    .flatMap((name) => numbered(name)),
  "a1 to z40": [..."abcdefghijklmnopqrstuvwxyz"].flatMap((row) =>
    numbered(row)
  ),
  "lab1a to lab2z": ["lab1", "lab2"].flatMap((lab) =>
    [..."abcdefghijklmnopqrstuvwxyz"].map((seat) => `${lab}${seat}`)
  ),
  "student ids": numbered("s2161", 3),
};

function numbered(stem: string, digits = 1): string[] {
  return Array.from(
    { length: 40 },
    (_, i) => `${stem}${`${i + 1}`.padStart(digits, "0")}`,
  );
}

for (const [kind, members] of Object.entries(CLASSES)) {
  Deno.test(`no two of a class refuse each other: ${kind}`, () => {
    const names = new SimilarNames();

    for (const name of members) {
      assertEquals(names.find(name), undefined, name);
      names.add(name);
    }
  });
}

Deno.test("SimilarNames keeps names that are similar to each other apart", () => {
  const names = new SimilarNames();
  for (const name of ["clean", "dean", "user8"]) names.add(name);

  names.delete("CLEAN");

  assertEquals(names.find("c1ean"), "dean");
  names.delete("Dean");
  assertEquals(["clean", "user6"].map((name) => names.find(name)), [
    undefined,
    undefined,
  ]);
  assertEquals(names.find("userB"), "user8");
});

Deno.test(`${GENERATED} is what Unicode's data says (deno task names)`, async () => {
  const url = new URL(`../../../${GENERATED}`, import.meta.url);

  assertEquals(await Deno.readTextFile(url), confusables());
});

Deno.test("another row of Unicode's data changes the generated file", () => {
  const source = confusables({ "0": "O", "5": "S", "1": "l", n: "ri" });

  assertEquals(source.match(/(?<= = )\{.*\}/g), [
    '{ "0": "o", "1": "l", "5": "s" }',
    '{ n: "ri" }',
  ]);
});
