#include "floor.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64 };

static char buffer[CHUNK];

// One connection after the other, until each ends.

static void echo(int fd) {
  ssize_t length;
  while ((length = read_polling(fd, buffer, sizeof buffer)) > 0) write_all(fd, buffer, (size_t)length);
  if (length < 0) fail("read");
}

static void source(const struct spec *spec, int fd) {
  struct header asked;
  size_t slice = 0;
  while (read_all(fd, &asked, sizeof asked))
    for (uint64_t sent = 0; sent < asked.bytes; sent += spec->size) {
      write_all(fd, spec->pattern + slice * spec->size, spec->size);
      slice = (slice + 1) % spec->slices;
    }
}

static void sink(const struct spec *spec, int fd) {
  struct header announced;
  struct position position = {.every = 1};
  while (read_all(fd, &announced, sizeof announced)) {
    uint64_t taken = 0;
    write_all(fd, &taken, sizeof taken);
    position.every = announced.every;
    while (taken < announced.bytes) {
      ssize_t length = read(fd, buffer, sizeof buffer);
      if (length < 0) fail("read");
      if (length == 0) wrong("the connection ended early");
      check(spec, &position, buffer, (size_t)length);
      taken += (uint64_t)length;
    }
    write_all(fd, &taken, sizeof taken);
  }
}

// All connections at once.
static void echo_many(int listener) {
  struct epoll_event events[EVENTS];
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  int poll = epoll_create1(EPOLL_CLOEXEC);
  if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll");
  for (;;) {
    int ready = epoll_wait(poll, events, EVENTS, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (event.data.fd < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event) < 0) fail("accept");
        continue;
      }
      ssize_t length = read(fd, buffer, sizeof buffer);
      if (length < 0) fail("read");
      if (length > 0) write_all(fd, buffer, (size_t)length);
      else close(fd);
    }
  }
}

static void *answer_orders(void *unused) {
  (void)unused;
  for (;;) {
    const char *line = order();
    if (strstr(line, "stop") != NULL) exit(0);
    if (strstr(line, "usage") == NULL) continue;
    char message[128];
    snprintf(message, sizeof message, "{\"type\":\"usage\",\"usage\":{\"user\":%.0f,\"system\":0}}\n",
             processor_time());
    tell(message);
  }
  return NULL;
}

static int listening(const struct spec *spec, int type) {
  int listener = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (const struct sockaddr *)&spec->address, sizeof spec->address) < 0 ||
      listen(listener, spec->backlog) < 0)
    fail(spec->address.sun_path);
  return listener;
}

int serve(const struct spec *spec) {
  int is_datagram = strncmp(spec->workload, "datagram", strlen("datagram")) == 0;
  int is_packet = strcmp(spec->workload, "seqpacket") == 0;
  int listener = is_datagram ? bound_datagram(&spec->address)
                             : listening(spec, is_packet ? SOCK_SEQPACKET : SOCK_STREAM);
  pthread_t thread;
  if (pthread_create(&thread, NULL, answer_orders, NULL) != 0) wrong("no thread could be made");
  tell("{\"type\":\"ready\"}\n");
  if (is_datagram) serve_datagrams(spec, listener);
  if (strcmp(spec->workload, "ping-64") == 0) echo_many(listener);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) fail("accept");
    if (strcmp(spec->workload, "receive") == 0) source(spec, fd);
    else if (strcmp(spec->workload, "send") == 0) sink(spec, fd);
    else if (strcmp(spec->workload, "descriptors") == 0) serve_descriptors(spec, fd);
    else if (is_packet) serve_packets(spec, fd);
    else echo(fd);
    close(fd);
  }
}
