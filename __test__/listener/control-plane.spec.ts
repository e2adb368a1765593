import test, { type ExecutionContext } from 'ava'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { connect, listen } from '../../index.js'
import { createServer } from '../../net.js'
import { directory, eventually, once } from '../helpers/sockets.js'
import { answer, Program, runs, start } from '../helpers/program.js'

const isLinux = process.platform === 'linux'
const isRoot = process.getuid?.() === 0
/** One after the other, because they count threads and measure times. */
const withPython = runs('python3', '--version') ? test.serial : test.skip
const withThreadLimit = isLinux && runs('prlimit', '--version') ? test : test.skip
const program = fileURLToPath(new URL('../programs/control-plane.js', import.meta.url))
const stranger = 23456
const asStranger = ['setpriv', `--reuid=${stranger}`, `--regid=${stranger}`, '--clear-groups']
/** Whether another user can run the package from here. */
const canBeStranger =
  isLinux &&
  isRoot &&
  runs(asStranger[0]!, ...asStranger.slice(1), process.execPath, program, 'outcomes', '/', '/s', '[]')
const withStranger = canBeStranger ? test : test.skip
const withNamespaces = canBeStranger && runs('unshare', '-U', 'true') ? test : test.skip
const withMounts =
  isLinux && isRoot && runs('unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/proc') ? test : test.skip
if (!canBeStranger) console.log('# files of other users: skipped, no other user can run the package here')

/** Keeps a directory locked, as any process that can read it may. */
async function locked(t: ExecutionContext, path: string): Promise<() => Promise<unknown>> {
  const code = `
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_SH)
print("locked", flush=True)
sys.stdin.read()`
  const python = new Program(t, 'python3', ['-c', code, path])
  await python.prints('locked')
  return () => {
    python.stdin.end()
    return python.ended
  }
}

function threadCount(): number {
  return isLinux ? readdirSync('/proc/self/task').length : 0
}

withPython(
  '50 calls of listen() that wait for a lock take no threads and delay no other; an abort is at once',
  async t => {
    t.timeout(30_000)
    const [home, free] = [directory(t), directory(t)]
    const unlock = await locked(t, home)
    const controllers = Array.from({ length: 25 }, () => new AbortController())
    const options = { onExisting: 'replaceStale', unlinkOnClose: true } as const
    const before = threadCount()
    const aborted = controllers.map(({ signal }, index) =>
      t.throwsAsync(listen(`${home}/a${index}`, { ...options, signal }), { code: 'ABORT_ERR' }),
    )
    const waiting = Array.from({ length: 25 }, (_, index) => listen(`${home}/w${index}`, options))
    const begin = performance.now()
    const other = await listen(`${free}/s`, options)
    const listened = performance.now()
    for (const controller of controllers) controller.abort()
    await Promise.all(aborted)
    const ended = performance.now()
    t.true(threadCount() <= before + 6, `${threadCount()} threads, ${before} before`)
    t.true(
      listened - begin < 4000 && ended - listened < 4000,
      `${listened - begin} ms, ${ended - listened} ms`,
    )
    t.deepEqual(readdirSync(home), [])
    await unlock()
    const listeners = await Promise.all(waiting)
    t.is(readdirSync(home).length, 25)
    await Promise.all([other, ...listeners].map(listener => listener.close()))
    t.deepEqual([...readdirSync(home), ...readdirSync(free)], [])
  },
)

withPython(
  'a server of udsock/net closes at once while its directory is locked, and its file goes when it is free',
  async t => {
    t.timeout(30_000)
    const home = directory(t)
    const paths = Array.from({ length: 5 }, (_, index) => `${home}/${index}`)
    const servers = paths.map(path => createServer().listen(path))
    await Promise.all(servers.map(server => once(server, 'listening')))
    const waiting = await connect(paths[0]!)
    const unlock = await locked(t, home)
    const times = servers.map(server => {
      const begin = performance.now()
      server.close()
      return performance.now() - begin
    })
    waiting.destroy()
    // A busy machine may delay one of them.
    t.true(Math.min(...times) < 10, `close() took ${times.join(' ms, ')} ms`)
    t.deepEqual(readdirSync(home).length, 5)
    for (const path of paths) await t.throwsAsync(connect(path), { code: 'ECONNREFUSED' })
    await unlock()
    await eventually('the files are removed', () => readdirSync(home).length === 0)
  },
)

withPython('a listener that closes while its directory is locked refuses clients at once', async t => {
  t.timeout(30_000)
  const home = directory(t)
  const listener = await listen(`${home}/s`, { unlinkOnClose: true })
  const unlock = await locked(t, home)
  const closing = listener.close()
  if (isLinux) await t.throwsAsync(connect(`${home}/s`), { code: 'ECONNREFUSED' })
  await unlock()
  await closing
})

withPython(
  'a file whose directory stays locked stays, and so does the newcomer’s that takes its place',
  async t => {
    t.timeout(30_000)
    const home = directory(t)
    const path = `${home}/s`
    const listener = await listen(path, { unlinkOnClose: true })
    const unlock = await locked(t, home)
    await listener.close()
    t.true(existsSync(path))
    await unlock()
    const newcomer = await listen(path, { onExisting: 'replaceStale', unlinkOnClose: true })
    t.true(existsSync(path))
    await newcomer.close()
    t.false(existsSync(path))
  },
)

withPython('the end of a process with 100 servers waits for no lock', async t => {
  t.timeout(30_000)
  const home = directory(t)
  const exit = async (kind: string): Promise<number> => {
    const child = start(t, 'control-plane.js', ['servers', home, kind, '100'])
    await child.prints('exit')
    const begin = performance.now()
    t.is((await child.ended).code, 0)
    return performance.now() - begin
  }
  const unlock = await locked(t, home)
  // More than once only on a busy machine.
  let time = Infinity
  for (let round = 0; round < 5 && time >= 200; round++) {
    const theirs = await exit(`net${round}`)
    time = Math.min(time, (await exit(`udsock${round}`)) - theirs)
  }
  t.true(time < 200, `${time} ms more than with node:net`)
  t.is(readdirSync(home).filter(name => name.startsWith('udsock0')).length, 100)
  await unlock()
  await exit('again')
  t.is(readdirSync(home).filter(name => name.startsWith('again')).length, 0)
})

/** How long the end of an event loop waits for system calls that it undoes: UNDO_LIMIT of the crate udsock's requests. */
const undoLimit = 500

for (const end of ['process', 'exit', 'terminate'])
  for (const onExisting of ['error', 'takeOver'])
    test(`listeners of '${onExisting}' that are being made leave no file behind the end of their ${end}`, async t => {
      t.timeout(60_000)
      const home = directory(t)
      for (let round = 0, late = 0; round < 5; round++) {
        const delay = `${round * 250}`
        const child = start(t, 'control-plane.js', ['early', home, onExisting, delay, end])
        const { code, output } = await child.ended
        t.is(code, 0)
        const left = readdirSync(home)
        // Threads that had no processor for so long may leave files, but not again and again.
        if (left.length > 0 && Date.now() - Number(output) >= undoLimit && late++ < 3) {
          for (const name of left) rmSync(join(home, name))
          round--
        } else {
          t.deepEqual(left, [], `${delay} µs`)
        }
      }
    })

withThreadLimit(
  'without a spare thread listen() fails with EAGAIN, and works as soon as there is one',
  async t => {
    t.timeout(30_000)
    const home = directory(t)
    chmodSync(home, 0o777)
    // The limit does not bind root.
    if (isRoot && !canBeStranger) return t.pass('no other user can run the package here')
    const command = [process.execPath, program, 'threads', home]
    if (isRoot) command.unshift(...asStranger)
    const child = new Program(t, command[0]!, command.slice(1))
    await child.prints('connected')
    const prlimit = ['prlimit', '--pid', `${child.pid}`]
    if (isRoot) prlimit.unshift(...asStranger)
    const limit = (threads: string): boolean => runs(prlimit[0]!, ...prlimit.slice(1), `--nproc=${threads}:`)
    t.true(limit('1'))
    child.stdin.write('limited')
    t.is(await child.nextLine(), 'connected')
    t.deepEqual(JSON.parse(await child.nextLine()), Array(3).fill('EAGAIN'))
    t.true(limit('4096'))
    child.stdin.write('free')
    t.is(await child.nextLine(), '"listens"')
  },
)

withStranger('a stale file without its owner’s write bit is replaced, a live one is not', async t => {
  t.timeout(30_000)
  const home = directory(t)
  chmodSync(home, 0o777)
  const path = `${home}/s`
  const options = ['error', 'replaceStale', 'takeOver'].map(onExisting => ({ mode: 0o060, onExisting }))
  const run = (deed: string, ...args: string[]): Program =>
    new Program(t, asStranger[0]!, [
      ...asStranger.slice(1),
      process.execPath,
      program,
      deed,
      home,
      path,
      ...args,
    ])
  t.deepEqual(await answer(t, run('outcomes', JSON.stringify(options))), ['listens', 'listens', 'listens'])
  const live = run('live', JSON.stringify({ mode: 0o060, onExisting: 'replaceStale' }))
  await live.prints('listening')
  const { ino } = lstatSync(path)
  t.deepEqual(await answer(t, run('outcomes', JSON.stringify(options.slice(0, 2)))), [
    'EADDRINUSE',
    'EADDRINUSE',
  ])
  t.deepEqual([lstatSync(path).ino, lstatSync(path).mode & 0o7777], [ino, 0o060])
})

withNamespaces('where all users look alike, no socket is replaced, neither live nor stale', async t => {
  t.timeout(30_000)
  const home = directory(t)
  chmodSync(home, 0o777)
  const [live, stale] = [`${home}/live`, `${home}/stale`]
  const first = spawnSync(asStranger[0]!, [
    ...asStranger.slice(1),
    process.execPath,
    program,
    'outcomes',
    home,
    stale,
    '[{}]',
  ])
  t.is(String(first.stdout).trim(), '["listens"]')
  const listener = await listen(live, { unlinkOnClose: true })
  const options = JSON.stringify([{ onExisting: 'replaceStale' }, { onExisting: 'takeOver' }])
  const second = ['setpriv', '--reuid=23457', '--regid=23457', '--clear-groups', 'unshare', '-U']
  for (const path of [live, stale]) {
    const args = [...second.slice(1), process.execPath, program, 'outcomes', home, path, options]
    const { ino } = lstatSync(path)
    t.deepEqual(await answer(t, new Program(t, second[0]!, args)), ['EADDRINUSE', 'EADDRINUSE'])
    t.is(lstatSync(path).ino, ino)
  }
  t.deepEqual(readdirSync(home).toSorted(), ['live', 'stale'])
  await listener.close()
})

withMounts('a mode is exact where there is no /proc', async t => {
  const home = directory(t)
  mkdirSync(`${home}/d`)
  const shell = ['-m', 'sh', '-c', 'mount -t tmpfs none /proc; exec "$@"', 'sh', process.execPath, program]
  const results = await answer(t, new Program(t, 'unshare', [...shell, 'modes', `${home}/d`]))
  t.deepEqual(results, [0, true, true, true, true])
})
