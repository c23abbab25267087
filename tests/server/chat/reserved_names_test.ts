/** Names that mean staff, and those that only begin so. */
import { assertEquals } from "@std/assert";
import { reservedWord } from "../../../server/chat/names/reserved_names.ts";

const RESERVED: Readonly<Record<string, string>> = {
  ...{ operator: "operator", "0perator": "operator", Op3ra7or: "operator" },
  ...{
    MODERATOR: "moderator",
    rnoderator: "moderator",
    mod: "mod",
    M0D2: "mod",
  },
  ...{ root: "root", r00t: "root", R007: "root", root1: "root" },
  ...{ Admin: "admin", ADM1N: "admin", admln: "admin", "4dm1n": "admin" },
  ...{ admin1: "admin", aclmin: "admin", ADMlNISTRATOR: "administrator" },
  ...{ Teacher: "teacher", t3acher: "teacher", teacher2: "teacher" },
  ...{
    "1nstructor": "instructor",
    Instruct0r07: "instructor",
    "5taff": "staff",
  },
  ...{
    Syst3m: "system",
    Systern: "system",
    "5erver": "server",
    Par1ey: "parley",
  },
  ...{
    server2: "server",
    System1: "system",
    Parley1: "parley",
    y0u2: "you",
    Serv3r01: "server",
  },
  ...{
    Admins: "admin",
    administrators: "administrator",
    "7eachers": "teacher",
    mods2: "mod",
    sysadmin: "admin",
    the4dmin: "admin",
    TheTeacher: "teacher",
    superm0derators: "moderator",
  },
  ...{ H0ST: "host", ho57: "host", y0u: "you", YOU: "you" },
};

Deno.test("words for staff and the server are reserved, and what looks like them", () => {
  const names = Object.keys(RESERVED);

  const words = Object.fromEntries(
    names.map((name) => [name, reservedWord(name)]),
  );

  assertEquals(words, RESERVED);
});

Deno.test("names that contain a reserved word are free, and numbered hosts", () => {
  const names = [
    ...[
      "rooted",
      "modest",
      "Adminton",
      "youssef",
      "hostel",
      "teach",
      "Rod",
      "mood",
    ],
    ...[
      "host1",
      "host02",
      "userver2",
      "yourself",
      "systemd",
      "Thea",
      "Adams",
      "models",
      "super",
      "Stefan",
      "r",
      "42",
    ],
  ];

  assertEquals(names.filter((name) => reservedWord(name)), []);
});
