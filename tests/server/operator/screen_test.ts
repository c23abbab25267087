/** The operator's terminal. */
import { assertMatch } from "@std/assert";
import { Screen } from "../../../server/operator/screen.ts";

Deno.test("a user who connects at once does not break the greeting", async () => {
  const { write } = Deno.stdout;
  let text = "";
  Deno.stdout.write = (bytes) => {
    text += new TextDecoder().decode(bytes);
    return Promise.resolve(bytes.length);
  };
  try {
    await using screen = new Screen();
    screen.print("Listening");
    screen.log("alice connected");
    screen.print("The page is at");
    screen.startLog();
    screen.log("bob connected");
    screen.print("Users: 2");
  } finally {
    Deno.stdout.write = write;
  }

  assertMatch(
    text,
    /^Listening\nThe page is at\n.* alice connected\n.* bob connected\nUsers: 2\n$/,
  );
});
