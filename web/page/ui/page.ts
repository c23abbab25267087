/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page: the form first, and then the chat. The form does not wait for the
 * rest of the page, which is loaded meanwhile.
 *
 * @module
 */
import { settings } from "../model/settings.ts";
import { Form } from "./form.ts";

const chatPage = import("./chat_page.ts");

/** The module that carries files, with `--gui`. */
const files = settings.local ? import("./files.ts") : undefined;

// A file that is dropped must not replace the page.
for (const type of ["dragenter", "dragover", "drop"] as const) {
  addEventListener(type, (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
}

const form = new Form(async (goal) => {
  try {
    const [{ ChatPage }, carrier] = await Promise.all([chatPage, files]);
    new ChatPage(goal, form, carrier).run();
  } catch (error) {
    // The program or server that serves the page has ended.
    if (!(error instanceof Error)) throw error;
    form.refuse(error);
  }
});
form.show();
chatPage.then(
  ({ stored }) => form.resume(stored()),
  () => {}, // the form says so when it is sent
);
