/**
 * What the server answers, once more, to peers that come over WebSockets: the
 * tests of the wire, with another wire.
 */
import { useWebSockets } from "./raw_client.ts";

useWebSockets();

await import("./wire_accounts_test.ts");
await import("./wire_away_test.ts");
await import("./wire_bans_test.ts");
await import("./wire_hostile_test.ts");
await import("./wire_limits_test.ts");
await import("./wire_login_test.ts");
await import("./wire_register_test.ts");
await import("./wire_resume_test.ts");
await import("./wire_rooms_test.ts");
await import("./wire_send_test.ts");
await import("./wire_shutdown_test.ts");
await import("./wire_silence_test.ts");
