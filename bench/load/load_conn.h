/*
 * The connections of the load generator: what is known of each, and reading and
 * writing that never wait. Whatever goes wrong ends the run, with what the server said last.
 */
#ifndef LOAD_CONN_H
#define LOAD_CONN_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "load_stats.h"

enum {
  MARK_BYTES = 16,
  READ_BYTES = 256 * 1024,
  BATCH_BYTES = 1024 * 1024,
  STALLED_MS = 5000,
  SETTLE_LIMIT_MS = 15000,
  LAST_BYTES = 120,
  TIMER = -1,
};

enum state { UNUSED, CONNECTING, OPENING, WELCOMING, REGISTERED, JOINING, READY };

/* Where a connection is in the WebSocket frames it gets; see load_web.h. */
struct frames {
  unsigned char head[10];
  char control[125]; /* the payload of a Ping, until its end has come */
  size_t head_bytes, control_bytes;
  uint64_t left; /* bytes of payload that are still to come */
};

struct conn {
  int fd;
  enum state state;
  int room, member;
  uint32_t sent, got;
  size_t skip, stride;  /* to where the next mark can be at the earliest */
  size_t distance;      /* of the last two marks of a read */
  size_t kept, pending; /* bytes in `keep`; bytes in `out` from `out_at` on */
  char keep[MARK_BYTES]; /* the beginning of what the last read cut */
  char *out, *out_at;
  struct frames frames;
  struct ssl_st *ssl; /* if it is TLS; see load_tls.h */
  struct text frame; /* a sender's message, ready but for the mark */
  size_t body_at;
  uint32_t *next; /* by sender of the room: the number that must come */
  char last[LAST_BYTES];
  size_t last_bytes;
};

struct room {
  uint32_t sent;
  int slowest; /* the member that has most to receive */
  int moved;
};

struct snapshot {
  uint64_t at_ns, deliveries, sent;
  double own_s, server_s, beside_s;
};

static struct conn *conns;
static struct room *rooms;
static int epoll, timer = -1;
static long total, opened, failed, registered, ready;
static uint64_t deliveries, sent_total, started_ns, last_delivery_ns, latest_ns;
static uint64_t last_read_ns;
static int started, sending, recording;
static char buffer[MARK_BYTES + READ_BYTES], batch[BATCH_BYTES];

/* Where a connection is made to: the members of a room take turns. */
static long port_of(const struct conn *c) {
  return spec.ports.at[c->member % spec.ports.count];
}

static void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  __fpurge(stdout); /* nothing of a result that did not come to be */
  printf("{\"error\": \"");
  char text[512];
  vsnprintf(text, sizeof text, format, args);
  for (char *p = text; *p; p++) {
    if (*p == '\n') printf("\\\\n");
    else if (*p == '"' || *p == '\\') printf("\\%c", *p);
    else putchar(*p < 32 ? '?' : *p);
  }
  puts("\"}");
  fflush(stdout);
  _exit(1);
}

static void on_alarm(int signal) {
  (void)signal;
  fail("time limit of %ld s passed: %ld connections, %ld registered, %ld ready, %lu deliveries",
       spec.limit_s, opened, registered, ready, (unsigned long)deliveries);
}

static void watch(struct conn *c, int operation, uint32_t events) {
  struct epoll_event event = {.events = events,
                              .data.u64 = (uint64_t)(c - conns)};
  if (epoll_ctl(epoll, operation, c->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

static void lost(struct conn *c, const char *why) {
  fail("connection %ld was closed (%s) after %u messages; it last said: %.*s",
       (long)(c - conns), why, c->got, (int)c->last_bytes, c->last);
}

/* Reads once; 0 is that there is nothing. */
static size_t take_in(struct conn *c, char *into, size_t length) {
  ssize_t count = recv(c->fd, into, length, 0);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count <= 0) lost(c, count ? strerror(errno) : "end");
  return (size_t)count;
}

/* Writes now what the socket takes, and the rest when it takes more. */
static void queue_out(struct conn *c, const char *bytes, size_t length) {
  ssize_t wrote = c->pending ? 0 : send(c->fd, bytes, length, MSG_NOSIGNAL);
  if (wrote < 0 && errno != EAGAIN) lost(c, strerror(errno));
  if (wrote < 0) wrote = 0;
  size_t rest = length - (size_t)wrote;
  if (!rest) return;
  char *joined = malloc(c->pending + rest);
  memcpy(joined, c->out_at, c->pending);
  memcpy(joined + c->pending, bytes + wrote, rest);
  free(c->out);
  c->out = c->out_at = joined;
  c->pending += rest;
  watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void flush(struct conn *c) {
  ssize_t wrote = send(c->fd, c->out_at, c->pending, MSG_NOSIGNAL);
  if (wrote < 0 && errno != EAGAIN) lost(c, strerror(errno));
  if (wrote > 0) {
    c->out_at += wrote;
    c->pending -= (size_t)wrote;
  }
  if (!c->pending) {
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    rooms[c->room].moved = 1;
  }
}

#endif
