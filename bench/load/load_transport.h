/*
 * What carries the bytes of a protocol: TCP alone, or WebSocket messages in it
 * (load_web.h), or TLS (load_tls.h; only with -DWITH_TLS, as it needs OpenSSL).
 * Above this nobody has to know which.
 */
#ifndef LOAD_TRANSPORT_H
#define LOAD_TRANSPORT_H

#ifdef WITH_TLS
#include "load_tls.h"
#endif
#include "load_web.h"

struct transport {
  const char *name;
  void (*start)(struct conn *c);   /* once TCP is connected */
  int (*is_open)(struct conn *c);  /* asked until it is, whenever something came */
  /* Reads once, READ_BYTES at most; 0 is that nothing came for the protocol. */
  size_t (*read)(struct conn *c, char *into);
  /* Never waits; BATCH_BYTES at most. */
  void (*write)(struct conn *c, const char *bytes, size_t length);
};

static void start_nothing(struct conn *c) { (void)c; }

static int is_open_at_once(struct conn *c) {
  (void)c;
  return 1;
}

static size_t read_plain(struct conn *c, char *into) {
  return take_in(c, into, READ_BYTES);
}

static const struct transport TRANSPORTS[] = {
    {"tcp", start_nothing, is_open_at_once, read_plain, queue_out},
    {"websocket", ask_for_websocket, is_websocket, read_unframed, write_framed},
#ifdef WITH_TLS
    {"tls", ask_for_tls, is_tls, read_unsealed, write_sealed},
#endif
};
static const struct transport *transport;

static void choose_transport(void) {
  for (size_t i = 0; i < sizeof TRANSPORTS / sizeof *TRANSPORTS; i++) {
    if (!strcmp(TRANSPORTS[i].name, spec.transport.at)) transport = &TRANSPORTS[i];
  }
  if (!transport) fail("there is no transport \"%s\"", spec.transport.at);
}

static void write_text(struct conn *c, struct text text) {
  struct text filled = fill_in(text, c - conns, c->room);
  transport->write(c, filled.at, filled.length);
  free(filled.at);
}

#endif
