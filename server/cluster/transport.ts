/**
 * The sockets of the connection to NATS. NATS's client takes its listeners off a
 * socket before it closes it. An error that the system tells in between has no
 * listener, and would end the whole program: so it does when NATS refuses the
 * credentials, and resets the connection right after.
 *
 * @module
 */
import type { Socket } from "node:net";
import {
  type ConnectionOptions,
  type NatsConnection,
  NatsConnectionImpl,
  setTransportFactory,
} from "@nats-io/transport-node";
import {
  nodeResolveHost,
  NodeTransport,
} from "@nats-io/transport-node/lib/node_transport.js";

/** Connects as `connect` of NATS's client does, with sockets that end nothing. */
export function connect(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({
    factory: () => new GuardedTransport(),
    dnsResolveFn: nodeResolveHost,
  });
  return NatsConnectionImpl.connect(options);
}

class GuardedTransport extends NodeTransport {
  override async dial(
    to: Parameters<NodeTransport["dial"]>[0],
  ): ReturnType<NodeTransport["dial"]> {
    return guarded(await super.dial(to));
  }

  override async startTLS(): ReturnType<NodeTransport["startTLS"]> {
    return guarded(await super.startTLS());
  }
}

/** A socket that always has a listener for errors. */
function guarded<S extends Socket>(socket: S): S {
  const listen = () => socket.on("error", () => {}); // its owner has left it
  const removeAll = socket.removeAllListeners;
  socket.removeAllListeners = (...event) => {
    removeAll.apply(socket, event);
    return listen();
  };
  return listen();
}
