/*
 * The bare relay: what any chat server could do at most on this machine.
 *
 * A connection says in its first eight bytes which room it wants ("room0007"),
 * and receives "JOINED". From then on every byte it sends is copied to all
 * other members of that room. No parsing, no names, no order between senders: a real
 * server must do all that besides. What a receiver's socket does not take waits
 * in memory without a limit, which the load generator's window keeps small.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  ROOMS = 10000,
  ROOM_BYTES = 8,
  READ_BYTES = 64 * 1024,
  BACKLOG = 4096,
  LIFETIME_S = 1800, /* nobody needs it longer, should the bench be killed */
};

struct conn {
  int fd, room;
  size_t greeted, pending;
  char greeting[ROOM_BYTES + 1];
  char *out, *out_at;
};

static struct {
  struct conn **members;
  size_t count;
} rooms[ROOMS];
static int epoll;
static char buffer[READ_BYTES];

static void watch(struct conn *c, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  epoll_ctl(epoll, operation, c->fd, &event);
}

static void drop(struct conn *c) {
  for (size_t i = 0; c->room >= 0 && i < rooms[c->room].count; i++) {
    if (rooms[c->room].members[i] != c) continue;
    rooms[c->room].members[i] = rooms[c->room].members[--rooms[c->room].count];
    break;
  }
  close(c->fd);
  c->fd = -1; /* not freed: an event of this turn may still name it */
}

static void write_out(struct conn *c, const char *bytes, size_t length) {
  ssize_t wrote = c->pending ? 0 : send(c->fd, bytes, length, MSG_NOSIGNAL);
  if (wrote < 0 && errno != EAGAIN) return; /* its read will see the end */
  if (wrote < 0) wrote = 0;
  size_t rest = length - (size_t)wrote;
  if (!rest) return;
  char *joined = malloc(c->pending + rest);
  if (c->pending) memcpy(joined, c->out_at, c->pending);
  memcpy(joined + c->pending, bytes + wrote, rest);
  free(c->out);
  c->out = c->out_at = joined;
  c->pending += rest;
  watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void flush(struct conn *c) {
  ssize_t wrote = send(c->fd, c->out_at, c->pending, MSG_NOSIGNAL);
  if (wrote < 0) return;
  c->out_at += wrote;
  c->pending -= (size_t)wrote;
  if (!c->pending) watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void join(struct conn *c) {
  c->room = atoi(c->greeting + 4) % ROOMS;
  size_t count = rooms[c->room].count++;
  rooms[c->room].members =
      realloc(rooms[c->room].members, (count + 1) * sizeof(struct conn *));
  rooms[c->room].members[count] = c;
  write_out(c, "JOINED\n", 7);
}

static void on_readable(struct conn *c) {
  int joined = c->room >= 0;
  ssize_t count =
      joined ? recv(c->fd, buffer, READ_BYTES, 0)
             : recv(c->fd, c->greeting + c->greeted, ROOM_BYTES - c->greeted, 0);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) return drop(c);
  if (!joined) {
    c->greeted += (size_t)count;
    if (c->greeted == ROOM_BYTES) join(c);
    return;
  }
  for (size_t i = 0; i < rooms[c->room].count; i++) {
    struct conn *other = rooms[c->room].members[i];
    if (other != c) write_out(other, buffer, (size_t)count);
  }
}

static void on_connection(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->room = -1;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
  }
}

static int listen_on(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, BACKLOG)) {
    perror("relay: cannot listen");
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 2) return fputs("Usage: relay PORT\n", stderr), 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  alarm(LIFETIME_S);
  int listener = listen_on(atoi(argv[1]));
  epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    struct epoll_event events[1024];
    int count = epoll_wait(epoll, events, 1024, -1);
    for (int i = 0; i < count; i++) {
      struct conn *c = events[i].data.ptr;
      if (!c) on_connection(listener);
      else if (c->fd >= 0 && events[i].events & EPOLLOUT) flush(c);
      if (c && c->fd >= 0 && events[i].events & ~(unsigned)EPOLLOUT) on_readable(c);
    }
  }
}
