import test from 'ava'
import { lstatSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { listen } from '../../index.js'
import { connect } from '../../index.js'
import { eventually, places, receiveAll } from '../helpers/sockets.js'
import { answer, Program, runs, start, startBehind } from '../helpers/program.js'

const hasStrace = runs('strace', '-V')
const withStrace = hasStrace ? test.serial : test.skip
if (!hasStrace) console.log('# failing system calls: skipped, strace is missing')

/** Every system call that binding makes, with an error that it never has; all calls of it fail. */
const calls = ['fchmod', 'bind', 'listen', 'chmod', 'flock', 'rename'] as const
/** Not every architecture has the older ones. */
const alsoKnownAs: Record<string, string> = {
  chmod: '?chmod,?fchmodat',
  rename: '?rename,?renameat,?renameat2',
}
/** Those that a way of binding does without. */
const unused: Record<string, readonly string[]> = {
  error: ['flock', 'rename'],
  replaceStale: ['rename'],
  takeOver: [],
}

for (const onExisting of ['error', 'replaceStale', 'takeOver'] as const) {
  for (const stands of ['nothing', 'a stale file'] as const) {
    if (onExisting === 'error' && stands === 'a stale file') continue
    withStrace(`a system call that fails leaves nothing: '${onExisting}' where ${stands} is`, async t => {
      t.timeout(120_000)
      for (const call of calls) {
        if (unused[onExisting]!.includes(call) || (call === 'rename' && stands === 'nothing')) continue
        const path = places.path(t)
        if (stands === 'a stale file') await (await listen(path)).close()
        const before = stands === 'a stale file' ? lstatSync(path).ino : undefined
        const set = alsoKnownAs[call] ?? call
        const strace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${set}`]
        const inject = ['-e', `inject=${set}:error=EDOM`]
        const options = JSON.stringify({ onExisting, mode: 0o777, unlinkOnClose: false })
        const program = startBehind(t, [...strace, ...inject], 'listen-once.js', [path, options])
        const expected = { outcome: 'EDOM', leaked: 0 }
        t.deepEqual(await answer(t, program), expected, call)
        const names = readdirSync(dirname(path))
        // A stale file may be gone by then; what is there is the old one, and nothing else.
        t.deepEqual(
          names.filter(name => name !== 's'),
          [],
        )
        if (names.includes('s')) t.is(lstatSync(path).ino as number | undefined, before, call)
      }
    })
  }
}

withStrace(
  'a file that takes the name while a socket is bound there is neither changed nor removed',
  async t => {
    t.timeout(60_000)
    const path = places.path(t)
    const mine = `${dirname(path)}/mine`
    writeFileSync(mine, 'text', { mode: 0o600 })
    const strace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=bind']
    const inject = ['-e', 'inject=bind:delay_exit=500000:when=1']
    const options = JSON.stringify({ mode: 0o666, unlinkOnClose: true })
    const program = startBehind(t, [...strace, ...inject], 'listen-once.js', [path, options])
    await eventually('the socket is bound', () => readdirSync(dirname(path)).includes('s'))
    renameSync(mine, path)
    // The first attempt finds that out, the second that something is there.
    t.deepEqual(await answer(t, program), { outcome: 'EADDRINUSE', leaked: 0 })
    t.deepEqual(readdirSync(dirname(path)), ['s'])
    t.is(readFileSync(path, 'utf8'), 'text')
    t.is(lstatSync(path).mode & 0o777, 0o600)
  },
)

const canAttach = hasStrace && process.geteuid?.() === 0
const withAttached = canAttach ? test.serial : test.skip
if (!canAttach) console.log('# connections that cannot be watched: skipped, this needs root and strace')

for (const code of ['ENOMEM', 'ENOSPC'])
  withAttached(
    `a connection that is accepted when epoll has no room (${code}) waits until it has`,
    async t => {
      t.timeout(60_000)
      const path = places.path(t)
      const server = start(t, 'listener-unwatched.js', [path])
      t.is(await server.nextLine(), 'listening')
      // From here on the server watches nothing but connections.
      const inject = ['-e', 'trace=epoll_ctl', '-e', `inject=epoll_ctl:error=${code}:when=1..4`]
      const trace = `${path}.trace`
      const strace = new Program(t, 'strace', ['-f', '-o', trace, ...inject, '-p', `${server.pid}`])
      await eventually('strace watches', () =>
        readFileSync(`/proc/${server.pid}/status`, 'utf8').includes(`TracerPid:\t${strace.pid}`),
      )
      const clients = await Promise.all(Array.from({ length: 10 }, () => connect(path)))
      for (const client of clients) t.is(String(await receiveAll(client.end())), 'welcome')
      server.stdin.write('report\n')
      t.deepEqual(JSON.parse(await server.nextLine()), [code])
      await strace.ended
      t.is(readFileSync(trace, 'utf8').match(/INJECTED/g)?.length, 4)
    },
  )
