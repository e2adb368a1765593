import test from 'ava'
import { directory } from '../helpers/sockets.js'
import { answer, runs, startBehind } from '../helpers/program.js'

const canMount = process.platform === 'linux' && runs('unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt')
/** The outcome of every way to listen where nothing stands. */
const nothing = (code: string): Record<string, string> =>
  Object.fromEntries(
    ['error', 'replaceStale', 'takeOver'].flatMap(way =>
      [undefined, 0o600, 0o777].map(mode => [`nothing, ${way}, ${mode}`, code]),
    ),
  )

const withMounts = canMount ? test : test.skip
if (!canMount) console.log('# full and read-only file systems: skipped, no mount namespace can be made here')

withMounts(
  'a full inode table and a read-only file system give clean errors, and nothing is left',
  async t => {
    t.timeout(60_000)
    const shell = ['unshare', '-m', 'sh', '-c', 'exec "$@"', 'sh']
    const program = startBehind(t, shell, 'filesystems.js', [directory(t)])
    const { full, readOnly } = await answer<Record<string, Record<string, unknown>>>(t, program)
    const rest = { 'live, replaceStale': 'EADDRINUSE', unchanged: true, leaked: 0, serves: true }
    t.deepEqual(full, { ...nothing('ENOSPC'), ...rest, 'live, takeOver': 'ENOSPC', left: 0 })
    const readOnlyRest = { ...rest, 'live, takeOver': 'EROFS', 'dead, replaceStale': 'EROFS', left: 1 }
    t.deepEqual(readOnly, { ...nothing('EROFS'), ...readOnlyRest })
  },
)
