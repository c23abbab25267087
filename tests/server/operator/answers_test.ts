/** What the console answers to each command, right or wrong. */
import { assertEquals } from "@std/assert";
import { startTestServer } from "../../tools/net/test_server.ts";

/** On a server where nobody is. */
const ANSWERS: readonly [typed: string, answer: string][] = [
  ["", ""],
  ["   ", ""],
  ["users", "No users are connected"],
  ["  /USERS ", "No users are connected"],
  ["rooms", "  #default  0"],
  ["accounts", "No accounts"],
  ["bans", "No bans, mutes or locks"],
  [
    "say hello",
    "No users are connected. Users who reconnect get the notice.",
  ],
  [
    "user",
    'Unknown command "user". Did you mean users? Type help.',
  ],
  [
    "kcik bob",
    'Unknown command "kcik". Did you mean kick? Type help.',
  ],
  ["x", 'Unknown command "x". Type help.'],
  [
    "toString",
    'Unknown command "tostring". Type help.',
  ],
  ["users all", 'Too many arguments: "all". Usage: users'],
  [
    "kick",
    "Missing argument: NAME|ADDRESS|PREFIX. Usage: kick NAME|ADDRESS|PREFIX [REASON]",
  ],
  [
    "ban",
    "Missing argument: NAME|ADDRESS|PREFIX. Usage: ban NAME|ADDRESS|PREFIX [TIME] [REASON]",
  ],
  ["forget", "Missing argument: ROOM|ADDRESS. Usage: forget ROOM|ADDRESS"],
  [
    "mute bob now",
    'Cannot mute bob for "now": it is no time such as 90s, 10m or 2h. Usage: mute NAME|ADDRESS|PREFIX [TIME]',
  ],
  [
    "mute bob 10m spam",
    'Too many arguments: "spam". Usage: mute NAME|ADDRESS|PREFIX [TIME]',
  ],
  ["mute bob 0s", "Cannot mute for 0s: the shortest time is 1s"],
  [
    "mute nobody",
    "Muted nobody. No user has that name now; the next one is muted.",
  ],
  [
    "mute bob 1h",
    "Muted bob for 1 hour. No user has that name now; the next one is muted.",
  ],
  [
    "mute 10.0.0.0/8 10m",
    "Muted the network 10.0.0.0/8 for 10 minutes: 0 users. To let one of them send, type: unmute NAME",
  ],
  [
    "kick bob",
    'Cannot kick "bob": no user has that name. Type users to see all.',
  ],
  [
    "kick 10.0.0.1 spam",
    "Cannot kick 10.0.0.1: no connection comes from there. Type users to see all.",
  ],
  [
    "ban #lab",
    'Cannot ban "#lab": it must be a name of 1 to 32 letters and digits, an address such as 192.168.1.5, or a prefix such as 192.168.1.0/24. Type users to see all.',
  ],
  [
    "unban bob",
    "Cannot unban bob: there is no such ban. Type bans to see all.",
  ],
  [
    "unban 10.0.0.1",
    "Cannot unban the address 10.0.0.1: there is no such ban. Type bans to see all.",
  ],
  [
    `ban bob ${"x".repeat(201)}`,
    "Cannot ban: the reason has 201 characters, the limit is 200",
  ],
  ["ban bob 0m spam", "Cannot ban for 0m: the shortest time is 1s"],
  [
    "ban bob 10m spam",
    "Banned bob for 10 minutes. No user or account has that name now.",
  ],
  ["ban bob 1d", "Banned bob for 1 day. No user or account has that name now."],
  [
    "ban bob 1h",
    "Banned bob for 1 hour. No user or account has that name now.",
  ],
  [
    "ban 2001:db8:1:2::5",
    "Banned the network 2001:db8:1:2::/64\nIt has no end. To give it an end, type: ban 2001:db8:1:2::/64 10m",
  ],
  ["ban 192.168.1.7/24 1h", "Banned the network 192.168.1.0/24 for 1 hour"],
  [
    "ban fe80::1%eth0",
    "Banned the address fe80::1, on every interface\nIt has no end. To give it an end, type: ban fe80::1 10m",
  ],
  ["ban 10.0.0.1 2h spam", "Banned the address 10.0.0.1 for 2 hours"],
  [
    "ban bob forever spam",
    "Banned bob. No user or account has that name now.\nIt has no end. To give it an end, type: ban bob 10m",
  ],
  [
    "ban bob spam for 10m",
    "Banned bob. No user or account has that name now.\nIt has no end. To give it an end, type: ban bob 10m",
  ],
  [
    "ban bob -5m",
    'Banned bob. No user or account has that name now.\nIt has no end: "-5m" is no time such as 90s, 10m or 2h. To give it an end, type: ban bob 10m',
  ],
  [
    "ban bob 10min spam",
    'Banned bob. No user or account has that name now.\nIt has no end: "10min" is no time such as 90s, 10m or 2h. To give it an end, type: ban bob 10m',
  ],
  [
    "mute ALL",
    'Cannot mute "ALL": it must be a name of 1 to 32 letters and digits, an address such as 192.168.1.5, or a prefix such as 192.168.1.0/24. Type users to see all.',
  ],
  [
    "unmute bob",
    "Cannot unmute bob: it is not muted. Type bans to see the mutes.",
  ],
  [
    "unmute 10.0.0.1",
    "Cannot unmute the address 10.0.0.1: it is not muted. Type bans to see the mutes.",
  ],
  [
    "unblock bob",
    'Cannot unblock "bob": there is no such account. Type accounts to see all.',
  ],
  [
    "unblock 10.0.0.1",
    "Cannot unblock the address 10.0.0.1: no wrong password was entered there, and no share is used up. Type bans to see all.",
  ],
  [
    "delete bob",
    'Cannot delete "bob": there is no such account. Type accounts to see all.',
  ],
  [
    "delete 10.0.0.1",
    "Cannot delete the accounts from 10.0.0.1: a time is missing. To delete those that were created in the last hour, type: delete 10.0.0.1 1h",
  ],
  ["delete 10.0.0.1 1h", "Deleted 0 accounts from 10.0.0.1."],
  [
    "forget 10.0.0.0/8",
    "Deleted the messages of 0 rooms from 10.0.0.0/8: those without members",
  ],
  [
    "forget #lab",
    'Cannot forget "#lab": no room of that name has messages. Type rooms to see all.',
  ],
  [
    "forget l\xe4b",
    'Cannot forget "l\xe4b": no room of that name has messages. Type rooms to see all.',
  ],
];

for (const [typed, answer] of ANSWERS) {
  const shown = JSON.stringify(typed.slice(0, 40));
  Deno.test(`the console answers ${shown}`, async () => {
    await using server = startTestServer();

    assertEquals(await server.console.run(typed), answer);
  });
}
