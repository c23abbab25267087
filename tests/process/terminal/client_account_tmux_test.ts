/** Accounts as a person has them, on a terminal. */
import { assertEquals } from "@std/assert";
import { startServer } from "../../../server/start.ts";
import { makeAccount } from "../../tools/account_tools.ts";
import { quietServer, TmuxScreen } from "../../tools/client_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { lastingPort, listenHere } from "../../tools/net/test_server.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

tmuxTest(
  "sign up, log out, log in, three wrong passwords, locked",
  async () => {
    await using server = quietServer();
    await using screen = await TmuxScreen.open(100);
    const address = `127.0.0.1:${server.port}`;

    await screen.client("alice", address);
    await screen.until("you joined #default");
    await screen.line("/signup");
    await screen.until("New password for alice:");
    await screen.line("sesame");
    await screen.until("! Cannot use the password: it has 6 characters, and");
    await screen.until(/^New password for alice:$/m);
    await screen.keys("C-l");
    await screen.line("sesame one");
    await screen.until("Repeat the password:");
    await screen.line("sesame two");
    await screen.until("! The two passwords are different. Type both again;");
    await screen.until(/^New password for alice:$/m);
    await screen.line("sesame one");
    await screen.until(/cancels\.\n(.*\n)*.*New.*\n.*Repeat the password:$/);
    await screen.line("sesame one");
    await screen.until("* Registered. You now have the account alice.");
    await screen.keys("Up");
    await screen.until("#default> /signup");
    await screen.keys("Enter");
    await screen.until(
      "* alice is an account already; /password changes its password",
    );
    await screen.line("LOGOUT");
    await screen.until("code 0");

    await screen.client("alice", address);
    await screen.until("* alice has an account. If it is yours, sign in;");
    await screen.until("Password for alice:");
    await screen.line("sesame wrong");
    await screen.until("! ERROR 111 Wrong password");
    await screen.until("Attempts left: 2");
    await screen.line("sesame one");
    await screen.until("* Welcome, alice.");
    await screen.line("/list");
    await screen.until("* In #default (1):");
    await screen.line("LOGOUT");
    await screen.until("code 0");

    await screen.client("alice", address);
    for (const left of [2, 1]) {
      await screen.until(/Password for alice:$/);
      await screen.line("sesame wrong");
      await screen.until(`Attempts left: ${left}`);
    }
    await screen.until(/Password for alice:$/);
    await screen.line("sesame wrong");
    await screen.until(/ERROR 112 Locked out[^]*15 minutes/);
    await screen.until("code 4");
    assertEquals((await screen.everything()).includes("sesame"), false);
    for (const way of [[], ["--login"]]) {
      await screen.client("alice", address, ...way);
      await screen.until(/ERROR 112 Locked out[^]*15 minutes/);
      await screen.until("code 4");
      assertEquals((await screen.everything()).includes("Password for"), false);
    }
  },
);

tmuxTest(
  "an account that a server has not any more is said to be gone, and made again",
  async () => {
    const { port, ...first } = quietServer(lastingPort());
    await using screen = await TmuxScreen.open(100);
    const signUp = async () => {
      await screen.line("/signup");
      await screen.until(/New password for alice:$/);
      await screen.line("sesame street");
      await screen.until(/Repeat the password:$/);
      await screen.line("sesame street");
      await screen.until(
        /Signing in needs your password\.\n(.*\n)*.*#default>$/,
      );
    };

    await screen.client("alice", `127.0.0.1:${port}`);
    await screen.until("#default>");
    await signUp();
    await first[Symbol.asyncDispose]();
    await screen.until("(offline)>");
    await using _other = quietServer(port);

    await screen.until("* alice has no account here; /signup creates one");
    await screen.until(/#default>$/);
    await screen.keys("C-l");
    await signUp();
  },
);

tmuxTest(
  "--require-login offers to sign up or to sign in",
  async () => {
    await using server = startServer({
      tcp: listenHere(),
      requireLogin: true,
      log: () => {},
    });
    await using screen = await TmuxScreen.open(100);

    await screen.client("alice", `127.0.0.1:${server.port}`);
    await screen.until(/! ERROR 110 Login required[^]*1 Sign up, 2 Sign in:/);
    await screen.line("3");
    await screen.until("! Type 1 to create an account");
    await screen.line("1");
    await screen.until("New password for alice:");
    await screen.line("sesame street");
    await screen.until("Repeat the password:");
    await screen.line("sesame street");
    await screen.until(
      /^\* Welcome, alice\..*\n\* Registered\. You now have the account alice\./m,
    );
    await screen.keys("C-d");
    await screen.until("code 0");
    assertEquals((await screen.everything()).includes("sesame"), false);
  },
);

tmuxTest(
  "somebody else's name can be given up at its password",
  async () => {
    await using server = quietServer();
    await makeAccount(server.port, "alice");
    await using screen = await TmuxScreen.open(100);

    await screen.client("--port", `${server.port}`);
    await screen.until("Name:");
    await screen.line("alice");
    await screen.until("Server [127.0.0.1]:");
    await screen.line("");
    await screen.until("3 Guest [3]:");
    await screen.line("");
    await screen.until("Password for alice:");
    await screen.line("");
    await screen.until("Name [alice2]:");
    await screen.line("nobody");
    await screen.until(/: nobody\n1 Sign up, 2 Sign in, 3 Guest \[3\]:$/);
    await screen.line("2");
    await screen.until(
      /! ERROR 121 No account.*\n(.*\n)?1 Sign up, 2 .*\[3\]:$/,
    );
    await screen.line("1");
    await screen.until("New password for nobody:");
    await screen.line("");
    await screen.until(/Name.*:$/);
    await screen.line("alice2");
    await screen.until(/: alice2\n1 Sign up, 2 Sign in, 3 Guest \[3\]:$/);
    await screen.line("");
    await screen.until("* Welcome, alice2.");
  },
);

tmuxTest(
  "a password is edited unseen, and Ctrl-C leaves its question",
  async () => {
    await using server = quietServer();
    await makeAccount(server.port, "alice", "p\u00e4ss");
    await using screen = await TmuxScreen.open(100);
    const address = `127.0.0.1:${server.port}`;

    await screen.client("alice", address);
    await screen.until("* alice has an account. If it is yours, sign in;");
    await screen.until("Password for alice:");
    await screen.type("wrong");
    await screen.keys("C-u", "Left");
    await screen.type("p\u00e4xyz");
    await screen.keys("BSpace", "BSpace", "BSpace");
    await screen.line("ss");
    await screen.until("* Welcome, alice.");
    await screen.keys("C-c");
    await screen.until("code 130");

    await screen.client("alice", address, "--login");
    await screen.until("Password for alice:");
    await screen.type("half");
    await screen.keys("C-c");
    await screen.until("code 130");
    assertEquals((await screen.everything()).includes("half"), false);
  },
);

tmuxTest(
  "a plain terminal shows no password either",
  async () => {
    await using server = quietServer();
    await using screen = await TmuxScreen.open(100);
    using bob = await RawClient.enter(server.port, "bob", "#default");
    const address = `127.0.0.1:${server.port}`;

    await screen.client("alice", address, "--plain");
    await screen.until("you joined #default");
    await screen.line("/signup");
    await screen.until("New password for alice:");
    await screen.type("sesamx");
    await screen.keys("BSpace");
    await screen.line("e street");
    await screen.until("Repeat the password:");
    await bob.say("#default", "while you type");
    await screen.until("while you type");
    await screen.line("sesame street");
    await screen.until("* Registered. You now have the account alice.");
    await screen.line("shown again");
    await bob.next("FORWARD alice");
    await screen.until("shown again");
    await screen.line("LOGOUT");
    await screen.until("code 0");
    assertEquals((await screen.everything()).includes("sesam"), false);
  },
);
