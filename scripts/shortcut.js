// The selection of the suite `plain-writer`: sockets must be right without the writer's shortcut. See src/internal/shortcut.ts.

/** Specs that this run leaves out, by reason: they do not depend on how a chunk gets into the queue, and they are slow. */
const left = {
  'it is about paths, files and permissions, and writes a few bytes at most': [
    'path/abstract-names',
    'path/relative',
    'path/resolution',
    'peer/remote-path',
    'path/file-systems',
    'peer/credentials',
    'peer/peer-uid',
    'listener/mode',
    'listener/file-ownership',
    'path/path',
    'process/permission-model',
    'listener/takeover',
  ],
  'it is about connecting and accepting': [
    'listener/accept',
    'connect/connect',
    'connect/contexts',
    'connect/waiting',
    'descriptor/unasked-thousands',
    'listener/drain',
    'listener/inherited',
    'listener/capacity',
    'listener/close',
    'listener/contexts',
    'listener/listener',
    'listener/order',
    'net/connect',
    'net/listen',
    'net/server',
  ],
  'it starts many processes or threads, which write what other specs write': [
    'process/lifetime',
    'connect/many-connections',
    'net/process',
    'process/worker',
  ],
  'it measures what the shortcut gathers': ['socket/coalescing'],
  'it has no sockets': [
    'framed/frames',
    'project/publish',
    'project/readme',
    'project/releases',
    'project/security',
    'net/exports',
  ],
}

/** Tests that expect more than Writable alone gives, with the reason. */
const titles = {
  'a writer that writes again in every callback is always called back, and starves no other socket*':
    "Writable calls back in ticks, as on node:net, until the kernel's buffer is full",
  'what was sent before destroy() is called back without an error*':
    'Writable fails what is corked before it calls back for what was sent, as on node:net',
}

/** AVA's arguments. `leftOut` lists what they exclude. */
export const selection = [
  '__test__/**/*.spec.ts',
  ...Object.values(left)
    .flat()
    .map(spec => `!__test__/${spec}.spec.ts`),
  ...Object.keys(titles).map(title => `--match=!${title}`),
]
export const leftOut = [
  ...Object.entries(left).map(([reason, specs]) => `${specs.join(', ')} (${reason})`),
  ...Object.entries(titles).map(([title, reason]) => `${title} (${reason})`),
]
