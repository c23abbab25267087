/** What opens a file in the browser, on all systems. */
import { assert, assertEquals } from "@std/assert";
import type { Surroundings } from "../../platform/local_path.ts";
import { openersOf, type Seat, seatOf } from "../../platform/opener.ts";
import type { System } from "../../platform/system.ts";

/** A system with these environment variables. */
function desk(
  system: System,
  variables: Readonly<Record<string, string>> = {},
): Surroundings {
  return { system, variable: (name) => variables[name] };
}

const SSH = { SSH_CONNECTION: "192.168.1.9 50311 192.168.1.5 22" };

/** Systems, and where their users sit. */
const SEATS: readonly [what: string, Surroundings, Seat][] = [
  ["Windows", desk("windows"), "desktop"],
  ["Windows over SSH", desk("windows", SSH), "ssh"],
  ["macOS", desk("darwin"), "desktop"],
  ["macOS over SSH", desk("darwin", SSH), "ssh"],
  ["X11", desk("linux", { DISPLAY: ":0" }), "desktop"],
  ["Wayland", desk("linux", { WAYLAND_DISPLAY: "wayland-0" }), "desktop"],
  ["BSD with X11", desk("freebsd", { DISPLAY: ":0" }), "desktop"],
  ["no screen", desk("linux"), "headless"],
  ["no screen on BSD", desk("freebsd"), "headless"],
  ["SSH with X11", desk("linux", { ...SSH, DISPLAY: ":10" }), "ssh"],
  ["SSH", desk("linux", SSH), "ssh"],
  ["WSL", desk("linux", { WSL_DISTRO_NAME: "Ubuntu" }), "desktop"],
  ["SSH to WSL", desk("linux", { ...SSH, WSL_DISTRO_NAME: "U" }), "ssh"],
];

for (const [what, where, seat] of SEATS) {
  Deno.test(`seatOf(): ${what} is ${seat}`, () => {
    assertEquals(seatOf(where), seat);
  });
}

/** The commands for a file; `in FOLDER` comes first if they need that. */
const COMMANDS: readonly [
  what: string,
  Surroundings,
  file: string,
  commands: string[][],
][] = [
  ["Windows", desk("windows"), "C:\\Users\\bob\\Downloads\\p-1.html", [
    [
      "in C:\\Users\\bob\\Downloads",
      "cmd",
      "/d",
      "/c",
      "start",
      "",
      ".\\p-1.html",
    ],
    [
      "rundll32",
      "url.dll,FileProtocolHandler",
      "C:\\Users\\bob\\Downloads\\p-1.html",
    ],
  ]],
  [
    "a name that cmd would read",
    desk("windows"),
    "C:\\A&B %PATH% ^你好\\p-1.html",
    [
      [
        "in C:\\A&B %PATH% ^你好",
        "cmd",
        "/d",
        "/c",
        "start",
        "",
        ".\\p-1.html",
      ],
      [
        "rundll32",
        "url.dll,FileProtocolHandler",
        "C:\\A&B %PATH% ^你好\\p-1.html",
      ],
    ],
  ],
  ["a drive's top", desk("windows"), "D:\\p-1.html", [
    ["in D:\\", "cmd", "/d", "/c", "start", "", ".\\p-1.html"],
    ["rundll32", "url.dll,FileProtocolHandler", "D:\\p-1.html"],
  ]],
  ["a folder of the network", desk("windows"), "\\\\nas\\bob\\p-1.html", [
    ["rundll32", "url.dll,FileProtocolHandler", "\\\\nas\\bob\\p-1.html"],
  ]],
  ["macOS", desk("darwin"), "/Users/bob/Down loads/p-1.html", [
    ["open", "file:///Users/bob/Down%20loads/p-1.html"],
  ]],
  [
    "Linux",
    desk("linux", { DISPLAY: ":0" }),
    "/home/bob/Téléchargements/p-1.html",
    [
      ["xdg-open", "file:///home/bob/T%C3%A9l%C3%A9chargements/p-1.html"],
    ],
  ],
  [
    "signs of a URL",
    desk("linux", { DISPLAY: ":0" }),
    "/home/a?b#c&d/p-1.html",
    [
      ["xdg-open", "file:///home/a%3Fb%23c&d/p-1.html"],
    ],
  ],
  ["BSD", desk("netbsd", { DISPLAY: ":0" }), "/home/bob/p-1.html", [
    ["xdg-open", "file:///home/bob/p-1.html"],
  ]],
  [
    "WSL",
    desk("linux", { WSL_DISTRO_NAME: "Ubuntu-24.04" }),
    "/home/bob/p-1.html",
    [
      ["wslview", "/home/bob/p-1.html"],
      ["explorer.exe", "\\\\wsl$\\Ubuntu-24.04\\home\\bob\\p-1.html"],
    ],
  ],
  [
    "a drive of Windows in WSL",
    desk("linux", { WSL_DISTRO_NAME: "Debian" }),
    "/mnt/c/Users/bob/p-1.html",
    [
      ["wslview", "/mnt/c/Users/bob/p-1.html"],
      ["explorer.exe", "C:\\Users\\bob\\p-1.html"],
    ],
  ],
  [
    "WSL with a screen",
    desk("linux", { WSL_DISTRO_NAME: "Debian", DISPLAY: ":0" }),
    "/home/bob/p-1.html",
    [
      ["wslview", "/home/bob/p-1.html"],
      ["xdg-open", "file:///home/bob/p-1.html"],
      ["explorer.exe", "\\\\wsl$\\Debian\\home\\bob\\p-1.html"],
    ],
  ],
];

for (const [what, where, file, commands] of COMMANDS) {
  Deno.test(`openersOf(): ${what}`, () => {
    const found = openersOf(file, where);

    assertEquals(
      found.map(({ cwd, command, args }) => [
        ...(cwd === undefined ? [] : [`in ${cwd}`]),
        ...[command, ...args],
      ]),
      commands,
    );
    for (const { command, args, exitCode } of found) {
      assertEquals(exitCode === "ignored", command === "explorer.exe");
      if (command !== "cmd") continue;
      assert(args.every((word) => /^[\w./\\-]*$/.test(word)), `${args}`);
    }
  });
}
