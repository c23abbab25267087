/*
 * The load generator: one program for all protocols, so that all servers are
 * measured in the same way.
 *
 * It opens rooms x members connections, registers and joins them, lets the first
 * `senders` of each room send, and counts what all others receive. It knows
 * no protocol (see load_spec.h), only what may carry one (see load_transport.h);
 * what it looks for is its own mark in the bodies:
 *
 *     |SSSSSTTTTTTTTWWxxxxxxxx...
 *
 * a bar that nothing else on the wire contains, the message's number, the time it
 * was sent in ns, and which member sent it, each in digits of six bits, then
 * filling. Every message at every receiver is checked: it must be the sender's
 * next one. A lost, doubled or swapped message ends the run with an error.
 *
 * Nothing is sent blindly: the senders of a room together are never more than
 * `window` messages (or `window_bytes`) ahead of the slowest receiver, and fill
 * the window up again when half of it is free. This is the same for all servers,
 * disconnects no receiver as too slow, and measures what is received, not what is
 * dropped. What was received is acknowledged to the kernel of the server at once.
 *
 * With several ports, which are those of servers with one chat, the members of a
 * room sit on all of them in turn. CPU and memory are those of all servers then.
 *
 * To cost little: a receiver's mark is looked for where the last one's distance
 * says it should be, reads are large, and many messages leave in one write. One
 * thread, one epoll. Ends by itself after `limit_s`. The result is one JSON
 * object on standard output; an error is {"error": "..."} and exit code 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/timerfd.h>

#include "load_transport.h"

/* ---- Arriving ---- */

static void open_next(void) {
  struct conn *c = &conns[opened++];
  c->room = (int)((c - conns) / spec.members);
  c->member = (int)((c - conns) % spec.members);
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port_of(c)),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) fail("cannot open connection %ld: %s", opened, strerror(errno));
  int on = 1;
  struct linger at_once = {1, 0}; /* leaves no port waiting behind */
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  c->state = CONNECTING;
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) {
    c->state = UNUSED;
    failed++;
    return;
  }
  watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void become_ready(struct conn *c) {
  c->state = READY;
  c->kept = 0;
  ready++;
}

static void start_joining(struct conn *c) {
  if (!spec.join.length) return become_ready(c);
  c->state = JOINING;
  write_text(c, spec.join);
}

static void become_registered(struct conn *c) {
  c->state = REGISTERED;
  registered++;
  if (!spec.join_apart) start_joining(c);
}

static void greet(struct conn *c) {
  if (!spec.hello.length) return become_registered(c);
  c->state = WELCOMING;
  write_text(c, spec.hello);
}

static void on_connected(struct conn *c) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) {
    close(c->fd);
    c->state = UNUSED;
    failed++;
    return;
  }
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
  c->state = OPENING;
  transport->start(c);
  if (transport->is_open(c)) greet(c);
}

/* Looks for the answer that the connection waits for; keeps what may be its start. */
static void shake_hands(struct conn *c, char *from, char *end) {
  c->kept = 0;
  while (c->state == WELCOMING || c->state == JOINING) {
    struct text *answer = c->state == JOINING ? &spec.joined : &spec.welcome;
    char *found = memmem(from, (size_t)(end - from), answer->at, answer->length);
    if (!found) {
      size_t keep = answer->length - 1;
      if (keep > (size_t)(end - from)) keep = (size_t)(end - from);
      memcpy(c->keep, end - keep, keep);
      c->kept = keep;
      return;
    }
    from = found + answer->length;
    if (c->state == JOINING) become_ready(c);
    else become_registered(c);
  }
}

/* ---- Receiving ---- */

static inline uint64_t digits(const char *at, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++) value = value << 6 | (uint64_t)(at[i] - '0');
  return value;
}

static inline void put_digits(char *at, uint64_t value, int count) {
  for (int i = count - 1; i >= 0; i--, value >>= 6) at[i] = (char)('0' + (value & 63));
}

static inline uint32_t sender_of(const char *mark) {
  return spec.senders > 1 ? (uint32_t)digits(mark + 14, 2) : 0;
}

/* Of several servers, the time from one to another counts. */
static inline int is_timed(const struct conn *c, const char *mark) {
  int count = spec.ports.count;
  return count == 1 || c->member % count != (int)sender_of(mark) % count;
}

static inline void receive(struct conn *c, const char *mark) {
  uint32_t number = (uint32_t)digits(mark + 1, 5);
  uint32_t sender = sender_of(mark);
  if (sender >= spec.senders || number != c->next[sender]) {
    fail("connection %ld got message %u of sender %u out of order: %u was next",
         (long)(c - conns), number, sender,
         sender < spec.senders ? c->next[sender] : 0);
  }
  c->next[sender]++;
  c->got++;
  deliveries++;
}

/* Once alone is not enough: the server may have told something in between. */
static inline void learn_stride(struct conn *c, size_t distance) {
  if (distance < c->stride && (distance == c->distance || c->stride != SIZE_MAX))
    c->stride = distance;
  c->distance = distance;
}

/* Counts the messages in what was read, `from` where the last read was cut. */
static void scan(struct conn *c, char *from, char *end, uint64_t now) {
  char *at = from + c->skip, *before = NULL;
  c->skip = c->kept = 0;
  for (;;) {
    if (at < end && *at != '|') at = memchr(at, '|', (size_t)(end - at));
    if (!at) return;
    if (at >= end) break;
    if (end - at < MARK_BYTES) {
      c->kept = (size_t)(end - at);
      memcpy(c->keep, at, c->kept);
      return;
    }
    receive(c, at);
    /* Without a fixed rate there are too many: one of each read will do. */
    if (recording && (spec.rate || !before) && is_timed(c, at))
      record_ns(now - started_ns - digits(at + 6, 8));
    /* A sender has answers in between, without which the next one may be nearer. */
    if (before && c->member >= spec.senders) learn_stride(c, (size_t)(at - before));
    before = at;
    at += c->stride != SIZE_MAX ? c->stride : (size_t)spec.body_bytes;
  }
  c->skip = (size_t)(at - end);
}

static void answer_ping(struct conn *c, char *from, char *end) {
  if (!spec.ping.length) return;
  if (memmem(from, (size_t)(end - from), spec.ping.at, spec.ping.length))
    write_text(c, spec.pong);
}

static void check_refusal(char *from, char *end) {
  if (!spec.refusal.length) return;
  char *found = memmem(from, (size_t)(end - from), spec.refusal.at, spec.refusal.length);
  if (found) fail("the sender was refused: %.*s", (int)(end - found < 200 ? end - found : 200), found);
}

static void on_readable(struct conn *c) {
  memcpy(buffer, c->keep, c->kept);
  char *fresh = buffer + c->kept;
  size_t count = transport->read(c, fresh);
  if (!count) return;
  char *end = fresh + count;
  /* Or a server without TCP_NODELAY is measured waiting 40 ms for our ACK. */
  int on = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
  c->last_bytes = count < LAST_BYTES ? count : LAST_BYTES;
  memcpy(c->last, end - c->last_bytes, c->last_bytes);
  if (c->state != READY) shake_hands(c, buffer, end);
  else if (started) {
    uint64_t now = last_delivery_ns = now_ns();
    if (c->member == rooms[c->room].slowest) rooms[c->room].moved = 1;
    if (spec.senders == 1 && !c->member) check_refusal(buffer, end);
    else scan(c, buffer, end, now);
    return;
  }
  last_read_ns = now_ns();
  answer_ping(c, buffer, end);
}

/* ---- Sending ---- */

static void prepare_sender(struct conn *c) {
  struct text text = fill_in(spec.send, c - conns, c->room);
  char *mark = memmem(text.at, text.length, "{body}", 6);
  if (!mark) fail("the frame to send has no {body}");
  c->body_at = (size_t)(mark - text.at);
  size_t rest = text.length - c->body_at - 6;
  c->frame.length = c->body_at + (size_t)spec.body_bytes + rest;
  c->frame.at = malloc(c->frame.length);
  memcpy(c->frame.at, text.at, c->body_at);
  memset(c->frame.at + c->body_at, 'x', (size_t)spec.body_bytes);
  memcpy(c->frame.at + c->frame.length - rest, mark + 6, rest);
  c->frame.at[c->body_at] = '|';
  free(text.at);
}

static void send_messages(struct conn *c, long count) {
  long fit = BATCH_BYTES / (long)c->frame.length;
  if (count > fit) count = fit;
  uint64_t at = now_ns() - started_ns;
  char *out = batch;
  for (long i = 0; i < count; i++, out += c->frame.length) {
    memcpy(out, c->frame.at, c->frame.length);
    char *mark = out + c->body_at;
    put_digits(mark + 1, c->sent++, 5);
    put_digits(mark + 6, at, 8);
    put_digits(mark + 14, (uint64_t)c->member, 2);
  }
  rooms[c->room].sent += (uint32_t)count;
  sent_total += (uint64_t)count;
  transport->write(c, batch, (size_t)(out - batch));
}

/* How many messages the slowest of a room has yet to receive. */
static long find_slowest(long number) {
  struct room *room = &rooms[number];
  struct conn *members = conns + number * spec.members;
  uint32_t most = 0;
  room->slowest = spec.senders == 1 ? 1 : 0;
  for (int i = room->slowest; i < spec.members; i++) {
    uint32_t behind = room->sent - members[i].sent - members[i].got;
    if (behind <= most) continue;
    most = behind;
    room->slowest = i;
  }
  return most;
}

static void refill(long number) {
  struct conn *members = conns + number * spec.members;
  long window = spec.window_bytes / spec.body_bytes;
  if (window > spec.window) window = spec.window;
  if (window < 2) window = 2;
  rooms[number].moved = 0;
  long free_places = window - find_slowest(number);
  if (free_places * 2 < window) return;
  long each = free_places / spec.senders;
  for (long i = 0; i < spec.senders; i++) {
    if (!members[i].pending) send_messages(&members[i], each ? each : 1);
  }
  find_slowest(number);
}

static void refill_all(void) {
  for (long i = 0; i < spec.rooms; i++) {
    if (rooms[i].moved) refill(i);
  }
}

/* Sends what is due by the clock; what came late is counted, not hidden. */
static void send_due(void) {
  uint64_t ticks;
  if (read(timer, &ticks, sizeof ticks) < 0 || !sending) return;
  uint64_t passed = now_ns() - started_ns;
  uint64_t due = (uint64_t)((double)passed * (double)spec.rate / 1e9);
  uint64_t at_ns = (uint64_t)((double)(sent_total + 1) * 1e9 / (double)spec.rate);
  if (recording && passed > at_ns && passed - at_ns > latest_ns) latest_ns = passed - at_ns;
  for (; sent_total < due; ) send_messages(&conns[0], 1);
}

/* ---- The run ---- */

static void handle(struct epoll_event *event) {
  if (event->data.u64 == (uint64_t)TIMER) return send_due();
  struct conn *c = &conns[event->data.u64];
  if (c->state == CONNECTING) return on_connected(c);
  if (event->events & EPOLLOUT) flush(c);
  if (c->state == OPENING) {
    if (transport->is_open(c)) greet(c);
    return;
  }
  if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
}

static void turn(int timeout_ms) {
  static struct epoll_event events[1024];
  int count = epoll_wait(epoll, events, 1024, timeout_ms);
  for (int i = 0; i < count; i++) handle(&events[i]);
  if (sending && !spec.rate) refill_all();
}

static void run_for(long ms) {
  uint64_t end = now_ns() + (uint64_t)ms * 1000000u, now;
  while ((now = now_ns()) < end) {
    turn((int)((end - now) / 1000000u) + 1 < 50 ? (int)((end - now) / 1000000u) + 1 : 50);
    if (sending && now > last_delivery_ns + STALLED_MS * 1000000ull)
      fail("nothing was delivered for %d ms; the first sender last heard: %.*s",
           STALLED_MS, (int)conns[0].last_bytes, conns[0].last);
  }
}

/* Waits for silence: what a server tells of the joining may take its time. */
static void settle(void) {
  uint64_t end = now_ns() + SETTLE_LIMIT_MS * 1000000ull;
  last_read_ns = now_ns();
  do run_for(spec.settle_ms);
  while (last_read_ns + (uint64_t)spec.settle_ms * 1000000u > now_ns() && now_ns() < end);
}

/* Connects and registers all, or as many as succeed within the limit. */
static void connect_all(void) {
  uint64_t limit_ms = spec.connect_limit_ms ? (uint64_t)spec.connect_limit_ms : UINT32_MAX;
  uint64_t end = now_ns() + limit_ms * 1000000u;
  while (ready + failed < total && now_ns() < end) {
    long settled = spec.join_apart ? registered : ready;
    while (opened < total && opened - failed - settled < spec.at_once) open_next();
    if (spec.join_apart && registered + failed == total) return;
    if (ready + failed < total) turn(100);
  }
}

static void join_all(void) {
  for (long i = 0; i < total; i++) {
    if (conns[i].state == REGISTERED) start_joining(&conns[i]);
  }
  while (ready + failed < total) turn(1000);
}

static struct snapshot take_snapshot(void) {
  return (struct snapshot){now_ns(), deliveries, sent_total, own_cpu_s(),
                           server_cpu_s(), all_cpu_s(&spec.beside)};
}

static void start_timer(void) {
  long interval_ns = 1000000000 / spec.rate;
  struct itimerspec every = {{interval_ns / 1000000000, interval_ns % 1000000000},
                             {interval_ns / 1000000000, interval_ns % 1000000000}};
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  timerfd_settime(timer, 0, &every, NULL);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)TIMER};
  epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
}

/* Every member must get every message: one that is missing after a while is an error. */
static void drain(void) {
  sending = 0;
  uint64_t wanted = 0, end = now_ns() + STALLED_MS * 1000000ull;
  for (long i = 0; i < spec.rooms; i++)
    wanted += (uint64_t)rooms[i].sent * (uint64_t)(spec.members - 1);
  while (deliveries < wanted && now_ns() < end) turn(50);
  if (deliveries != wanted)
    fail("%lu of %lu messages were delivered; the first sender last heard: %.*s",
         (unsigned long)deliveries, (unsigned long)wanted, (int)conns[0].last_bytes,
         conns[0].last);
}

static void run_load(struct snapshot *from, struct snapshot *to) {
  for (long i = 0; i < total; i++) {
    if (i % spec.members < spec.senders) prepare_sender(&conns[i]);
    conns[i].next = calloc((size_t)spec.senders, sizeof *conns[i].next);
    conns[i].stride = SIZE_MAX;
    rooms[conns[i].room].moved = 1;
  }
  started_ns = last_delivery_ns = now_ns();
  started = sending = 1;
  if (spec.rate) start_timer();
  else refill_all();
  run_for(spec.warm_ms);
  recording = 1;
  *from = take_snapshot();
  run_for(spec.measure_ms);
  *to = take_snapshot();
  recording = 0;
  drain();
}

static void print_load(struct snapshot from, struct snapshot to) {
  printf(", \"messages\": %lu, \"deliveries\": %lu, \"elapsedS\": %.6f",
         (unsigned long)(to.sent - from.sent),
         (unsigned long)(to.deliveries - from.deliveries),
         (double)(to.at_ns - from.at_ns) / 1e9);
  printf(", \"loadCpuS\": %.6f, \"serverCpuS\": %.6f, \"besideCpuS\": %.6f",
         to.own_s - from.own_s, to.server_s - from.server_s,
         to.beside_s - from.beside_s);
  printf(", \"p50Us\": %.1f, \"p99Us\": %.1f, \"p999Us\": %.1f, \"maxUs\": %.1f",
         percentile_us(.5), percentile_us(.99), percentile_us(.999),
         (double)histogram.max_ns / 1e3);
  printf(", \"samples\": %lu, \"latestSendUs\": %.1f", (unsigned long)histogram.count,
         (double)latest_ns / 1e3);
  printf(", \"endPssKb\": %ld", server_pss_kb());
}

int main(void) {
  read_spec();
  choose_transport();
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGALRM, on_alarm);
  alarm((unsigned)spec.limit_s);
  total = spec.rooms * spec.members;
  conns = calloc((size_t)total, sizeof *conns);
  rooms = calloc((size_t)spec.rooms, sizeof *rooms);
  epoll = epoll_create1(0);

  long pss_kb = server_pss_kb();
  double cpu_s = server_cpu_s();
  uint64_t at_ns = now_ns();
  connect_all();
  uint64_t registered_ns = now_ns();
  if (spec.join_apart) join_all();
  uint64_t ready_ns = now_ns();
  settle();
  if (failed && spec.measure_ms) fail("%ld of %ld connections failed", failed, total);
  printf("{\"connections\": %ld, \"ready\": %ld, \"failed\": %ld, \"connectMs\": %.3f, \"joinMs\": %.3f",
         total, ready, failed, (double)(registered_ns - at_ns) / 1e6,
         (double)(ready_ns - registered_ns) / 1e6);
  printf(", \"connectCpuS\": %.3f, \"startPssKb\": %ld, \"readyPssKb\": %ld",
         server_cpu_s() - cpu_s, pss_kb, server_pss_kb());
  if (spec.measure_ms) {
    struct snapshot from, to;
    run_load(&from, &to);
    print_load(from, to);
  }
  puts("}");
  return 0;
}
