#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Messages of one system call, the longest message, and messages of a pipeline that are under way.
enum { BATCH = 64, LONGEST = 2048, WINDOW = 256 };

union control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr alignment;
};

static struct mmsghdr headers[BATCH];
static struct iovec parts[BATCH];
static union control controls[BATCH];
static char landing[BATCH][LONGEST];

int bound_datagram(const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) < 0) fail(address->sun_path);
  return fd;
}

// Closes the descriptors that came with a message. Returns their number.
static uint64_t close_received(struct msghdr *message) {
  uint64_t closed = 0;
  if (message->msg_flags & MSG_CTRUNC) wrong("descriptors were lost");
  for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL; control = CMSG_NXTHDR(message, control)) {
    int fd;
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    memcpy(&fd, CMSG_DATA(control), sizeof fd);
    close(fd);
    closed++;
  }
  return closed;
}

// Receives and checks at most `most` messages, at least one, and closes their descriptors if `descriptors` is there to count
// them. Returns the number of messages, 0 at the end of a connection.
static size_t take_messages(const struct spec *spec, int fd, struct position *position, size_t most,
                            uint64_t *descriptors) {
  size_t room = most < BATCH ? most : BATCH;
  for (size_t i = 0; i < room; i++) {
    // Exactly a message: on a stream, more would take the beginning of the next one.
    parts[i] = (struct iovec){.iov_base = landing[i], .iov_len = descriptors ? spec->size : LONGEST};
    headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    if (descriptors == NULL) continue;
    headers[i].msg_hdr.msg_control = &controls[i];
    headers[i].msg_hdr.msg_controllen = sizeof controls[i].bytes;
  }
  int taken;
  do taken = recvmmsg(fd, headers, (unsigned)room, MSG_WAITFORONE | MSG_CMSG_CLOEXEC, NULL);
  while (taken < 0 && errno == EINTR);
  if (taken < 0) fail("recvmmsg");
  for (int i = 0; i < taken; i++) {
    if (headers[i].msg_len == 0) return (size_t)i;
    if (headers[i].msg_len != spec->size) wrong("a message of another length arrived");
    check(spec, position, landing[i], spec->size);
    if (descriptors != NULL) *descriptors += close_received(&headers[i].msg_hdr);
  }
  return (size_t)taken;
}

static void send_batch(int fd, size_t count) {
  for (size_t sent = 0; sent < count;) {
    int more = sendmmsg(fd, headers + sent, (unsigned)(count - sent), MSG_NOSIGNAL);
    if (more < 0 && errno != EINTR) fail("sendmmsg");
    if (more > 0) sent += (size_t)more;
  }
}

// Sends the next `count` slices, each as a message, with `descriptor` unless that is negative.
static void give_messages(const struct spec *spec, int fd, size_t *next, size_t count, int descriptor) {
  struct msghdr with = {.msg_iovlen = 1};
  if (descriptor >= 0) {
    with.msg_control = &controls[0];
    with.msg_controllen = sizeof controls[0].bytes;
    struct cmsghdr *control = CMSG_FIRSTHDR(&with);
    *control = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof descriptor)};
    memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  }
  while (count > 0) {
    size_t together = count < BATCH ? count : BATCH;
    for (size_t i = 0; i < together; i++) {
      parts[i] = (struct iovec){.iov_base = spec->pattern + *next * spec->size, .iov_len = spec->size};
      headers[i].msg_hdr = with;
      headers[i].msg_hdr.msg_iov = &parts[i];
      *next = (*next + 1) % spec->slices;
    }
    send_batch(fd, together);
    count -= together;
  }
}

// Sends back the messages that take_messages() has received last.
static void echo_messages(const struct spec *spec, int fd, size_t count) {
  for (size_t i = 0; i < count; i++) {
    parts[i].iov_len = spec->size;
    headers[i].msg_hdr.msg_flags = 0;
  }
  send_batch(fd, count);
}

static _Noreturn void echo_datagrams(int fd) {
  for (;;) {
    struct sockaddr_un sender;
    socklen_t length = sizeof sender;
    ssize_t taken = recvfrom(fd, landing[0], LONGEST, 0, (struct sockaddr *)&sender, &length);
    if (taken < 0) fail("recvfrom");
    if (sendto(fd, landing[0], (size_t)taken, 0, (struct sockaddr *)&sender, length) < 0) fail("sendto");
  }
}

_Noreturn void serve_datagrams(const struct spec *spec, int fd) {
  struct position position = {.every = 1};
  if (strcmp(spec->workload, "datagram-rtt") == 0) echo_datagrams(fd);
  for (;;) {
    struct header announced;
    struct sockaddr_un sender;
    socklen_t length = sizeof sender;
    uint64_t taken = 0;
    if (recvfrom(fd, &announced, sizeof announced, 0, (struct sockaddr *)&sender, &length) != sizeof announced)
      fail("recvfrom");
    if (sendto(fd, &taken, sizeof taken, 0, (struct sockaddr *)&sender, length) < 0) fail("sendto");
    position.every = announced.every;
    while (taken < announced.bytes) taken += take_messages(spec, fd, &position, BATCH, NULL) * spec->size;
    if (sendto(fd, &taken, sizeof taken, 0, (struct sockaddr *)&sender, length) < 0) fail("sendto");
  }
}

void serve_packets(const struct spec *spec, int fd) {
  struct position position = {.every = 16};
  size_t count;
  while ((count = take_messages(spec, fd, &position, BATCH, NULL)) > 0) echo_messages(spec, fd, count);
}

// Confirms each batch by the number of all descriptors so far.
void serve_descriptors(const struct spec *spec, int fd) {
  struct header announced;
  struct position position = {.every = 1};
  uint64_t descriptors = 0;
  while (read_all(fd, &announced, sizeof announced)) {
    position.every = announced.every;
    write_all(fd, &descriptors, sizeof descriptors);
    for (uint64_t missing = announced.bytes / spec->size; missing > 0;) {
      uint64_t together = missing < BATCH ? missing : BATCH;
      missing -= together;
      while (together > 0) {
        size_t taken = take_messages(spec, fd, &position, together, &descriptors);
        if (taken == 0) wrong("the connection ended early");
        together -= taken;
      }
      write_all(fd, &descriptors, sizeof descriptors);
    }
  }
}

void send_datagrams(const struct spec *spec, int fd, size_t *next, size_t count, uint64_t every) {
  struct header announced = {.bytes = count * spec->size, .every = every};
  uint64_t taken;
  write_all(fd, &announced, sizeof announced);
  if (!read_all(fd, &taken, sizeof taken)) wrong("an empty answer came");
  give_messages(spec, fd, next, count, -1);
  if (!read_all(fd, &taken, sizeof taken) || taken != announced.bytes) wrong("not all messages arrived");
}

void send_descriptors(const struct spec *spec, int fd, size_t *next, size_t count, uint64_t every, int descriptor) {
  struct header announced = {.bytes = count * spec->size, .every = every};
  static uint64_t sent;
  uint64_t wanted = sent + count, taken;
  write_all(fd, &announced, sizeof announced);
  if (!read_all(fd, &taken, sizeof taken) || taken != sent) wrong("descriptors were lost");
  while (taken < wanted) {
    size_t room = BATCH * 2 - (sent - taken);
    if (room > wanted - sent) room = wanted - sent;
    give_messages(spec, fd, next, room, descriptor);
    sent += room;
    if (!read_all(fd, &taken, sizeof taken)) wrong("the connection ended early");
  }
}

void pipeline_messages(const struct spec *spec, int fd, struct position *position, size_t *next, size_t count) {
  size_t sent = 0;
  for (size_t back = 0; back < count;) {
    size_t room = WINDOW - (sent - back);
    if (room > count - sent) room = count - sent;
    give_messages(spec, fd, next, room, -1);
    sent += room;
    size_t taken = take_messages(spec, fd, position, count - back, NULL);
    if (taken == 0) wrong("the connection ended early");
    back += taken;
  }
}
