// What a runtime cannot do, or does otherwise, as far as a test notices: such tests are skipped there, and say why.

/** Specs that take long: on Node 22 and later they run on one waker only. */
export const slow = ['buffers', 'bulk', 'lifetime', 'many', 'worker']

const on = (runtime, spec, reason, ...titles) =>
  titles.map(title => ({ runtimes: [runtime], spec, title, reason }))

/** `title`: of the test, `*` for anything; none: the whole spec. */
export const lacking = [
  ...on(
    'bun',
    'http',
    'its node:http times out no connection that it did not open itself, and sends no trailers',
    'server.keepAliveTimeout closes a connection that is idle, after the answer',
    'server.requestTimeout answers 408 to a request that does not come to its end',
    'server.setTimeout() tells of a silent connection, and closes it',
    'an answer in chunks arrives chunk by chunk, with its trailers',
  ),
  ...on(
    'bun',
    'lifetime',
    'a module whose await is never answered keeps it alive, with or without sockets',
    'a process ends by itself when all it has is an unreferenced listener with a pending iteration',
  ),
  ...on(
    'bun',
    'address',
    'its recursive readdirSync(), which the test uses, follows symbolic links',
    'connect and listen say what stands in their way, and change nothing: *a symbolic link to itself',
    'connect and listen say what stands in their way, and change nothing: *a loop of symbolic links on the way',
  ),
  ...on(
    'bun',
    'tls',
    'its node:https takes no connection from elsewhere',
    'node:https serves 10 MiB both ways and a keep-alive agent over a listener of ours',
  ),
  ...on(
    'bun',
    'many',
    'its allocator keeps memory, so growth tells nothing',
    '10,000 cycles of connect, echo and close over a * leave no descriptor and no memory',
  ),
  ...on(
    'deno',
    'lifetime',
    'it emits no exit event after an exception, so what was written last cannot be sent',
    'what was written before process.exit() is delivered, and then the end: *by an exception that nobody catches',
  ),
  ...on(
    'deno',
    'worker',
    'it emits no exit event after an exception, so what was written last cannot be sent',
    "a throw in a data callback of a worker is that worker's error, after what was written was sent",
  ),
  ...on(
    'deno',
    'lifetime',
    'a module whose await is never answered ends with code 1, and runs timers before',
    'a process ends by itself when all it has is an unreferenced listener with a pending iteration',
  ),
  ...on(
    'deno',
    'address',
    'it does not start, or says nothing, where the working directory is gone or is not UTF-8',
    'a relative path is ENOENT where the working directory is gone',
    'a relative path is completed also where the working directory has bytes that are not UTF-8',
  ),
  ...on('deno', 'address', 'it has no process.setgroups()', 'permissions refuse another user: EACCES'),
  ...on(
    'deno',
    'path',
    'its node:fs takes paths for UTF-8, so the test cannot look',
    'the file has exactly the name that was given: *bytes that are not UTF-8',
    'the file has exactly the name that was given: *every byte but NUL and the slash',
  ),
  ...on(
    'deno',
    'accept',
    'it aborts when it starts without spare descriptors',
    'without descriptors accept waits, costs nothing, and goes on when one is closed (*)',
  ),
  ...on(
    'deno',
    'limits',
    'it aborts when it starts without spare descriptors',
    '100 clients of a listener with 64 descriptors are all served, it says what it lacks, and takes its time (*)',
    'a listener that closes in a shortage leaves the event loop as it was (*)',
  ),
  ...on(
    'deno',
    'http',
    'its node:http keeps no connection for later that an agent was given, nor reuses it',
    'a HEAD has the headers of a body and none',
    'an agent keeps four connections busy when four requests are in progress at a time',
    'a keep-alive agent sends 200 requests over one connection to a *',
    'server.close() closes idle connections and lets a request in progress finish',
    "a client's timeout is told, and its request can be given up",
  ),
  ...on(
    'deno',
    'tls',
    'its node:tls takes no connection but its own',
    'node:https serves 10 MiB both ways and a keep-alive agent over a listener of ours',
    'tls.connect() and a TLSSocket carry bytes both ways over a *, and close',
  ),
  ...on(
    'deno',
    'many',
    'its memory grows for a while, so growth tells nothing',
    '10,000 cycles of connect, echo and close over a * leave no descriptor and no memory',
  ),
  ...on(
    'deno',
    'worker',
    'a terminated worker leaves about one descriptor',
    '100 workers, terminated in full traffic, leave no descriptor, no thread and no open connection',
  ),
  ...on(
    'bun',
    'http-agent',
    'its node:https takes no connection from elsewhere',
    'an HttpsAgent talks TLS to a *, over one connection',
  ),
  ...on(
    'deno',
    'http-agent',
    'its node:http keeps no connection for later that an agent was given, nor reuses it',
    'new Agent* sends 50 requests over one connection to a *',
    'maxSockets makes requests wait for one another',
    "a request's own socketPath goes before the agent's, and each path has its own pool",
  ),
  ...on(
    'deno',
    'http-agent',
    'its node:tls takes no connection but its own',
    'an HttpsAgent talks TLS to a *, over one connection',
  ),
  {
    runtimes: ['bun', 'deno'],
    spec: 'permission',
    reason: "it has not Node's permission model",
  },
  {
    runtimes: ['deno'],
    spec: 'net/process',
    reason: "there an ECONNRESET that nobody catches ends the test's own process; why is not known",
  },
]
