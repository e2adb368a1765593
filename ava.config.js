// AVA's settings for each group of tests: `UDSOCK_TESTS=long npx ava`. Without UDSOCK_TESTS the group is `unit`.
const common = {
  extensions: { ts: 'module' },
  nodeArguments: ['--import=@oxc-node/core/register'],
  workerThreads: false,
  timeout: '120s',
}

const specs = (...names) => names.map(name => `__test__/${name}.spec.ts`)

/** Groups in a folder of their own under `__test__`. Those with `concurrency: 1` measure the whole process or machine. */
const apart = {
  long: { files: specs('long/*'), timeout: '10m', concurrency: 1 },
  leak: { files: specs('leak/*'), timeout: '10m', concurrency: 1 },
  /** These load addons that `npm run test:faults` and `npm run test:panics` build. */
  faults: { files: specs('faults/*'), timeout: '5m', concurrency: 1 },
  panics: { files: specs('panics/*') },
  /** In plain JavaScript, as the libraries' users write it. */
  ecosystem: { files: ['__test__/ecosystem/*.spec.js'], extensions: { ts: 'module', js: true } },
}

const groups = {
  ...apart,
  unit: { files: [...specs('**/*'), ...Object.keys(apart).map(folder => `!__test__/${folder}/**`)] },
  interop: { files: ['interop/*.spec.ts'] },
  /**
   * The main specs, on a Node that this system does not run by itself; see scripts/emulated.js and scripts/musl.js. One test at a
   * time: the emulator takes seconds to start a Node, and twenty at once exceed the deadline of the tests that start them.
   */
  emulated: {
    files: specs(
      'smoke',
      'connect/{connect,contexts,waiting}',
      'listener/{accept,close,contexts,listener,order}',
      'socket/{socket,stream}',
    ),
    nodeArguments: [`--import=${new URL('__test__/emulated/node.js', import.meta.url)}`],
    timeout: '10m',
    concurrency: 1,
    serial: true,
  },
  /** Unit tests that enter the addon in many ways, on the slow addon that UDSOCK_ADDON names. */
  asan: {
    files: specs(
      'smoke',
      'listener/accept',
      'socket/close-read',
      'socket/buffers',
      'framed/framed',
      'socket/read',
      'packet/packet',
      'packet/descriptors',
      'packet/flow',
      'datagram/datagram',
      'datagram/descriptors',
      'datagram/flow',
      'datagram/pair',
      'dgram/dgram',
    ),
    nodeArguments: [
      ...common.nodeArguments,
      `--import=${new URL('__test__/asan/addon.js', import.meta.url)}`,
    ],
    concurrency: 1,
    serial: true,
  },
}

const group = process.env.UDSOCK_TESTS ?? 'unit'
if (!Object.hasOwn(groups, group))
  throw new Error(
    `UDSOCK_TESTS=${group} names no group of tests; there are: ${Object.keys(groups).join(', ')}`,
  )

export default { ...common, ...groups[group] }
