#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 256, CONNECTIONS = 64 };

struct samples {
  double *values;
  long length;
  long capacity;
};

static const struct spec *spec;
static char buffer[CHUNK];
static int fds[CONNECTIONS];
static struct position positions[CONNECTIONS];
static size_t next[CONNECTIONS];
static struct samples samples;
static uint64_t received;
static int measuring;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int connected_by(int fd) {
  if (fd < 0 || connect(fd, (const struct sockaddr *)&spec->address, sizeof spec->address) < 0)
    fail(spec->address.sun_path);
  return fd;
}

static int connected(void) {
  return connected_by(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int connected_packet(void) {
  return connected_by(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

// Bound to a path of its own, to which the server answers.
static int connected_datagram(void) {
  struct sockaddr_un own = spec->address;
  size_t length = strlen(own.sun_path);
  if (length + sizeof ".client" > sizeof own.sun_path) wrong("the address is too long");
  strcpy(own.sun_path + length, ".client");
  return connected_by(bound_datagram(&own));
}

static size_t take(int connection) {
  ssize_t length = read_polling(fds[connection], buffer, sizeof buffer);
  if (length < 0) fail("read");
  if (length == 0) wrong("the connection ended early");
  check(spec, &positions[connection], buffer, (size_t)length);
  received += (uint64_t)length;
  return (size_t)length;
}

// Sends the next `count` slices, as many at once as lie together in the pattern.
static void give(int connection, size_t count) {
  while (count > 0) {
    size_t together = spec->slices - next[connection] < count ? spec->slices - next[connection] : count;
    write_all(fds[connection], spec->pattern + next[connection] * spec->size, together * spec->size);
    next[connection] = (next[connection] + together) % spec->slices;
    count -= together;
  }
}

static void keep(double sample) {
  if (samples.length == samples.capacity) {
    samples.capacity = samples.capacity > 0 ? samples.capacity * 2 : 1 << 16;
    samples.values = realloc(samples.values, (size_t)samples.capacity * sizeof(double));
    if (samples.values == NULL) fail("the samples");
  }
  samples.values[samples.length++] = sample;
}

static void ping(long count) {
  for (long done = 0; done < count; done++) {
    double start = now();
    give(0, 1);
    for (size_t missing = spec->size; missing > 0;) missing -= take(0);
    if (measuring) keep((now() - start) * 1e6);
  }
}

static void ping_many(long count) {
  static int poll = -1;
  if (poll < 0) {
    poll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < CONNECTIONS; i++) {
      struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
      if (epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &event) < 0) fail("epoll");
    }
  }
  size_t missing[CONNECTIONS] = {0};
  long asked = 0;
  for (int i = 0; i < CONNECTIONS && asked < count; i++, asked++) {
    missing[i] = spec->size;
    give(i, 1);
  }
  for (long done = 0; done < count;) {
    struct epoll_event events[CONNECTIONS];
    int ready = epoll_wait(poll, events, CONNECTIONS, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int event = 0; event < ready; event++) {
      int i = (int)events[event].data.u32;
      missing[i] -= take(i);
      if (missing[i] > 0) continue;
      done++;
      if (asked == count) continue;
      asked++;
      missing[i] = spec->size;
      give(i, 1);
    }
  }
}

static void pipeline(long count) {
  long sent = 0;
  size_t wanted = (size_t)count * spec->size;
  for (size_t back = 0; back < wanted; back += take(0)) {
    long in_flight = sent - (long)(back / spec->size);
    long room = count - sent < WINDOW - in_flight ? count - sent : WINDOW - in_flight;
    give(0, (size_t)room);
    sent += room;
  }
}

static void receive(long count) {
  struct header asked = {.bytes = (uint64_t)count * spec->size, .every = 1};
  positions[0].every = measuring ? 16 : 1;
  write_all(fds[0], &asked, sizeof asked);
  for (uint64_t back = 0; back < asked.bytes;) back += take(0);
}

static void transmit(long count) {
  struct header announced = {.bytes = (uint64_t)count * spec->size, .every = measuring ? 16 : 1};
  uint64_t taken;
  write_all(fds[0], &announced, sizeof announced);
  if (!read_all(fds[0], &taken, sizeof taken)) wrong("the connection ended early");
  give(0, (size_t)count);
  if (!read_all(fds[0], &taken, sizeof taken) || taken != announced.bytes) wrong("not all bytes arrived");
  received += taken;
}

static void churn(long count) {
  for (long done = 0; done < count; done++) {
    int fd = connected();
    write_all(fd, "*", 1);
    if (!read_all(fd, buffer, 1) || buffer[0] != '*') wrong("the byte did not come back");
    received++;
    shutdown(fd, SHUT_WR);
    if (read(fd, buffer, sizeof buffer) != 0) wrong("no end came");
    close(fd);
  }
}

static void datagrams(long count) {
  send_datagrams(spec, fds[0], &next[0], (size_t)count, measuring ? 16 : 1);
  received += (uint64_t)count * spec->size;
}

static void packets(long count) {
  positions[0].every = measuring ? 16 : 1;
  pipeline_messages(spec, fds[0], &positions[0], &next[0], (size_t)count);
  received += (uint64_t)count * spec->size;
}

static void descriptors(long count) {
  static int descriptor = -1;
  if (descriptor < 0) descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail("/dev/null");
  send_descriptors(spec, fds[0], &next[0], (size_t)count, measuring ? 16 : 1, descriptor);
  received += (uint64_t)count * spec->size;
}

static double timed(void (*step)(long), long count) {
  double start = now();
  step(count);
  return now() - start;
}

// Steps of growing size until a tenth of the run is over; operations per second.
static double warm_up(void (*step)(long)) {
  long count = 1;
  double rate = 0;
  for (double spent = 0; spent < spec->seconds / 10;) {
    double elapsed = timed(step, count);
    spent += elapsed;
    rate = (double)count / elapsed;
    double longest = rate * spec->seconds / 20 + 1;
    count = (double)(count * 8) < longest ? count * 8 : (long)longest;
  }
  return rate;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double at(double part) {
  long index = (long)((double)samples.length * part);
  return samples.values[index < samples.length ? index : samples.length - 1];
}

int ask(const struct spec *given) {
  static const struct {
    const char *name;
    void (*step)(long);
    int connections;
    int (*open)(void);
  } known[] = {
      {"ping", ping, 1, connected},
      {"ping-64", ping_many, CONNECTIONS, connected},
      {"pipeline", pipeline, 1, connected},
      {"receive", receive, 1, connected},
      {"send", transmit, 1, connected},
      {"churn", churn, 0, connected},
      {"datagram", datagrams, 1, connected_datagram},
      {"datagram-rtt", ping, 1, connected_datagram},
      {"seqpacket", packets, 1, connected_packet},
      {"descriptors", descriptors, 1, connected},
  };
  spec = given;
  size_t i = 0;
  while (i < sizeof known / sizeof *known && strcmp(known[i].name, spec->workload) != 0) i++;
  if (i == sizeof known / sizeof *known) wrong("no such workload");
  for (int fd = 0; fd < known[i].connections; fd++) {
    fds[fd] = known[i].open();
    positions[fd].every = 1;
  }

  long operations = spec->count > 0 ? spec->count : (long)(warm_up(known[i].step) * spec->seconds) + 1;
  tell("{\"type\":\"begin\"}\n");
  order();
  measuring = 1;
  double cpu = processor_time();
  double seconds = timed(known[i].step, operations);
  cpu = processor_time() - cpu;
  tell("{\"type\":\"end\"}\n");
  order();

  printf("{\"operations\":%ld,\"seconds\":%.9f,\"cpu\":%.0f,\"bytes\":%llu,\"failures\":{}", operations, seconds,
         cpu, (unsigned long long)received);
  if (samples.length > 0) {
    qsort(samples.values, (size_t)samples.length, sizeof(double), ascending);
    printf(",\"latency\":{\"samples\":%ld,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}", samples.length, at(0.5), at(0.99),
           at(1));
  }
  printf("}\n");
  return 0;
}
