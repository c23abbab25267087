/** Words as shells write them, and as terminals insert dropped files. */
import { assertEquals } from "@std/assert";
import { lastWord, quoted, splitWords } from "../../platform/shell_words.ts";
import type { System } from "../../platform/system.ts";

/** The words of a line, on Windows too unless they differ there. */
const LINES: readonly [
  text: string,
  words: string[] | undefined,
  windows?: string[] | undefined,
][] = [
  ["", []],
  ["  ", []],
  ["bob notes.pdf", ["bob", "notes.pdf"]],
  ["  bob \t notes.pdf  ", ["bob", "notes.pdf"]],
  ['bob "my notes.pdf" b', ["bob", "my notes.pdf", "b"]],
  ["'my notes.pdf' b", ["my notes.pdf", "b"]],
  ['""', [""]],
  ['"open', undefined, undefined],
  ["'open", undefined, undefined],
  ["'my notes'.pdf", ["my notes.pdf"], undefined],
  ["my\\ notes.pdf b", ["my notes.pdf", "b"], ["my\\", "notes.pdf", "b"]],
  ["notes\\ \\(1\\).pdf", ["notes (1).pdf"], ["notes\\", "\\(1\\).pdf"]],
  ["a\\&b\\ \\[x\\].txt", ["a&b [x].txt"], ["a\\&b\\", "\\[x\\].txt"]],
  ["price\\ 5\\$.txt", ["price 5$.txt"], ["price\\", "5\\$.txt"]],
  ["a\\\\b", ["a\\b"], ["a\\\\b"]],
  ["it\\'s", ["it's"], ["it\\'s"]],
  ["it's", undefined, ["it's"]],
  ["'it'\\''s mine.txt'", ["it's mine.txt"]],
  ['"say \\"hi\\" 5\\$.txt"', ['say "hi" 5$.txt'], [
    "say \\hi\\ 5\\$.txt",
  ]],
  ["9.41\u202fAM.png b", ["9.41\u202fAM.png", "b"]],
  ["a\u00a0b c\u3000d", ["a\u00a0b", "c\u3000d"]],
];

/** What terminals insert when files are dropped, and what it means. */
const DROPS: readonly [
  terminal: string,
  system: System,
  text: string,
  paths: string[],
][] = [
  [
    "Terminal of macOS",
    "darwin",
    "/Users/ann/Report\\ \\(1\\).pdf /Users/ann/it\\'s.txt ",
    ["/Users/ann/Report (1).pdf", "/Users/ann/it's.txt"],
  ],
  [
    "Terminal of macOS, a screenshot",
    "darwin",
    "/Users/ann/Screenshot\\ 2026-11-30\\ at\\ 9.41.00\u202fAM.png ",
    ["/Users/ann/Screenshot 2026-11-30 at 9.41.00\u202fAM.png"],
  ],
  [
    "GNOME Terminal",
    "linux",
    "'/home/ann/Report (1).pdf' '/home/ann/it'\\''s.txt' ",
    ["/home/ann/Report (1).pdf", "/home/ann/it's.txt"],
  ],
  [
    "Windows Terminal",
    "windows",
    '"C:\\a b\\c (1).txt" C:\\Bob\'s\\x.txt',
    ["C:\\a b\\c (1).txt", "C:\\Bob's\\x.txt"],
  ],
  [
    "Windows Terminal, a path with an apostrophe and blanks",
    "windows",
    '"C:\\Bob\'s files\\x.txt" "D:\\"',
    ["C:\\Bob's files\\x.txt", "D:\\"],
  ],
  [
    "Windows Terminal, WSL",
    "linux",
    "'/mnt/d/John'\\''s Archive' ",
    ["/mnt/d/John's Archive"],
  ],
  [
    "VS Code, PowerShell",
    "windows",
    "& 'C:\\a b\\it''s.txt' 'C:\\c d.txt'",
    ["C:\\a b\\it's.txt", "C:\\c d.txt"],
  ],
  [
    "mintty of Git Bash",
    "windows",
    "'/c/Users/ann/a b.txt' '/c/it'\\''s.txt' /d/x.txt",
    ["/c/Users/ann/a b.txt", "/c/it's.txt", "/d/x.txt"],
  ],
  [
    "ConEmu, Git Bash",
    "windows",
    "/c/Users/ann/a\\ b\\ \\(1\\).txt C:\\x",
    ["/c/Users/ann/a b (1).txt", "C:\\x"],
  ],
  [
    "a path of Windows in WSL",
    "linux",
    'C:\\Users\\Bob\'s\\x.txt "C:\\a b\\c.txt" \\\\wsl$\\Ubuntu\\home',
    ["C:\\Users\\Bob's\\x.txt", "C:\\a b\\c.txt", "\\\\wsl$\\Ubuntu\\home"],
  ],
  [
    "a file manager, as addresses",
    "linux",
    "file:///home/ann/a%20b.txt\r\nfile:///home/ann/c.txt\r\n",
    ["file:///home/ann/a%20b.txt", "file:///home/ann/c.txt"],
  ],
];

for (const [text, others, ...rest] of LINES) {
  Deno.test(`splitWords() reads ${JSON.stringify(text)}`, () => {
    const [windows] = rest.length > 0 ? rest : [others];

    assertEquals(splitWords(text, "linux"), others);
    assertEquals(splitWords(text, "darwin"), others);
    assertEquals(splitWords(text, "windows"), windows);
  });
}

for (const [terminal, system, text, paths] of DROPS) {
  Deno.test(`splitWords() reads what is dropped: ${terminal}`, () => {
    assertEquals(splitWords(text, system), paths);
    assertEquals(splitWords(`bob ${text}`, system), ["bob", ...paths]);
  });
}

Deno.test("quoted() makes a word that is read as the path", () => {
  const names = [
    ...["a", "my notes (1).pdf", "it's", 'a"b', "5$ & [x]*?.txt", "é"],
    ...["9.41\u202fAM.png", "'a b'", "& 'a'"],
  ];
  for (const system of ["linux", "darwin", "windows"] as const) {
    for (const folder of ["d/", "/c/", "C:/", "C: "]) {
      for (const name of names) {
        if (system === "windows" && name.includes('"')) continue; // no name there
        const word = quoted(folder + name, false, system);
        assertEquals(splitWords(word, system), [folder + name]);
      }
    }
  }
});

Deno.test("lastWord() is what is being written", () => {
  const cases: readonly [text: string, system: System, last: string][] = [
    ["a b", "linux", "b"],
    ["a ", "linux", ""],
    ["a b\\ c", "linux", "b\\ c"],
    ["a 'b c", "linux", "'b c"],
    ["'a b' \"c d", "linux", '"c d'],
    ["a b\u202fc", "darwin", "b\u202fc"],
    ["C:\\a C:\\b", "windows", "C:\\b"],
    ['a "C:\\b c', "windows", '"C:\\b c'],
    ["& 'a b' 'c d", "windows", "'c d"],
  ];
  for (const [text, system, last] of cases) {
    assertEquals([text, lastWord(text, system)], [text, last]);
  }
});
